"""What a caller may give: paths, patterns, folders, URLs, open files, lines, objects, lists."""

from __future__ import annotations

import gzip
import http.server
import io
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas
import pytest

from mixpanel_data import StorageEngine
from mixpanel_data.exceptions import (
    DatabaseFileError,
    DatabaseReadOnlyError,
    ExportFileError,
    ExportFileNotFoundError,
    RemoteFilesUnavailableError,
)
from mixpanel_data.ingest.export_data import read_sources
from mixpanel_data.ingest.framing import Block
from mixpanel_data.ingest.sources import find_sources
from tests.loopback import serving
from tests.records import EVENTS

LINES = [b'{"a": 1}', b'{"a": 2}', b'{"a": 3}']
DATA = b"\n".join(LINES) + b"\n"
FRAME = pandas.DataFrame({"week1.jsonl": [1]})


def read(data: Any) -> list[Any]:
    """Return the documents of data, or its objects."""
    found: list[Any] = []
    for rows in read_sources(find_sources(data)):
        if isinstance(rows.content, Block):
            found += rows.content.documents
        else:
            assert isinstance(rows.content, Iterator)
            found += rows.content
    return found


def names(data: Any) -> list[str]:
    return [source.name for source in find_sources(data)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with some files in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("week1.jsonl", "week[1].jsonl", "what?.jsonl", ".hidden.jsonl", "._week1.jsonl"):
        Path(name).write_bytes(b'{"name": "%s"}\n' % name.encode())
    Path("inner").mkdir()
    Path("inner/deep.jsonl").write_bytes(DATA)
    Path("empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["week1.jsonl", "week[1].jsonl", "what?.jsonl", ".hidden.jsonl"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_name_that_exists_is_that_file(folder: Path, name: str, kind: Any) -> None:
    assert names(kind(name)) == [name]
    assert names([kind(name)]) == [name]
    assert names(kind(folder / name)) == [str(folder / name)]


def test_a_text_that_names_nothing_may_be_a_pattern(folder: Path) -> None:
    assert names("week[12].jsonl") == ["week1.jsonl"]
    assert names("w*.jsonl") == ["week1.jsonl", "week[1].jsonl", "what?.jsonl"]
    assert names("*") == ["week1.jsonl", "week[1].jsonl", "what?.jsonl"]
    assert names(str(folder / "**" / "*.jsonl"))[0] == str(folder / "inner" / "deep.jsonl")


def test_hidden_files_never_match(folder: Path) -> None:
    with pytest.raises(ExportFileNotFoundError):
        find_sources(".hid*")


def test_a_path_is_no_pattern(folder: Path) -> None:
    with pytest.raises(ExportFileNotFoundError, match="no such file"):
        find_sources(Path("w*.jsonl"))


def test_a_folder_is_its_data_files(folder: Path) -> None:
    expected = [str(folder / name) for name in ("week1.jsonl", "week[1].jsonl", "what?.jsonl")]
    assert names(folder) == expected
    assert names([str(folder), Path("inner")]) == [*expected, str(Path("inner/deep.jsonl"))]


def test_the_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert names("~/week1.jsonl") == [str(folder / "week1.jsonl")]
    assert names(Path("~/inner")) == [str(folder / "inner" / "deep.jsonl")]
    assert names("~/inner/*") == [str(folder / "inner" / "deep.jsonl")]
    Path("~").write_bytes(DATA)
    assert names("~") == ["~"]


@pytest.mark.parametrize(
    "data",
    [
        "no.jsonl",
        Path("no.jsonl"),
        "no*.jsonl",
        "empty",
        Path("empty"),
        "",
        [],
        (),
        [""],
        "~no-such-user/x",
        "a\0b",
        "a\0*",
        "[" * 5000,
        "x" * 5000,
        ["week1.jsonl", "no.jsonl"],
        '{"event": "a"}',
    ],
)
def test_nothing_found_is_an_error(folder: Path, data: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        find_sources(data)
    assert isinstance(caught.value, ExportFileNotFoundError)


def test_an_iterable_of_nothing_is_a_day_without_events() -> None:
    with StorageEngine.memory() as storage:
        result = storage.load_events_export("t", iter([]), EVENTS)
        assert (result, result.read, storage.list_tables()[0].row_count) == (0, 0, 0)


@pytest.mark.parametrize("data", [[], "no.jsonl", ["no.jsonl"]])
def test_an_engine_that_may_not_write_says_so_before_it_looks_for_files(
    tmp_path: Path, data: Any
) -> None:
    StorageEngine(tmp_path / "a.db").close()
    reader = StorageEngine(tmp_path / "a.db", read_only=True)
    with reader as storage, pytest.raises(DatabaseReadOnlyError):
        storage.load_events_export("t", data, EVENTS)


@pytest.mark.parametrize("data", [None, 5, {"event": "a"}, b"week1.jsonl", 1.5, object(), FRAME])
def test_another_sort_of_argument_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError, match=r"data is .*\. Pass a path, a pattern such as"):
        find_sources(data)


@pytest.mark.parametrize("data", [[None], ["week1.jsonl", None], ["week1.jsonl", {}], [["x"]]])
def test_another_sort_in_a_list_is_a_type_error(folder: Path, data: Any) -> None:
    with pytest.raises(TypeError, match="data holds"):
        find_sources(data)


def test_no_database_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with StorageEngine(path) as storage:
        for data in (path, str(path), tmp_path, [path], path.as_uri()):
            with pytest.raises(DatabaseFileError):
                find_sources(data)
        assert storage.list_tables() == []


class Unseekable(io.RawIOBase):
    """A stream such as a response: it can be read, and little else."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 7))


class HttpxResponse:
    """What of a response of httpx matters: its ``read`` takes no size."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data

    def iter_bytes(self) -> Iterator[bytes]:
        yield from (self._data[at : at + 5] for at in range(0, len(self._data), 5))


class RequestsResponse:
    """What of a response of requests matters: iterating gives chunks, not lines."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content(128)

    def iter_content(self, size: int) -> Iterator[bytes]:
        yield from (self._data[at : at + 5] for at in range(0, len(self._data), 5))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [io.BytesIO, Unseekable, HttpxResponse, RequestsResponse])
def test_open_streams_are_read(kind: Any, packed: bool) -> None:
    data = gzip.compress(DATA) if packed else DATA
    assert read(kind(data)) == LINES
    assert read([kind(data), kind(data)]) == LINES * 2


def test_open_files_are_read_and_stay_open(folder: Path) -> None:
    with Path("inner/deep.jsonl").open("rb") as file:
        assert names(file) == ["inner/deep.jsonl"]
        assert read(file) == LINES
        assert not file.closed
    with Path("inner/deep.jsonl").open() as text:
        assert read(text) == LINES
    assert read(io.StringIO(DATA.decode())) == LINES


def test_a_stream_without_data_yet_is_an_error() -> None:
    class NonBlocking(io.RawIOBase):
        def read(self, size: int = -1) -> None:
            return None

    with pytest.raises(ExportFileError, match="blocking mode"):
        read(NonBlocking())


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes")
def test_a_pipe_is_read_once_and_whole(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    many = DATA * 50_000
    writer = threading.Thread(target=pipe.write_bytes, args=(many,))
    writer.start()
    assert len(read(pipe)) == 150_000
    writer.join()


@pytest.mark.skipif(sys.platform == "win32", reason="has other pipes")
def test_the_end_of_a_pipe_is_read(tmp_path: Path) -> None:
    out, into = os.pipe()
    with os.fdopen(into, "wb") as file:
        file.write(DATA)
    with os.fdopen(out, "rb") as end:
        assert read(end) == LINES


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("collect", [list, tuple, iter])
def test_lines_are_read(collect: Any, end: bytes) -> None:
    lines = [b"", *(line + end for line in LINES)]
    assert read(collect(lines)) == LINES
    assert read(collect([line.decode() for line in lines])) == LINES


def test_long_lines_are_no_paths() -> None:
    line = '{"a": "' + "x" * 5000 + '"}'
    assert read([line]) == [line.encode()]


def test_data_in_the_place_of_a_path_is_told() -> None:
    for text in ('{"event": "a"}', '[{"event": "a"}]'):
        with pytest.raises(ExportFileNotFoundError, match="give a list of lines"):
            find_sources(text)


def test_lines_of_a_pretty_printed_array_are_read() -> None:
    text = '[\n  {\n    "a": 1\n  }\n]'
    assert len(read(text.splitlines())) == 1


def test_lines_that_are_no_json_are_still_lines() -> None:
    assert read(["terminated early\n", '{"a": 1}\n']) == [b"terminated early", b'{"a": 1}']


def test_a_line_of_another_kind_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="line 2 is dict"):
        read([b'{"a": 1}', {"a": 2}])


def test_objects_are_handed_on_and_pages_opened() -> None:
    event = {"event": "a", "properties": {}, "results": [1]}
    page = {"page": 0, "results": [{"$distinct_id": 1}, {"$distinct_id": 2}]}
    assert read([event, page]) == [event, {"$distinct_id": 1}, {"$distinct_id": 2}]
    assert read(iter([event])) == [event]


def test_an_iterator_without_anything_is_no_error_but_one_used_up_is() -> None:
    assert read(iter(())) == []
    used = (line for line in LINES)
    list(used)
    with pytest.raises(ExportFileNotFoundError, match="used up"):
        find_sources(used)


class Server(http.server.BaseHTTPRequestHandler):
    """Promises more than it gives."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA) + (9 if "broken" in self.path else 0)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a server on loopback."""
    with serving(http.server.HTTPServer(("127.0.0.1", 0), Server)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_response_of_urllib_is_read(url: str) -> None:
    with urllib.request.urlopen(f"{url}/export") as response:
        assert read(response) == LINES


def test_a_connection_that_breaks_off_is_noticed(url: str) -> None:
    with (
        urllib.request.urlopen(f"{url}/broken") as response,
        pytest.raises(ExportFileError, match="broke off, 9 bytes are missing"),
    ):
        read(response)


@pytest.fixture
def bucket() -> Iterator[Any]:
    """Return fsspec's file system in memory."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/a.jsonl", DATA)
    memory.pipe("/bucket/b.jsonl.gz", gzip.compress(DATA))
    memory.pipe("/bucket/.hidden", b"x")
    memory.pipe("/bucket/deeper/c.jsonl", DATA)
    yield memory
    memory.rm("/bucket", recursive=True)


def test_remote_files_are_found(bucket: Any) -> None:
    assert names("memory://bucket/a.jsonl") == ["memory://bucket/a.jsonl"]
    both = ["memory://bucket/a.jsonl", "memory://bucket/b.jsonl.gz"]
    assert names("memory://bucket/*.jsonl*") == both
    assert names("memory://bucket") == both
    assert names("memory://bucket/**/c.jsonl") == ["memory://bucket/deeper/c.jsonl"]
    assert read("memory://bucket") == LINES * 2
    assert read(["memory://bucket/a.jsonl", "memory://bucket/b.jsonl.gz"]) == LINES * 2


@pytest.mark.parametrize("name", ["no.jsonl", "*.csv", "no/"])
def test_remote_files_that_are_missing_are_an_error(bucket: Any, name: str) -> None:
    with pytest.raises(ExportFileNotFoundError, match="Check the URL"):
        find_sources(f"memory://bucket/{name}")


@pytest.mark.parametrize("name", ["nosuchprotocol://x/y", "simplecache::memory://bucket/a.jsonl"])
def test_other_urls_are_refused(bucket: Any, name: str) -> None:
    with pytest.raises(ExportFileNotFoundError):
        find_sources(name)


def test_a_file_url_is_a_path(folder: Path) -> None:
    assert names((folder / "week1.jsonl").as_uri()) == [str(folder / "week1.jsonl")]


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RemoteFilesUnavailableError, match=r"pip install 'mixpanel_data\[remote\]'"):
        find_sources("s3://bucket/a.jsonl")


def test_secrets_of_a_url_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RemoteFilesUnavailableError) as caught:
        find_sources("https://user:secret@host/a.jsonl?signature=secret#secret")
    assert "https://host/a.jsonl " in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("given", [".", "*"])
def test_the_database_itself_is_no_data_file_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = '{"event": "Tap", "properties": {"time": 1735689600}}'
    (tmp_path / "day.jsonl").write_text(line)
    with StorageEngine("events.db") as storage:
        assert storage.load_events_export("t", given, EVENTS) == 1


#: Ways to give the folder ``inner`` as a whole.
WHOLE = ["inner", "inner/*", "inner/*.jsonl", "**/*.jsonl", "inner/**", ["inner"], Path("inner")]


@pytest.mark.parametrize("target", ["nowhere", "b.jsonl"])
@pytest.mark.parametrize("data", WHOLE, ids=str)
def test_a_link_that_leads_nowhere_is_named(folder: Path, data: Any, target: str) -> None:
    Path("inner/b.jsonl").symlink_to(target)
    with pytest.raises(
        ExportFileNotFoundError, match=r"^inner/b\.jsonl: is a link that leads to no"
    ):
        find_sources(data)


@pytest.mark.parametrize("link", [".", "..", "../inner/deeper"])
def test_a_folder_that_links_lead_back_to_is_looked_into_once(folder: Path, link: str) -> None:
    Path("inner/deeper").mkdir()
    Path("inner/deeper/deepest.jsonl").write_bytes(DATA)
    for name in ("again", "and_again"):
        Path("inner", name).symlink_to(link)
        Path("inner/deeper", name).symlink_to("..")
    found = ["inner/deep.jsonl", "inner/deeper/deepest.jsonl"]
    for pattern in ("inner/**/*.jsonl", "inner/**", "**/inner/**/deep*.jsonl"):
        assert [name for name in names(pattern) if "week" not in name and "?" not in name] == found
    assert names("inner/*") == ["inner/deep.jsonl"]
    assert len(names("**/*")) == 5


def test_a_pattern_goes_into_folders_that_links_lead_to(folder: Path) -> None:
    Path("inner/.hidden").mkdir()
    Path("inner/.hidden/a.jsonl").write_bytes(DATA)
    Path("inner/more").symlink_to(folder / "elsewhere")
    Path("elsewhere/[x]").mkdir(parents=True)
    Path("elsewhere/[x]/b.jsonl").write_bytes(DATA)
    assert names("inner/**/*.jsonl") == ["inner/deep.jsonl", "inner/more/[x]/b.jsonl"]
    assert names("in*/**/b.jsonl") == ["inner/more/[x]/b.jsonl"]
    assert names(f"{folder}/**/b.jsonl") == [f"{folder}/elsewhere/[x]/b.jsonl"]


@pytest.mark.parametrize("data", ["inner", "inner/*", "inner/b.sock"])
def test_what_cannot_be_opened_is_named(folder: Path, data: str) -> None:
    with socket.socket(socket.AF_UNIX) as listening, StorageEngine.memory() as storage:
        listening.bind("inner/b.sock")
        for on_error in ("raise", "skip"):
            options: Any = {"on_error": on_error}
            with pytest.raises(
                ExportFileError, match=r"^inner/b\.sock: cannot be read: No such dev"
            ):
                storage.load_events_export("t", data, EVENTS, **options)


def test_a_file_that_vanishes_after_it_was_found_is_named(folder: Path) -> None:
    sources = find_sources("inner")
    Path("inner/deep.jsonl").unlink()
    with pytest.raises(ExportFileNotFoundError, match=r"^inner/deep\.jsonl: is not there any more"):
        list(read_sources(sources))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Do without the rights of root, who may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("closed", "mode", "data"),
    [
        ("inner/deep.jsonl", 0, "inner"),
        ("inner/deep.jsonl", 0, "inner/*.jsonl"),
        ("inner/deep.jsonl", 0, "inner/deep.jsonl"),
        ("inner", 0, "inner"),
        ("inner", 0, "**/*.jsonl"),
        ("inner/deep.jsonl", 0o444, "inner"),
    ],
)
def test_what_may_not_be_read_is_named(folder: Path, closed: str, mode: int, data: str) -> None:
    folder.chmod(0o755)
    for name in ("inner", "empty"):
        Path(name).chmod(0o755)
    Path(closed).chmod(0)
    if mode:
        Path("inner").chmod(mode)  # names can be listed, and that is all
    try:
        with as_nobody(), StorageEngine.memory() as storage:
            with pytest.raises(ExportFileError, match=f"^{closed}: cannot be read: Permission de"):
                storage.load_events_export("t", data, EVENTS)
            assert storage.list_tables() == []
    finally:
        Path("inner").chmod(0o755)
