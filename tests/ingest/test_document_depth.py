"""Documents may be nested 254 levels deep, by every way in, and no level more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import MetaData, Table, insert
from sqlalchemy.exc import StatementError

from mixpanel_data import ExportLineError, RecordError, StorageEngine, read_events_export
from mixpanel_data.common.json_depth import MAX_DEPTH, exceeds_depth
from tests.records import EVENTS, PROFILES, make_event, make_profile

Way = Callable[[StorageEngine, Path, str], Any]

#: Documents of a number of levels, in JSON.
SHAPES: dict[str, Callable[[int], str]] = {
    "objects": lambda levels: '{"a":' * levels + "1" + "}" * levels,
    "arrays": lambda levels: '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}",
    "both": lambda levels: '{"a":[' * (levels // 2) + "{}" * (levels % 2) + "]}" * (levels // 2),
    "brackets in strings beside": lambda levels: (
        json.dumps({"b": "[{" * 300 + '"', "c": [{}] * 300})[:-1]
        + ',"a":'
        + "[" * (levels - 1)
        + "]" * (levels - 1)
        + "}"
    ),
}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def export_line(document: str, **more: Any) -> str:
    moved = json.dumps({"time": 1_700_000_000, "distinct_id": "u", **more})
    inside = document[1:] if document == "{}" else "," + document[1:]
    return '{"event":"A","properties":' + moved[:-1] + inside + "}\n"


def by_records(storage: StorageEngine, folder: Path, document: str) -> Any:
    events = [make_event(0), make_event(1, properties=json.loads(document))]
    return storage.create_events_table("t", events, EVENTS)


def by_profiles(storage: StorageEngine, folder: Path, document: str) -> Any:
    profiles = [make_profile(0), make_profile(1, properties=json.loads(document))]
    return storage.create_profiles_table("t", profiles, PROFILES)


def by_arrow(storage: StorageEngine, folder: Path, document: str) -> Any:
    rows = [make_event(0, properties="{}"), make_event(1, properties=document)]
    return storage.create_events_table("t", pa.Table.from_pylist(rows), EVENTS)


def by_pandas(storage: StorageEngine, folder: Path, document: str) -> Any:
    rows = [make_event(0), make_event(1, properties=json.loads(document))]
    return storage.create_events_table("t", pd.DataFrame(rows), EVENTS)


def by_file(storage: StorageEngine, folder: Path, document: str, **more: Any) -> Any:
    path = folder / "export.jsonl"
    path.write_text(export_line("{}", **{"$insert_id": "1"}) + export_line(document, **more))
    return storage.load_events_export("t", path, EVENTS)


def by_file_in_sql(storage: StorageEngine, folder: Path, document: str) -> Any:
    return by_file(storage, folder, document, **{"$insert_id": "2"})


def by_file_in_python(storage: StorageEngine, folder: Path, document: str) -> Any:
    return by_file(storage, folder, document, **{"$insert_id": 2})


def by_profiles_file(storage: StorageEngine, folder: Path, document: str) -> Any:
    path = folder / "export.jsonl"
    lines = [f'{{"$distinct_id":"{n}","$properties":{d}}}' for n, d in enumerate(["{}", document])]
    path.write_text("\n".join(lines))
    return storage.load_profiles_export("t", path, PROFILES)


WAYS = [
    by_records,
    by_profiles,
    by_arrow,
    by_pandas,
    by_file,
    by_file_in_sql,
    by_file_in_python,
    by_profiles_file,
]


def documents_of(storage: StorageEngine) -> list[Any]:
    model = storage.model("t")
    with storage.session() as session:
        return [row.properties for row in session.query(model).order_by(model.distinct_id)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_deepest_document_goes_in_and_comes_back(way: Way, shape: str, tmp_path: Path) -> None:
    document = SHAPES[shape](MAX_DEPTH)
    with StorageEngine.memory() as storage:
        assert way(storage, tmp_path, document) == 2
        assert json.loads(document) in documents_of(storage)
        stored = storage.execute_rows("SELECT properties::VARCHAR FROM t")
        assert json.loads(document) in [json.loads(text) for (text,) in stored]
        assert storage.execute_scalar("SELECT count(*) FROM t WHERE json_valid(properties)") == 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_one_level_more_is_refused_with_its_place(way: Way, shape: str, tmp_path: Path) -> None:
    document = SHAPES[shape](MAX_DEPTH + 1)
    with StorageEngine.memory() as storage:
        with pytest.raises(RecordError, match=f"deeper than {MAX_DEPTH} levels") as caught:
            way(storage, tmp_path, document)
        assert (caught.value.index, caught.value.field) in [(1, "properties"), (1, "$properties")]
        assert isinstance(caught.value, ExportLineError) == ("_file" in way.__name__)
        assert storage.list_tables() == []


@pytest.mark.parametrize("levels", [5_000, 300_000])
@pytest.mark.parametrize("more", [{}, {"$insert_id": "2"}])
@pytest.mark.parametrize("shape", ["objects", "arrays"])
def test_lines_of_any_depth_are_refused_and_crash_nothing(
    shape: str, more: dict[str, str], levels: int, tmp_path: Path
) -> None:
    with StorageEngine.memory() as storage:
        with pytest.raises(ExportLineError, match="deeper than") as caught:
            by_file(storage, tmp_path, SHAPES[shape](levels), **more)
        assert (caught.value.line, caught.value.field) == (2, "properties")
        with pytest.raises(ExportLineError, match="deeper than"):
            list(read_events_export(tmp_path / "export.jsonl"))
        with pytest.raises(RecordError, match="deeper than"):
            by_arrow(storage, tmp_path, SHAPES[shape](levels))


def test_a_long_line_with_many_brackets_is_not_deep(tmp_path: Path) -> None:
    document = json.dumps({"a": [{"b": [1]}] * 20_000})
    with StorageEngine.memory() as storage:
        assert by_file_in_sql(storage, tmp_path, document) == 2
        assert json.loads(document) in documents_of(storage)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 600, 5_000])
def test_records_of_any_depth_are_refused(levels: int) -> None:
    with StorageEngine.memory() as storage, pytest.raises(RecordError, match="deeper than"):
        storage.create_events_table("t", [make_event(properties=nested(levels))], EVENTS)


def of_structs(levels: int) -> pa.Table:
    kind = pa.int64()
    for _ in range(levels):
        kind = pa.struct({"a": kind})
    columns = {name: pa.array([value]) for name, value in make_event(properties="").items()}
    return pa.table({**columns, "properties": pa.array([nested(levels)], kind)})


def test_structs_are_nested_as_deep_as_arrow_passes_them_on() -> None:
    with StorageEngine.memory() as storage:
        assert storage.create_events_table("t", of_structs(60), EVENTS) == 1
        assert documents_of(storage) == [nested(60)]
        with pytest.raises(RecordError, match=f"deeper than {MAX_DEPTH} levels"):
            storage.create_events_table("u", of_structs(MAX_DEPTH + 1), EVENTS)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 600, 5_000])
def test_sqlalchemy_writes_the_deepest_document_and_no_deeper(levels: int) -> None:
    with StorageEngine.memory() as storage:
        storage.create_profiles_table("t", [], PROFILES)
        with storage.engine.begin() as connection:
            table = Table("t", MetaData(), autoload_with=connection)
            row = {"distinct_id": "1", "properties": nested(MAX_DEPTH)}
            connection.execute(insert(table), [row])
        assert documents_of(storage) == [nested(MAX_DEPTH)]
        with storage.engine.begin() as connection, pytest.raises(StatementError) as caught:
            connection.execute(insert(table), [{"distinct_id": "2", "properties": nested(levels)}])
        assert f"deeper than {MAX_DEPTH} levels" in str(caught.value.orig)


def test_what_sql_wrote_too_deep_is_an_error_and_no_crash() -> None:
    with StorageEngine.memory() as storage:
        storage.create_profiles_table("t", [], PROFILES)
        storage.execute_rows("INSERT INTO t VALUES ('1', ?, NULL)", [SHAPES["arrays"](50_000)])
        with pytest.raises(ValueError, match="nested too deep"):
            documents_of(storage)


@pytest.mark.parametrize(
    ("text", "limit", "deeper"),
    [
        ("[]", 0, True),
        ("[]", 1, False),
        ('["[", "]", "\\"[[", {}]', 1, True),
        ('["[", "]", "\\"[[", {}]', 2, False),
        ('{"a\\\\": ["[[[["]}', 2, False),
        ("[][][][]", 1, False),
    ],
)
def test_brackets_in_strings_are_no_levels(text: str, limit: int, deeper: bool) -> None:
    assert exceeds_depth(text.encode(), limit) is deeper
