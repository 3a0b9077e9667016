"""Data from afar: what is not there is told from what nobody has answered about."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mixpanel_data import ExportFileError, ExportFileNotFoundError, StorageEngine
from tests.engines import empty_storage
from tests.loopback import serving
from tests.records import EVENTS

LINE = b'{"event": "Tap", "properties": {"time": 1}}\n'


class Server(http.server.BaseHTTPRequestHandler):
    """Answers the status in the path; ``/cut`` promises more than it gives."""

    def do_GET(self) -> None:
        is_cut = self.path == "/cut"
        self.send_response(200 if is_cut else int(self.path[1:4]))
        self.send_header("Content-Length", str(len(LINE) + 100 * is_cut))
        self.end_headers()
        self.wfile.write(LINE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


@pytest.mark.parametrize("status", [404, 410])
def test_what_a_server_does_not_have_is_not_found(
    storage: StorageEngine, url: str, status: int
) -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ExportFileNotFoundError, match="Check the URL"):
        storage.load_events_export("t", f"{url}/{status}", EVENTS)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_another_status_is_told_without_the_query_of_the_url(
    storage: StorageEngine, url: str, status: int, on_error: Any
) -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ExportFileError, match=f"the server answers {status} ") as caught:
        storage.load_events_export("t", f"{url}/{status}?key=secret", EVENTS, on_error=on_error)
    assert not isinstance(caught.value, FileNotFoundError)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.jsonl", "https://nohost.invalid/x"])
def test_a_server_that_does_not_answer_is_no_missing_file(
    storage: StorageEngine, address: str
) -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ExportFileError, match=r"cannot be read: .* try again") as caught:
        storage.load_events_export("t", address, EVENTS)
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("name", ["a.jsonl", "*.jsonl", ""])
def test_a_bucket_without_access_is_no_missing_file(storage: StorageEngine, name: str) -> None:
    fsspec = pytest.importorskip("fsspec")

    class Closed(fsspec.AbstractFileSystem):  # type: ignore[misc,name-defined]
        """A bucket that answers as Amazon's do."""

        protocol = "closed"

        def info(self, path: str, **_: Any) -> Any:
            if "*" in path:
                raise FileNotFoundError(path)
            raise PermissionError("Access Denied")

        def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
            raise PermissionError("Access Denied")

    fsspec.register_implementation("closed", Closed, clobber=True)
    with pytest.raises(ExportFileError, match=r"bucket.*cannot be read: Access Denied\.") as caught:
        storage.load_events_export("t", f"closed://bucket/{name}", EVENTS)
    assert not isinstance(caught.value, FileNotFoundError)


@contextmanager
def opened(package: str, url: str) -> Iterator[Any]:
    client = pytest.importorskip(package)
    if package == "httpx":
        with client.stream("GET", url) as response:
            yield response
    elif package == "urllib3":
        with client.PoolManager() as pool:
            yield pool.request("GET", url, preload_content=False)
    else:
        with client.get(url, stream=True) as response:
            yield response.raw


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("package", ["httpx", "urllib3", "requests"])
def test_a_response_that_breaks_off_is_a_typed_error(
    storage: StorageEngine, url: str, package: str, on_error: Any
) -> None:
    with (
        opened(package, f"{url}/cut") as response,
        pytest.raises(ExportFileError, match=r"the connection broke off: .* Try again"),
    ):
        storage.load_events_export("t", response, EVENTS, on_error=on_error)
    assert storage.list_tables() == []
