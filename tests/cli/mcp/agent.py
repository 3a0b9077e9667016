"""An agent: the SDK's own client of a server, which is another process or in this one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from mixpanel_data.cli.mcp_results import MAX_CHARACTERS, MAX_ROWS
from mixpanel_data.cli.mcp_server import McpServer
from tests.processes import ROOT, children_of

_T = TypeVar("_T")

#: The command line of a server, up to the database.
COMMAND = ["-m", "mixpanel_data", "mcp"]

Found = dict[str, Any]


class Agent:
    """A client of one server, whose calls can be made from a test.

    Args:
        client: The client.
        portal: Runs what is asynchronous.
        pid: The server's process.
        log: What the server writes to standard error, if it is another process.
    """

    def __init__(
        self,
        client: Client,
        portal: BlockingPortal,
        pid: int,
        log: Path = Path(os.devnull),
    ) -> None:
        self.client = client
        self.pid = pid
        self._portal = portal
        self._log = log

    def run(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        """Return what a coroutine function returns that takes the client."""
        return self._portal.call(work, self.client)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Return the result of a call."""
        return self.run(lambda client: client.call_tool(tool, arguments))

    def ask(self, tool: str, **arguments: Any) -> Found:
        """Return what a call has found."""
        return found(self.call(tool, **arguments))

    def rows(self, sql: str) -> list[list[Any]]:
        """Return the rows of a query."""
        rows: list[list[Any]] = self.ask("query", sql=sql)["rows"]
        return rows

    def refusal(self, tool: str, **arguments: Any) -> str:
        """Return the message of a call that fails."""
        return message(self.call(tool, **arguments))

    def together(self, calls: list[tuple[str, dict[str, Any]]]) -> list[CallToolResult]:
        """Return the results of many calls that are made at once."""

        async def all_of_them(client: Client) -> list[CallToolResult]:
            return await asyncio.gather(*(client.call_tool(*call) for call in calls))

        return self.run(all_of_them)

    def start(self, work: Callable[[Client], Coroutine[Any, Any, _T]]) -> Any:
        """Start a coroutine and return its future, which can be cancelled."""
        return self._portal.start_task_soon(work, self.client)

    def log(self) -> str:
        """Return what the server has written to standard error so far."""
        return self._log.read_text(encoding="utf-8")


def found(result: CallToolResult) -> Found:
    """Return what a call has found, which is the same as text and as JSON, within the limits."""
    assert not result.is_error, result.content
    (content,) = result.content
    assert isinstance(content, TextContent)
    structured: Found = result.structured_content
    assert orjson.loads(content.text) == structured
    assert len(content.text) <= MAX_CHARACTERS
    assert structured["row_count"] == len(structured["rows"]) <= MAX_ROWS
    assert all(len(row) == len(structured["columns"]) for row in structured["rows"])
    return structured


def message(result: CallToolResult) -> str:
    """Return the message of a call that has failed: a short text for an agent, no traceback."""
    assert result.is_error
    assert result.structured_content is None
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert "Traceback" not in content.text
    assert 'File "' not in content.text
    assert len(content.text) < 5000
    for folder in (sys.prefix, str(ROOT), str(Path.home())):
        assert folder not in content.text.replace(f'"{sys.executable}"', "")
    return content.text


@contextmanager
def agent(
    database: Path | str,
    *options: object,
    script: str | None = None,
    folder: Path | None = None,
    **environment: str,
) -> Iterator[Agent]:
    """Start a server process, and connect to it by standard input and output.

    Args:
        database: The database.
        options: For the command line.
        script: Python code that starts the server, by default its module.
        folder: Where its log goes, by default beside the database.
        environment: Variables to set.
    """
    command = COMMAND if script is None else ["-c", script]
    before = set(children_of())
    log = (folder or Path(database).parent) / f"server.{os.urandom(4).hex()}.log"
    with log.open("w") as errors, start_blocking_portal() as portal:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-W", "error", *command, str(database), *map(str, options)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
        client = Client(stdio_client(server, errlog=errors))
        with portal.wrap_async_context_manager(client):
            (pid,) = set(children_of()) - before or {0}
            yield Agent(client, portal, pid, log)


@contextmanager
def agent_within(database: Path, **limits: Any) -> Iterator[Agent]:
    """Connect to a server in this process.

    Args:
        database: The database.
        limits: Of the server.
    """
    with (
        McpServer(database, **limits) as server,
        start_blocking_portal() as portal,
    ):
        client = Client(server.server)
        with portal.wrap_async_context_manager(client):
            yield Agent(client, portal, os.getpid())
