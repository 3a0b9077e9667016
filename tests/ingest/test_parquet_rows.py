"""Bad rows of Parquet files: named with file, row and reason, and left out where asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixpanel_data import ExportFileError, ExportLineError, StorageEngine
from tests.records import EVENTS, PROFILES

COLUMNS: dict[str, Any] = {
    "event_name": ["e", "e", "e"],
    "event_time": [0, 1, 2],
    "distinct_id": ["u", "v", "w"],
    "insert_id": ["1", "2", "3"],
    "properties": ["{}", "{}", "{}"],
}


def documents(bad: str) -> dict[str, Any]:
    return {"properties": ["{}", bad, "{}"]}


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "NaN": (documents('{"a":NaN}'), "properties", "NaN"),
    "no JSON": (documents("oops"), "properties", "expecting value"),
    "nothing": (documents(""), "properties", "ends too early"),
    "half a character": (documents('{"a":"\\ud800"}'), "properties", "half a character"),
    "an array": (documents("[]"), "properties", "no JSON object"),
    "a time out of range": (
        {"event_time": pa.array([0, 2**62, 2], pa.timestamp("us"))},
        "event_time",
        "out of range",
    ),
    "NaN in a struct": (
        {"properties": [{"a": 1.0}, {"a": float("nan")}, {"a": None}]},
        "properties",
        "nan",
    ),
    "bytes in a struct": (
        {"properties": [{"a": None}, {"a": b"1"}, {"a": None}]},
        "properties",
        "bytes",
    ),
}


def written(tmp_path: Path, columns: dict[str, Any]) -> Path:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({**COLUMNS, **columns}), path)
    return path


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named_with_file_row_field_and_reason(
    storage: StorageEngine, tmp_path: Path, case: str
) -> None:
    columns, field, reason = BAD[case]
    path = written(tmp_path, columns)
    with pytest.raises(ExportLineError, match=rf"{reason}.*data\.parquet, row 2\)") as caught:
        storage.load_events_export("t", path, EVENTS)
    assert (caught.value.path, caught.value.line, caught.value.index) == (path, 2, 1)
    assert caught.value.field == field
    assert storage.list_tables() == []


@pytest.mark.parametrize("case", BAD)
def test_the_others_are_loaded_where_bad_rows_are_left_out(
    storage: StorageEngine, tmp_path: Path, case: str
) -> None:
    columns, field, _ = BAD[case]
    rejects = tmp_path / "rejects.jsonl"
    path = written(tmp_path, columns)
    result = storage.load_events_export("t", path, EVENTS, on_error="skip", rejects=rejects)
    assert (result.added, result.rejected) == (2, 1)
    (rejected,) = map(json.loads, rejects.read_text().splitlines())
    found = rejected["file"], rejected["number"], rejected["field"]
    assert found == (str(path), 2, field)


def test_properties_may_be_a_map(storage: StorageEngine, tmp_path: Path) -> None:
    cells = pa.array([[("a", 1)], [], [("b", None)]], pa.map_(pa.string(), pa.int64()))
    storage.load_events_export("t", written(tmp_path, {"properties": cells}), EVENTS)
    rows = storage.execute_rows("SELECT properties FROM t ORDER BY rowid")
    assert rows == [('{"a":1}',), ("{}",), ('{"b":null}',)]


def test_a_type_that_its_storage_does_not_stand_for_is_refused_by_name(
    storage: StorageEngine, tmp_path: Path
) -> None:
    periods = pd.period_range("2025-01-01", periods=3, freq="D")
    pd.DataFrame({**COLUMNS, "event_time": periods}).to_parquet(path := tmp_path / "p.parquet")
    with pytest.raises(ExportFileError, match=r"'event_time' is pandas\.period"):
        storage.load_events_export("t", path, EVENTS)


def test_the_wrong_kind_is_told_of_a_row(storage: StorageEngine, tmp_path: Path) -> None:
    path = written(tmp_path, {})
    with pytest.raises(ExportLineError, match=r"The row is an event.*row 1\)"):
        storage.load_profiles_export("t", path, PROFILES)
    pq.write_table(pa.table({"distinct_id": ["a"], "properties": ["{}"]}), path)
    with pytest.raises(ExportLineError, match=r"The row is a profile.*row 1\)"):
        storage.load_events_export("t", path, EVENTS)
