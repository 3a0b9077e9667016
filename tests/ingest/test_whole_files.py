"""Files that are no data as a whole: refused as such, or left out where they lie beside data."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
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
