"""Loads into a lake have the results of loads into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    DuplicateRecordError,
    Lake,
    RecordError,
    StorageEngine,
    TableExistsError,
    TableMetadata,
    TableNotFoundError,
)
from tests.lake.lakes import lake_in, new_database
from tests.records import EVENTS, FETCHED_AT, PROFILES, make_event, make_events, make_profiles

pytestmark = pytest.mark.lake

EXAMPLES = Path(__file__).parents[2] / "examples"


def ids(storage: StorageEngine, table: str = "jan") -> list[Any]:
    return [row[0] for row in storage.execute_rows(f"SELECT insert_id FROM {table} ORDER BY 1")]


def test_a_lake_opened_again_has_what_was_loaded(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        assert storage.create_events_table("jan", make_events(100), EVENTS) == 100
        assert storage.create_profiles_table("users", make_profiles(10), PROFILES) == 10
    with StorageEngine(lake, read_only=True) as storage:
        tables = {table.name: table.row_count for table in storage.list_tables()}
        assert tables == {"jan": 100, "users": 10}
        assert storage.get_metadata("jan") == EVENTS
        assert storage.get_metadata("users") == PROFILES


def test_rows_that_are_there_are_not_added_again(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [*make_events(100), make_event(3)], EVENTS)
    result = storage.append_events_table("jan", make_events(100, start=50), EVENTS)
    assert (result.read, result.added, result.duplicates) == (100, 50, 50)
    assert len(ids(storage)) == len(set(ids(storage))) == 150


def test_later_rows_can_take_the_place_of_those_that_are_there(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3), EVENTS)
    changed = [make_event(1, properties={"new": 1}), make_event(9)]
    result = storage.append_events_table("jan", changed, EVENTS, on_conflict="replace")
    assert (result.added, result.replaced) == (1, 1)
    assert storage.execute_scalar("SELECT count(*) FROM jan WHERE properties->>'new' = '1'") == 1


def test_a_duplicate_can_be_an_error_and_nothing_is_written(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3), EVENTS)
    with pytest.raises(DuplicateRecordError) as caught:
        storage.append_events_table(
            "jan", [make_event(7), make_event(2)], EVENTS, on_conflict="error"
        )
    assert caught.value.index == 1
    assert len(ids(storage)) == 3


def test_a_bad_record_leaves_nothing(storage: StorageEngine) -> None:
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("jan", [make_event(), {"event_name": "x"}], EVENTS)
    assert caught.value.index == 1
    assert storage.list_tables() == []
    assert not storage.table_exists("jan")


def test_a_table_that_exists_is_refused_before_anything_is_read(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [], EVENTS)
    rows = iter([make_event()])
    with pytest.raises(TableExistsError):
        storage.create_events_table("jan", rows, EVENTS)
    with pytest.raises(TableNotFoundError):
        storage.append_events_table("feb", rows, EVENTS)
    assert next(rows) == make_event()


def test_a_table_can_be_replaced(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    storage.create_events_table("jan", make_events(2, start=10), EVENTS, if_exists="replace")
    assert len(ids(storage)) == 2


def test_metadata_of_all_loads_is_merged(storage: StorageEngine) -> None:
    first = TableMetadata("events", FETCHED_AT, "2025-01-01", "2025-01-31", filter_events=["A"])
    later = TableMetadata("events", FETCHED_AT, "2025-02-01", "2025-02-28", filter_events=["B"])
    storage.create_events_table("jan", make_events(1), first)
    storage.append_events_table("jan", make_events(1, start=1), later)
    found = storage.get_metadata("jan")
    assert (found.from_date, found.to_date) == ("2025-01-01", "2025-02-28")
    assert found.filter_events == ["A", "B"]


def test_a_colliding_event_can_be_kept(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [make_event()], EVENTS)
    other = make_event(distinct_id="somebody else")
    for added in (1, 0):
        assert storage.append_events_table("jan", [other], EVENTS, on_collision="keep") == added


def test_exports_give_the_same_rows_as_in_a_file(storage: StorageEngine) -> None:
    query = "SELECT insert_id, event_name, event_time, CAST(properties AS VARCHAR) FROM jan"
    with StorageEngine.memory() as memory:
        results = [
            engine.load_events_export("jan", EXAMPLES / "events.jsonl.gz", EVENTS)
            for engine in (storage, memory)
        ]
        rows = [sorted(engine.execute_rows(query)) for engine in (storage, memory)]
    assert rows[0] == rows[1]
    assert results[0] == results[1]


def test_property_columns_are_filled_by_every_load(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3), EVENTS, property_columns=["$browser"])
    storage.append_events_table("jan", make_events(2, start=3), EVENTS)
    storage.add_property_columns("jan", ["number"])
    storage.append_events_table("jan", make_events(1, start=5), EVENTS)
    found = storage.execute_rows('SELECT count("$browser"), sum(number) FROM jan')
    assert found == [(6, 15)]


def test_days_are_replaced(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    result = storage.replace_range("jan", make_events(2), "2025-01-01", "2025-01-01", EVENTS)
    assert result.added == 2
    assert len(ids(storage)) == 2


def test_events_are_partitioned_by_month_unless_told_otherwise(lake: Lake, tmp_path: Path) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
    assert [*(tmp_path / "data").glob("main/jan/year=2025/month=1/*.parquet")]
    other = lake_in(new_database(), tmp_path / "other", partition_by=None)
    with StorageEngine(other) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
    assert [*(tmp_path / "other").glob("main/jan/*.parquet")]
