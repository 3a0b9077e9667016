"""Data of the wrong sort: what it is, and which method wants it."""

from __future__ import annotations

import gzip
import io
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixpanel_data import ExportFileError, StorageEngine, read_events_export
from tests.records import EVENTS, PROFILES, Record, make_event, make_events


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


WRONG: dict[str, tuple[Any, str]] = {
    "None": (None, "data is None. Pass an iterable of records"),
    "a number": (5, "data is 5. Pass"),
    "a text": ("events.jsonl", "load_events_export"),
    "a path": (Path("events.jsonl"), "load_events_export"),
    "bytes": (b"{}", "load_events_export"),
    "an open file": (io.BytesIO(b"{}"), "load_events_export"),
    "one record": (make_event(), "Put it into a list"),
    "an array": (np.array([1, 2]), "one column. Pass a table"),
    "a column of pandas": (pd.Series([1, 2]), "one column. Pass a table"),
    "a column of polars": (pl.Series(["a"]), "one column. Pass a table"),
    "an Arrow array": (pa.array(["a"]), "one column. Pass a table"),
    "a chunked array": (pa.chunked_array([[1]]), "one column. Pass a table"),
    "an array of rows": (
        np.array([(1, "a")], [("n", "i8"), ("s", "U3")]),
        r"rows without Arrow types\. Pass pandas\.DataFrame\(data\)",
    ),
    "a recarray": (
        np.array([(1, "a")], [("n", "i8"), ("s", "U3")]).view(np.recarray),
        r"Pass pandas\.DataFrame\(data\)",
    ),
    "an array of columns": (np.zeros((2, 3)), r"pandas\.DataFrame\(data, columns="),
    "a number of NumPy": (np.float64(5), r"^data is .*5\.0.*\. Pass an iterable of records"),
    "a connection": (
        duckdb.connect(),
        r"connection of DuckDB\. Pass a relation .*data\.fetch_arrow_table\(\)",
    ),
    "a module": (duckdb, r"^data is <module .*Pass an iterable"),
    "a lazy frame": (pl.LazyFrame({"event_name": ["a"]}), r"data\.collect\(\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_says_what_was_given_and_what_to_do(storage: StorageEngine, case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(TypeError, match=message):
        storage.create_events_table("t", data, EVENTS)
    assert storage.list_tables() == []


@pytest.mark.parametrize("wrong", [None, 5, {"event": "Tap"}, b"{}", [None], [5]])
def test_exports_of_the_wrong_sort_are_named_too(storage: StorageEngine, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"path (is|holds) .*\. Pass a path, a pattern"):
        storage.load_events_export("t", wrong, EVENTS)
    assert storage.list_tables() == []


@pytest.mark.parametrize("wrong", [None, 5, {"event": "Tap"}, b"{}", np.array([1])])
def test_days_stay_when_what_is_to_take_their_place_is_of_the_wrong_sort(
    storage: StorageEngine, wrong: Any
) -> None:
    storage.create_events_table("t", [make_event()], EVENTS)
    with pytest.raises(TypeError, match=r"^data is "):
        storage.replace_range("t", wrong, "2025-01-01", "2025-01-01", EVENTS)
    assert storage.list_tables()[0].row_count == 1


OPTIONS: dict[str, list[Any]] = {
    "metadata": [None, {"type": "events"}, "events"],
    "progress_callback": [5, "tqdm"],
    "batch_size": ["1", 1.5, True, np.bool_(True)],
    "primary_key": ["no", None, 1],
    "rejects": [5, b"rejects.jsonl", True],
    "time_zone": [5, b"UTC"],
    "property_columns": [None, 5, "plan", {"plan": "VARCHAR"}],
}
CASES = [(option, wrong) for option, values in OPTIONS.items() for wrong in values]


@pytest.mark.parametrize(("option", "wrong"), CASES)
def test_an_option_of_the_wrong_sort_is_named_with_what_to_pass(
    storage: StorageEngine, option: str, wrong: Any
) -> None:
    given: dict[str, Any] = {"metadata": EVENTS, option: wrong}
    events = make_events(3)
    with pytest.raises(TypeError, match=rf"^{option} is .*\. Pass "):
        storage.create_events_table("t", events, **given)
    assert storage.list_tables() == []
    assert len([*events]) == 3


@pytest.mark.parametrize(
    "option", ["on_conflict", "on_collision", "on_error", "if_exists", "time_unit"]
)
@pytest.mark.parametrize("wrong", [None, 5, "no", ["drop"], np.array(["s", "ms"])])
def test_a_choice_that_there_is_not_is_named_with_those_that_there_are(
    storage: StorageEngine, option: str, wrong: Any
) -> None:
    choice: dict[str, Any] = {option: wrong}
    with pytest.raises(ValueError, match=rf"^{option} is .*Use one of"):
        storage.create_events_table("t", make_events(3), EVENTS, **choice)


class Awaited:
    """A file of a web framework."""

    async def read(self, size: int = -1) -> bytes:
        return b""


class Odd:
    """What reads something else than bytes."""

    def read(self, size: int = -1) -> int:
        return 5


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "q.zip", "w") as made:
        made.writestr("q.jsonl", '{"event": "Tap", "properties": {"time": 1735689600}}')
    with tarfile.open(tmp_path / "q.tar", "w") as tar:
        tar.add(tmp_path / "q.zip", "q.zip")
    return tmp_path / "q.zip"


def closed(file: Any) -> Any:
    file.close()
    return file


NO_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a ZipFile": (zipfile.ZipFile, r"path is a ZipFile\. Pass the path of the archive"),
    "a ZipFile in a list": (lambda path: [zipfile.ZipFile(path)], "member of path is a ZipFile"),
    "a path in a zip": (zipfile.Path, r"zipfile\.Path\. Pass .*open\('rb'\)"),
    "a TarFile": (lambda path: tarfile.TarFile(path.with_suffix(".tar")), r"extractfile\(name\)"),
    "a file to write": (lambda path: path.with_name("w").open("wb"), "writing only.* its path"),
    "a text file to write": (lambda path: path.with_name("w").open("w"), "open it with 'rb'"),
    "gzip to write": (lambda path: gzip.GzipFile(path.with_name("w"), "wb"), "for writing only"),
    "a socket": (lambda _: socket.socket(), r"Pass makefile\('rb'\)"),
    "a file that is awaited": (lambda _: Awaited(), "has to be awaited"),
    "what reads numbers": (lambda _: Odd(), "values of type int. Pass an open binary file"),
}


@pytest.mark.parametrize("case", NO_FILES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_only_looks_like_a_file_is_named_with_what_to_pass(
    storage: StorageEngine, archive: Path, case: str
) -> None:
    make, message = NO_FILES[case]
    wrong = make(archive)
    with pytest.raises(TypeError, match=message):
        storage.load_events_export("t", wrong, EVENTS)
    assert storage.list_tables() == []
    if hasattr(wrong, "close"):
        wrong.close()


CLOSED: dict[str, Callable[[Path], Any]] = {
    "a file": lambda path: closed(path.open("rb")),
    "a text file": lambda path: closed(path.open()),
    "gzip": lambda path: closed(gzip.GzipFile(path)),
    "gzip of a closed file": lambda _: gzip.GzipFile(fileobj=closed(io.BytesIO(b"x"))),
    "bytes": lambda _: closed(io.BytesIO(b"{}")),
    "text": lambda _: closed(io.StringIO("{}")),
    "a temporary file": lambda _: closed(tempfile.NamedTemporaryFile()),  # noqa: SIM115
    "a file in memory at first": lambda _: closed(tempfile.SpooledTemporaryFile()),  # noqa: SIM115
    "one of a list": lambda path: [closed(path.open("rb"))],
}


@pytest.mark.parametrize("case", CLOSED)
def test_a_file_that_is_closed_says_so(storage: StorageEngine, archive: Path, case: str) -> None:
    with pytest.raises(ExportFileError, match=r"the file is closed\. Pass it while it is open"):
        storage.load_events_export("t", CLOSED[case](archive), EVENTS)
    assert storage.list_tables() == []


def test_a_file_that_is_closed_before_its_events_are_read_says_so(archive: Path) -> None:
    with archive.open("rb") as file:
        events = read_events_export(file)
    with pytest.raises(ExportFileError, match=r"q\.zip: the file is closed"):
        next(events)


def test_a_text_file_that_cannot_be_decoded_is_to_be_opened_in_binary_mode(
    storage: StorageEngine, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "caf\xe9"}')
    with (
        path.open(encoding="utf-8") as file,
        pytest.raises(ExportFileError, match=r"byte 0xe9 .* binary mode, with 'rb'"),
    ):
        storage.load_events_export("t", file, EVENTS)


@pytest.mark.parametrize("wrong", [None, 20250101, b"2025-01-01"])
def test_days_of_the_wrong_sort_are_named(storage: StorageEngine, wrong: Any) -> None:
    storage.create_events_table("t", [make_event()], EVENTS)
    with pytest.raises(TypeError, match=r"^from_date is .*\. Pass a date"):
        storage.replace_range("t", [], wrong, "2025-01-01", EVENTS)
    with pytest.raises(TypeError, match=r"^to_date is .*\. Pass a date"):
        storage.replace_range("t", [], "2025-01-01", wrong, EVENTS)


def test_numbers_of_numpy_are_numbers_of_rows(storage: StorageEngine) -> None:
    size: Any = np.int64(2)
    assert storage.create_events_table("t", make_events(3), EVENTS, batch_size=size) == 3


def test_columns_of_dicts_are_records(storage: StorageEngine) -> None:
    profiles = [{"distinct_id": "a", "properties": {"n": 1}}]
    for number, data in enumerate(
        (np.array(profiles), pd.Series(profiles), pl.Series(profiles), pa.array(profiles))
    ):
        given: Any = data
        assert storage.create_profiles_table(f"t{number}", given, PROFILES) == 1


def test_a_generator_that_was_used_up_is_noticed(storage: StorageEngine) -> None:
    def data() -> Iterator[Record]:
        yield from make_events(3)

    events = data()
    storage.create_events_table("t", events, EVENTS)
    with pytest.raises(ValueError, match="used up"):
        storage.append_events_table("t", events, EVENTS)
