"""Hostile names, paths, ids and values at the engine: typed errors, or exactly what was asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import (
    MetadataError,
    MixpanelDataError,
    QueryError,
    RecordError,
    StorageEngine,
    TableMetadata,
    TableNotFoundError,
    migrate,
)
from tests.examples import examples
from tests.hostile import catalog, texts, utf8
from tests.records import EVENTS, FETCHED_AT, make_event, make_events

ordinary = examples(8)


@pytest.fixture(scope="module")
def guarded() -> Iterator[StorageEngine]:
    """An engine with a table that nothing may touch."""
    with StorageEngine.memory() as storage:
        storage.create_events_table("canary", make_events(3), EVENTS)
        yield storage


def catalog_and_canary(storage: StorageEngine) -> Any:
    rows = storage.execute_rows("SELECT * FROM canary ORDER BY ALL")
    return catalog(storage.connection), storage.list_tables(), rows


@ordinary
@given(name=texts.filter(lambda name: not name.isalnum()))
def test_no_name_reaches_the_database_as_sql(guarded: StorageEngine, name: str) -> None:
    before = catalog_and_canary(guarded)
    for method in (guarded.get_schema, guarded.get_metadata, guarded.model, guarded.drop_table):
        with pytest.raises(MixpanelDataError):
            method(name)
    with pytest.raises(MixpanelDataError):
        guarded.create_events_table(name, [make_event()], EVENTS)
    with pytest.raises(MixpanelDataError):
        guarded.append_events_table(name, [make_event()], EVENTS)
    with pytest.raises((MixpanelDataError, OSError)):
        guarded.load_events_export("new", Path("nowhere") / name.replace("\0", "0"), EVENTS)
    with suppress(MixpanelDataError):
        migrate.upgrade(guarded, name)
    assert guarded.table_exists(name) is False
    assert catalog_and_canary(guarded) == before


def test_a_look_alike_of_a_letter_is_another_name(storage: StorageEngine) -> None:
    storage.create_events_table("kelvin", make_events(3), EVENTS)
    assert storage.table_exists("KELVIN")
    assert not storage.table_exists("\u212aelvin")
    with pytest.raises(TableNotFoundError):
        storage.get_metadata("\u212aelvin")


@ordinary
@given(value=texts, key=texts)
def test_parameters_come_back_or_are_refused(guarded: StorageEngine, value: str, key: str) -> None:
    before = catalog_and_canary(guarded)
    try:
        assert guarded.execute_scalar("SELECT $value", {"value": value}) == value
        assert guarded.execute_rows("SELECT ?, ?", [value, [key]]) == [(value, [key])]
    except QueryError:
        assert any("\ud800" <= letter <= "\udfff" for letter in value + key)
    with suppress(QueryError):
        guarded.execute_rows("SELECT $value", {key: value})
    assert catalog_and_canary(guarded) == before


def test_sql_that_utf8_cannot_express_is_refused(storage: StorageEngine) -> None:
    for ask in (storage.execute_rows, storage.execute_df, storage.execute_scalar):
        with pytest.raises(QueryError):
            ask("SELECT '\ud800'")


@ordinary
@given(where=st.none() | texts, events=st.none() | st.lists(texts, max_size=3))
def test_metadata_comes_back_or_its_field_is_named(
    guarded: StorageEngine, where: str | None, events: list[str] | None
) -> None:
    before = catalog_and_canary(guarded)
    try:
        metadata = TableMetadata("events", FETCHED_AT, filter_where=where, filter_events=events)
    except MetadataError:
        given = "".join([where or "", *(events or [])])
        assert any("\ud800" <= letter <= "\udfff" for letter in given)
        return
    guarded.create_events_table("t", [], metadata)
    assert guarded.get_metadata("t") == metadata
    guarded.append_events_table("t", [make_event()], metadata)
    assert guarded.get_metadata("t").filter_where == where
    guarded.drop_table("t")
    assert catalog_and_canary(guarded) == before


@pytest.mark.parametrize("moment", [datetime.max, datetime.min])
def test_a_fetch_time_that_has_no_utc_is_named(moment: datetime) -> None:
    hours = 1 if moment == datetime.min else -1
    with pytest.raises(MetadataError) as caught:
        TableMetadata("events", moment.replace(tzinfo=timezone(timedelta(hours=hours))))
    assert caught.value.field == "fetched_at"


@ordinary
@given(name=utf8)
@pytest.mark.parametrize(
    "prefix", ["", "md:", "sqlite:", ":memory:", "duckdb:", "http://", "file:"]
)
def test_a_path_is_a_file_in_its_folder_or_refused(
    monkeypatch: pytest.MonkeyPatch, prefix: str, name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        patch.chdir(folder)
        name = prefix + name.translate(dict.fromkeys(map(ord, "/~\\")))
        try:
            with StorageEngine(name) as storage:
                storage.create_events_table("t", make_events(2), EVENTS)
        except (MixpanelDataError, ValueError):
            return
        assert (Path(folder) / name).exists()
        with StorageEngine.open_existing(name, read_only=True) as storage:
            assert storage.list_tables()[0].row_count == 2
        assert migrate.status(Path(name)).tables == ["t"]


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "\udcff", "~no-such-user-here/a.db"])
def test_a_path_that_no_file_can_have_is_a_typed_error(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for open_it in (StorageEngine, StorageEngine.open_existing, migrate.status):
        with pytest.raises(MixpanelDataError):
            open_it(path)
    assert list(tmp_path.iterdir()) == []


@ordinary
@given(project_id=texts)
def test_a_project_id_never_leaves_the_folder(
    monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    with tempfile.TemporaryDirectory() as home, monkeypatch.context() as patch:
        patch.setenv("HOME", home)
        with suppress(MixpanelDataError, ValueError), StorageEngine(project_id=project_id):
            pass
        folders = {str(path.parent) for path in Path(home).rglob("*") if path.is_file()}
        assert folders <= {str(Path(home) / ".mixpanel_data")}


def test_a_limit_that_is_none_is_a_typed_error(path: Path) -> None:
    with pytest.raises(ValueError, match="load_memory_limit"):
        StorageEngine(path, load_memory_limit="'; DROP")


TIMES = [10**400, 10**5000, 1e308, float("inf"), "\uff12025-01-01", "2025-W01-1"]


@pytest.mark.parametrize("time", TIMES, ids=range(len(TIMES)))
def test_a_time_beyond_everything_is_named(time: Any) -> None:
    with StorageEngine.memory() as storage, pytest.raises(RecordError) as caught:
        storage.create_events_table("t", [make_event(0), make_event(1, event_time=time)], EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_time")


NESTED = {
    "NaN in a dictionary": pa.StructArray.from_arrays(
        [pa.array([1.0, float("nan")]).dictionary_encode()], names=["a"]
    ),
    "two fields of one name": pa.StructArray.from_arrays(
        [pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]
    ),
    "a field without a name": pa.StructArray.from_arrays([pa.array([1, 2])], names=[""]),
    "a NUL in a name": pa.StructArray.from_arrays([pa.array([1, 2])], names=["a\0b"]),
    "half a float": pa.StructArray.from_arrays([pa.nulls(2, pa.float16())], names=["a"]),
    "bytes": pa.array([{"a": b"\xff"}] * 2),
}


@pytest.mark.parametrize("case", NESTED)
def test_a_nested_column_that_is_no_json_is_named(case: str) -> None:
    events = pa.Table.from_pylist([{**make_event(n), "properties": ""} for n in range(2)])
    data = events.set_column(events.column_names.index("properties"), "properties", NESTED[case])
    with StorageEngine.memory() as storage, pytest.raises(RecordError) as caught:
        storage.create_events_table("t", data, EVENTS)
    assert caught.value.field == "properties"


def test_a_null_inside_a_dictionary_is_named() -> None:
    events = pa.Table.from_pylist([{**make_event(n), "properties": "{}"} for n in range(2)])
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None]))
    data = events.set_column(0, "event_name", names)
    with StorageEngine.memory() as storage, pytest.raises(RecordError) as caught:
        storage.create_events_table("t", data, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_name")
