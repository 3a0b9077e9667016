"""A stub of Mixpanel's API on loopback: raw exports as lines, profiles as pages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback import serving

EVENTS: list[dict[str, Any]] = [
    {
        "event": "Sign Up",
        "properties": {
            "time": 1735689600 + number // 2,  # two equal ones without an id each
            "distinct_id": f"user-{number // 2}",
            **({"$insert_id": f"id-{number}"} if number % 4 else {}),
            "$browser": "Chrome",
        },
    }
    for number in range(200)
]
PROFILES: list[dict[str, Any]] = [
    {
        "$distinct_id": f"user-{number}",
        "$properties": {"$last_seen": "2025-01-31T12:00:00", "$city": "Zürich", "n": number},
    }
    for number in range(250)
]
PAGE = 100


class _Handler(BaseHTTPRequestHandler):
    server: StubServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        asked = self.rfile.read(length).decode() + "&" + self.path
        if "/engage" in self.path:
            self._send(json.dumps(_page(asked)).encode(), "application/json")
        elif "/export" in self.path:
            self._send("\n".join(map(json.dumps, EVENTS)).encode() + b"\n", "text/plain")
        else:
            self._send(b"{}", "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if "gzip" in self.headers.get("Accept-Encoding", "") and "export" in self.path:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        broken = self.server.breaks_off and "/export" in self.path
        self.wfile.write(body[: len(body) // 2] if broken else body)
        if broken:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


class StubServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        breaks_off: Whether the connection is closed in the middle of an export.
    """

    breaks_off = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


def _page(asked: str) -> dict[str, Any]:
    number = 0
    for part in asked.replace("?", "&").replace('"', "").replace("{", "&").split("&"):
        if part.startswith("page="):
            number = int(part.removeprefix("page="))
    if '"page":' in asked:
        number = int(asked.split('"page":')[1].split(",")[0].split("}")[0])
    results = PROFILES[number * PAGE : (number + 1) * PAGE]
    return {
        "page": number,
        "page_size": PAGE,
        "session_id": "session",
        "status": "ok",
        "total": len(PROFILES),
        "results": results,
    }


@contextmanager
def running_stub() -> Iterator[StubServer]:
    """Run the server until the block ends."""
    with serving(StubServer(("127.0.0.1", 0), _Handler)) as server:
        yield server
