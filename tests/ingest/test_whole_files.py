"""Files that are no data as a whole: refused as such, or left out where they lie beside data."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from mixpanel_data import ExportFileError, StorageEngine
from tests.records import EVENTS

LINE = '{"event": "Tap", "properties": {"time": 1}}\n'
BESIDE = ("_SUCCESS", "_committed_17", "README.md", "readme", "a.jsonl.sha256", "MD5SUMS", "n.crc")


@pytest.fixture
def storage() -> Any:
    with StorageEngine.memory() as storage:
        yield storage


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, LINE)
    return path


def cut_zip(path: Path) -> None:
    archive(path, "a.jsonl").write_bytes(path.read_bytes()[:-30])


def locked_zip(path: Path) -> None:
    content = bytearray(archive(path, "a.jsonl").read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + flags] |= 1
    path.write_bytes(content)


def damaged_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(100))


def parquet_damaged_behind_its_beginning(path: Path) -> None:
    columns = {name: ["1"] * 30_000 for name in ("event_name", "distinct_id", "insert_id")}
    rows = {**columns, "event_time": range(30_000), "properties": ["{}"] * 30_000}
    pq.write_table(pa.table(rows), path, row_group_size=10_000, compression="zstd")
    content = bytearray(path.read_bytes())
    last = pq.ParquetFile(path).metadata.row_group(2).column(3)
    content[last.data_page_offset : last.data_page_offset + 400] = bytes(400)
    path.write_bytes(content)


def gzip_cut_before_its_first_line(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab")


WHOLE = [
    cut_zip,
    locked_zip,
    damaged_parquet,
    parquet_damaged_behind_its_beginning,
    gzip_cut_before_its_first_line,
]


@pytest.mark.parametrize("spoil", WHOLE)
def test_a_file_of_which_nobody_knows_what_is_missing_is_not_left_out_as_a_bad_line(
    storage: StorageEngine, tmp_path: Path, spoil: Any
) -> None:
    spoil(path := tmp_path / "data.bin")
    with pytest.raises(ExportFileError) as caught:
        storage.load_events_export("t", path, EVENTS, on_error="skip")
    assert str(path) in str(caught.value)
    assert ".." not in str(caught.value)
    assert storage.list_tables() == []


def test_an_archive_with_a_password_is_called_so(storage: StorageEngine, tmp_path: Path) -> None:
    locked_zip(path := tmp_path / "data.zip")
    with pytest.raises(ExportFileError, match=r"data\.zip/a\.jsonl: is encrypted.*password\.$"):
        storage.load_events_export("t", path, EVENTS)


@pytest.mark.parametrize("header", ["event,distinct_id", "a,b"])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_csv_in_an_archive_is_refused_as_csv(
    storage: StorageEngine, tmp_path: Path, header: str, on_error: Any
) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.csv", f"{header}\n1,2\n")
    with pytest.raises(ExportFileError, match=r"data\.zip/a\.csv: this is CSV"):
        storage.load_events_export("t", path, EVENTS, on_error=on_error)


ROWS = [{"event_name": "Tap", "event_time": 1, "distinct_id": "u", "properties": {"a": 1}}] * 9


def duckdb_file(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("t", ROWS, EVENTS)


def sqlite_file(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (line TEXT)")
    connection.execute("INSERT INTO t VALUES (?)", [LINE])
    connection.commit()
    connection.close()


def arrow_stream(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def office_document(path: Path) -> None:
    archive(path, "[Content_Types].xml", "xl/workbook.xml")


BINARY: dict[str, tuple[Callable[[Path], Any], str]] = {
    "DuckDB": (duckdb_file, r"a DuckDB database.*copy_table\(\)"),
    "SQLite": (sqlite_file, "a SQLite database"),
    "Feather": (
        lambda path: pyarrow.feather.write_feather(pa.Table.from_pylist(ROWS), str(path)),
        r"an Arrow file.*read_table\(\).*create_events_table\(\)",
    ),
    "Arrow stream": (arrow_stream, "a stream of Arrow"),
    "ORC": (
        lambda path: pyarrow.orc.write_table(pa.Table.from_pylist(ROWS), str(path)),
        "an ORC file",
    ),
    "Avro": (lambda path: path.write_bytes(b"Obj\x01\x04\x14avro.codec"), "an Avro file"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(ROWS)), "a pickle"),
    "NumPy": (lambda path: path.write_bytes(b"\x93NUMPY\x01\0v\0"), "an array of NumPy"),
    "PNG": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "an image"),
    "PDF": (lambda path: path.write_bytes(b"%PDF-1.7\n%\xe2\xe3"), "a PDF"),
    "Office": (office_document, "a document of Office"),
    "other": (lambda path: path.write_bytes(b"abcdefgh\n" + bytes(99)), "a binary file of some"),
}

WAYS_IN: dict[str, Callable[[Path], Any]] = {
    "a path": lambda path: path,
    "a folder": lambda path: path.parent,
    "a list": lambda path: [path],
    "an open file": lambda path: path.open("rb"),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "lines": lambda path: path.read_bytes().split(b"\n"),
}


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("binary", BINARY)
def test_a_binary_file_is_called_what_it_is_and_no_table_is_emptied(
    storage: StorageEngine, tmp_path: Path, binary: str, on_error: Any
) -> None:
    write, what = BINARY[binary]
    write(tmp_path / "data.jsonl")
    rejects = tmp_path.parent / "rejects.jsonl"
    storage.create_events_table("keep", ROWS, EVENTS)
    options: Any = {"if_exists": "replace", "on_error": on_error}
    if on_error == "skip":
        options["rejects"] = rejects
    for way, given in WAYS_IN.items():
        if binary == "Office" and way == "lines":
            continue
        data = given(tmp_path / "data.jsonl")
        with pytest.raises(ExportFileError, match=what) as caught:
            storage.load_events_export("keep", data, EVENTS, **options)
        assert "skip" not in str(caught.value)
        if hasattr(data, "close"):
            data.close()
    assert storage.execute_scalar("SELECT count(*) FROM keep") == len(ROWS)
    assert not rejects.exists()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
@pytest.mark.parametrize("binary", ["DuckDB", "PNG", "other"])
def test_a_binary_file_in_an_archive_is_refused(
    storage: StorageEngine, tmp_path: Path, binary: str, pack: Any
) -> None:
    write, what = BINARY[binary]
    write(tmp_path / "data")
    (tmp_path / "packed").write_bytes(pack((tmp_path / "data").read_bytes()))
    with zipfile.ZipFile(tmp_path / "zipped", "w") as file:
        file.writestr("a.jsonl", LINE)
        file.write(tmp_path / "data", "b.jsonl")
    for name in ("packed", "zipped"):
        with pytest.raises(ExportFileError, match=what):
            storage.load_events_export("t", tmp_path / name, EVENTS, on_error="skip")
    assert storage.list_tables() == []


@pytest.mark.parametrize("bad", ["\0", "ORC", "MZ", "BM", "RIFF", "no JSON", "\x80\x04"])
def test_lines_that_are_bad_among_good_ones_are_left_out_as_before(
    storage: StorageEngine, tmp_path: Path, bad: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"{LINE}{bad}\n{LINE}x\0\n")
    result = storage.load_events_export("t", path, EVENTS, on_error="skip")
    assert (result.added, result.rejected) == (2, 2)
    path.write_text(f"{bad}, a first line of text\n{LINE}")
    if bad != "\0":  # it may be UTF-16
        assert storage.load_events_export("u", path, EVENTS, on_error="skip").rejected == 1


def test_what_tools_and_people_put_beside_data_is_left_out(
    storage: StorageEngine, tmp_path: Path
) -> None:
    for name in ("a.jsonl", "_b.jsonl", *BESIDE):
        (tmp_path / name).write_text("hello" if name in BESIDE else LINE)
    assert storage.load_events_export("folder", tmp_path, EVENTS).files == 2
    assert storage.load_events_export("pattern", str(tmp_path / "*"), EVENTS).files == 2
    path = archive(tmp_path / "data.zip", "day/a.jsonl", "__MACOSX/._a.jsonl")
    with zipfile.ZipFile(path, "a") as file:
        for name in BESIDE:
            file.writestr(f"day/{name}", "hello")
    assert storage.load_events_export("zip", path, EVENTS) == 1


def test_a_file_that_is_named_is_read_whatever_it_is_called(
    storage: StorageEngine, tmp_path: Path
) -> None:
    path = tmp_path / "README.md"
    path.write_text(LINE)
    assert storage.load_events_export("t", path, EVENTS) == 1
