"""Shapes of events and profiles: told apart, taken apart, and named when they are wrong."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest.export_data import Limits, Rows, read_sources
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.framing import BREAKS_OFF, Block
from mixpanel_data.ingest.parquet_files import ParquetRows
from mixpanel_data.ingest.shapes import parts_of, shape_of
from mixpanel_data.ingest.sources import find_sources
from mixpanel_data.types import TableType

CASES = Path(__file__).parent / "cases"

EVENT = {
    "event": "Tap",
    "properties": {"time": 1, "distinct_id": "u", "$insert_id": "i", "x": None},
}
PARTS = {
    "event_name": "Tap",
    "event_time": 1,
    "distinct_id": "u",
    "insert_id": "i",
    "properties": {"x": None},
}


def blocks(data: Any, limits: Limits | None = None) -> list[Block]:
    found = [rows.content for rows in read_sources(find_sources(data), limits)]
    assert all(isinstance(content, Block) for content in found)
    return found  # type: ignore[return-value]


def parts(data: Any, kind: TableType = "events") -> list[Any]:
    """Return the parts of each document, or what is wrong with it."""
    found: list[Any] = []
    for block in blocks(data):
        for number, document in zip(block.numbers, block.documents, strict=True):
            try:
                found.append(parts_of(orjson.loads(document), kind))
            except FieldError as error:
                found.append((number, str(error)))
            except ValueError:
                found.append((number, block.problem or document))
    return found


@pytest.mark.parametrize(
    "document",
    [
        EVENT,
        {**PARTS},
        {"time": 1, **{name: value for name, value in PARTS.items() if name != "event_time"}},
    ],
)
def test_events_of_every_shape_have_the_same_parts(document: dict[str, Any]) -> None:
    assert parts_of(document, "events") == PARTS


@pytest.mark.parametrize(
    "document",
    [
        {"$distinct_id": 7, "$properties": {"$last_seen": "2025-01-01", "x": 1}},
        {"distinct_id": 7, "properties": {"x": 1}, "last_seen": "2025-01-01"},
    ],
)
def test_profiles_of_every_shape_have_the_same_parts(document: dict[str, Any]) -> None:
    expected = {"distinct_id": 7, "last_seen": "2025-01-01", "properties": {"x": 1}}
    assert parts_of(document, "profiles") == expected


def test_members_that_no_column_takes_are_kept() -> None:
    document = {"event": "a", "at": 1, "x": 2, "time": 3, "properties": {"x": 4, "time": 5}}
    expected = {"event_name": "a", "event_time": 5, "properties": {"x": 4, "at": 1}}
    assert parts_of(document, "events") == expected


def test_what_is_read_is_left_as_it_is() -> None:
    before = orjson.dumps(EVENT)
    parts_of(EVENT, "events")
    assert orjson.dumps(EVENT) == before


@pytest.mark.parametrize(
    ("document", "kind", "problem"),
    [
        ({"$distinct_id": 1, "$properties": {}}, "events", "a profile, not an event. .*profiles_e"),
        (EVENT, "profiles", "is an event, not a profile. .*load_events_export"),
        ([], "events", "is no JSON object"),
        (None, "profiles", "is no JSON object"),
        ({}, "events", "is no event. Its members are: nothing"),
        ({"distinct_id": 1, "resolved": 2}, "events", "no event. .*: distinct_id, resolved"),
        ({"event": "a"}, "events", "is missing"),
        ({"event_name": "a", "properties": {}}, "events", "is missing. .*: event_name, prop"),
        ({"properties": {}}, "events", "is missing"),
        ({"event": "a", "properties": []}, "events", "is missing or no JSON object"),
        ({"$properties": {}}, "profiles", "is missing"),
        ({"$distinct_id": 1}, "profiles", "is missing or no JSON object"),
        ({"error": "rate limit", "status": "error"}, "events", "error message .*'rate limit'"),
    ],
)
def test_other_documents_are_named(document: Any, kind: TableType, problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        parts_of(document, kind)


def test_the_field_that_is_missing_is_told() -> None:
    fields = {
        "event": {"properties": {}},
        "properties": {"event": "a"},
        "$distinct_id": {"$properties": {}},
    }
    for field, document in fields.items():
        with pytest.raises(FieldError) as caught:
            shape_of(document, "profiles" if field.startswith("$") else "events")
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("equal-events-without-id.jsonl", 4),
        ("empty-and-null-ids.jsonl", 4),
        ("week[1].jsonl", 2),
        ("week1.jsonl", 5),
        ("array.json", 3),
        ("array-pretty.json", 5),
        ("pipeline.jsonl", 3),
        ("members-twice.jsonl", 2),
        ("ids-of-other-types.jsonl", 4),
        ("times-of-every-kind.jsonl", 6),
        ("milliseconds.jsonl", 3),
        ("los-angeles-2022.jsonl", 3),
        ("same-id-other-event.jsonl", 3),
        ("gzip-by-another-name.json", 5),
        ("days", 6),
        ("days/*", 6),
    ],
)
def test_cases_are_read_whole(name: str, count: int) -> None:
    found = parts(str(CASES / name))
    assert len(found) == count
    assert all("event_time" in each and "distinct_id" in each for each in found)


def test_cases_of_profiles_are_read_whole() -> None:
    found = parts(CASES / "engage-page-0.json", "profiles")
    assert [each["distinct_id"] for each in found] == [4, "user-2", "user-3"]
    assert [each.get("last_seen") for each in found] == ["2025-11-24T16:00:00", None, ""]
    assert len(parts(CASES / "profiles-odd-last-seen.jsonl", "profiles")) == 6


def test_cases_that_are_cut_have_one_bad_line() -> None:
    *good, bad = parts(CASES / "cut.jsonl")
    assert len(good) == 5
    assert bad == (6, BREAKS_OFF)
    *good, bad = parts(CASES / "terminated-early.jsonl")
    assert len(good) == 5
    assert bad[0] == 6
    assert b"terminated early" in blocks(CASES / "terminated-early.jsonl")[-1].documents[-1]


def test_bad_lines_in_the_middle_have_their_numbers() -> None:
    found = parts(CASES / "bad-in-the-middle.jsonl")
    assert found[2] == (3, b"<html>502 Bad Gateway</html>")
    assert len(found) == 8
    # What lines 5 and 7 lack or have wrong are values, and not the shape.
    assert "event_time" not in found[4]
    assert found[6]["event_time"] == "soon"


def test_the_cases_of_further_members() -> None:
    (pipeline, *_) = parts(CASES / "pipeline.jsonl")
    expected = {"$browser": "Safari", "user_id": "user-0", "device_id": "dev-0"}
    assert pipeline["properties"] == expected
    (extra,) = parts(CASES / "extra-members.jsonl")
    assert extra["properties"] == {"dataset": "mine", "ingested_at": 1764000060}


@pytest.mark.parametrize("name", ["array.json", "array-pretty.json", "cut.jsonl", "week1.jsonl"])
def test_a_case_is_the_same_by_every_way_in(name: str) -> None:
    path = CASES / name
    data = path.read_bytes()
    expected = parts(path)
    ways: list[Any] = [
        io.BytesIO(data),
        io.StringIO(data.decode()),
        data.splitlines(),
        data.decode().splitlines(keepends=True),
        iter(data.splitlines()),
    ]
    for way in ways:
        found = parts(way)
        assert found[:5] == expected[:5]
        assert len(found) == len(expected)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_refused_with_lines_that_work(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "events.csv"
    lines = ["event,time,distinct_id,$browser", "Tap,1,u,Safari", "Tap,2,u,"]
    path.write_text("\n".join(lines).replace(",", separator))
    with pytest.raises(ExportFileError, match="this is CSV") as caught:
        blocks(path)
    advice = caught.value.problem.partition("\n")[2]
    assert advice.count("\n") == 1
    scope: dict[str, Any] = {"pandas": pandas}
    exec(advice, scope)
    (rows,) = read_sources(find_sources(scope["data"]))
    assert not isinstance(rows.content, Block | ParquetRows)
    first, second = (parts_of(each, "events") for each in rows.content)
    assert first["properties"] == {"$browser": "Safari"}
    assert second["properties"] == {}


CSV = "event,time,distinct_id,$insert_id,zip\nTap,1735689600,007,01,NA\nTap,1735689600,,02,1e5\n"
EVENTS_OF_CSV = [
    {"event": "Tap", "properties": {**properties, "time": "1735689600"}}
    for properties in (
        {"distinct_id": "007", "$insert_id": "01", "zip": "NA"},
        {"$insert_id": "02", "zip": "1e5"},
    )
]


def write_csv(folder: Path, name: str) -> Path:
    path, text = folder / name, CSV.encode()
    if "tsv" in name:
        path.write_bytes(text.replace(b",", b"\t"))
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(text))
    elif name.endswith(".zip"):
        member = name.removesuffix(".zip")
        packed = gzip.compress(text) if member.endswith(".gz") else text
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"days/{member}", packed)
    else:
        path.write_bytes(text)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.csv.zip", "a.csv.gz.zip", ""])
def test_the_lines_for_csv_open_the_file_and_keep_ids_and_texts(tmp_path: Path, name: str) -> None:
    data = write_csv(tmp_path, name) if name else io.BytesIO(CSV.encode())
    with pytest.raises(ExportFileError, match=r"this is [CT]SV") as caught:
        blocks(data)
    assert caught.value.problem.startswith("this is TSV") == (name == "a.tsv")
    scope: dict[str, Any] = {"pandas": pandas, "zipfile": zipfile, "file": io.StringIO(CSV)}
    exec(caught.value.problem.partition("\n")[2], scope)
    assert [*scope["data"]] == EVENTS_OF_CSV


def test_csv_of_profiles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b'\xef\xbb\xbf"$distinct_id","$email"\r\n"7","a@example.com"\r\n')
    with pytest.raises(ExportFileError, match="this is CSV") as caught:
        blocks(path)
    scope: dict[str, Any] = {"pandas": pandas}
    exec(caught.value.problem.partition("\n")[2], scope)
    (profile,) = scope["data"]
    expected: Any = {"distinct_id": 7, "properties": {"$email": "a@example.com"}}
    assert parts_of(profile, "profiles") == expected


def test_text_with_commas_is_no_csv() -> None:
    assert parts(["terminated early, try again\n"]) == [(1, b"terminated early, try again")]


def written(tmp_path: Path, columns: dict[str, Any]) -> Path:
    path = tmp_path / "data.bin"
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_with_the_columns_of_a_table_is_arrow(tmp_path: Path) -> None:
    columns: dict[str, Any] = {name: [str(name)] * 3 for name in PARTS}
    rows = next(reading := read_sources(find_sources(written(tmp_path, columns))))
    assert isinstance(rows.content, ParquetRows)
    table = rows.content.reader().read_all()
    assert table.to_pydict() == columns
    assert [*reading] == []


MANY = 20_000


@pytest.mark.parametrize("properties", ["text", "struct", "map"])
def test_parquet_with_the_members_of_an_export_is_documents(
    tmp_path: Path, properties: str
) -> None:
    cells = [{"time": str(n), "distinct_id": 'a"b', "$insert_id": None} for n in range(MANY)]
    kinds = {
        "text": pa.array([orjson.dumps(cell).decode() for cell in cells]),
        "struct": pa.array(cells),
        "map": pa.array([[*cell.items()] for cell in cells], pa.map_(pa.string(), pa.string())),
    }
    path = written(
        tmp_path,
        {"event": pa.array(["Täp"] * MANY).dictionary_encode(), "properties": kinds[properties]},
    )
    found = parts(path)
    assert len(found) == MANY
    assert [each["event_time"] for each in found] == [str(n) for n in range(MANY)]
    expected: Any = {
        "event_name": "Täp",
        "event_time": "5",
        "distinct_id": 'a"b',
        "insert_id": None,
        "properties": {},
    }
    assert found[5] == expected
    numbers = [number for block in blocks(path) for number in block.numbers]
    assert numbers == [*range(1, MANY + 1)]


def test_parquet_of_a_pipeline_and_of_profiles_is_documents(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "event_name": ["Tap", "Tap"],
        "time": pa.array([0, 1_000_000], pa.timestamp("us", "UTC")),
        "user_id": ["u", None],
        "properties": ['{"a": 1}', "{}"],
    }
    first, second = parts(written(tmp_path, columns))
    assert first["properties"] == {"a": 1, "user_id": "u"}
    assert second["properties"] == {}
    assert second["event_time"] == "1970-01-01 00:00:01+00"
    columns = {"$distinct_id": [1], "$properties": ['{"$email": "a"}']}
    (profile,) = parts(written(tmp_path, columns), "profiles")
    assert profile == {"distinct_id": 1, "properties": {"$email": "a"}}


def test_parquet_that_is_damaged_or_cannot_seek_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"event": ["a"] * 1000, "properties": ["{}"] * 1000})
    data = path.read_bytes()
    assert len(parts(io.BytesIO(data))) == 1000
    with pytest.raises(ExportFileError, match=r"Parquet file ends early or is damaged"):
        blocks(io.BytesIO(data[:-20]))
    with pytest.raises(ExportFileError, match="Save or unpack it first"):
        blocks([data[:30] + b"\n"])
    path.write_bytes(data[:40])
    with pytest.raises(ExportFileError, match=r"data.bin: the Parquet file"):
        blocks(path)


def test_limits_are_heard(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(orjson.dumps([{"event": "x" * 3_000_000}]))
    (block,) = blocks(path, Limits(document_bytes=1_000_000))
    assert block.problem is not None
    assert "1,000,000 bytes" in block.problem
    assert isinstance(next(iter(read_sources(find_sources(path)))), Rows)
