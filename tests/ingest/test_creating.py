"""Creating tables: what comes in, what is refused, what is recorded."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mixpanel_data import (
    MetadataError,
    RecordError,
    StorageEngine,
    TableExistsError,
    TableMetadata,
    TableNameError,
)
from tests.records import (
    EVENTS,
    FETCHED_AT,
    PROFILES,
    make_event,
    make_events,
    make_profile,
    make_profiles,
)


def test_events_are_stored_and_counted(storage: StorageEngine) -> None:
    assert storage.create_events_table("events_jan", make_events(5000), EVENTS) == 5000
    assert storage.execute_scalar("SELECT count(*) FROM events_jan") == 5000


def test_profiles_are_stored_and_counted(storage: StorageEngine) -> None:
    assert storage.create_profiles_table("users", make_profiles(50), PROFILES) == 50
    assert storage.execute_scalar("SELECT count(last_seen) FROM users") == 50


def test_an_empty_iterator_makes_a_valid_empty_table(storage: StorageEngine) -> None:
    assert storage.create_events_table("nothing", iter([]), EVENTS) == 0
    assert storage.execute_rows("SELECT * FROM nothing") == []
    (table,) = storage.list_tables()
    assert (table.name, table.row_count) == ("nothing", 0)
    assert storage.append_events_table("nothing", make_events(3), EVENTS) == 3


def test_rows_keep_the_order_of_the_input(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(10_000), EVENTS, batch_size=300)
    numbers = storage.execute_rows("SELECT (properties->>'number')::INT FROM t")
    assert numbers == [(number,) for number in range(10_000)]


@pytest.mark.parametrize("name", ["select", "order", "table", "2025", "Events", "a"])
def test_reserved_words_and_digits_are_good_names_everywhere(
    storage: StorageEngine, name: str
) -> None:
    storage.create_events_table(name, make_events(3), EVENTS)
    assert storage.append_events_table(name, make_events(5), EVENTS) == 2
    assert [table.name for table in storage.list_tables()] == [name]
    assert storage.table_exists(name)
    assert storage.get_schema(name).table_name == name
    assert storage.get_metadata(name).type == "events"
    assert storage.execute_scalar(f'SELECT count(*) FROM "{name}"') == 5
    storage.drop_table(name)
    assert storage.list_tables() == []


@pytest.mark.parametrize(
    "name", ["_events", "_metadata", "", "a b", "a-b", "a;b", 'a"b', "a.b", "é", "t\n", None, 5]
)
def test_other_names_are_refused_before_anything_is_consumed(
    storage: StorageEngine, name: Any
) -> None:
    data = make_events(3)
    with pytest.raises(TableNameError) as caught:
        storage.create_events_table(name, data, EVENTS)
    assert isinstance(caught.value, ValueError)
    assert caught.value.table_name == name
    assert len(list(data)) == 3


def test_a_second_create_leaves_the_old_table_and_its_metadata_alone(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    other = TableMetadata("events", FETCHED_AT, filter_where="x")
    data = make_events(5)
    with pytest.raises(TableExistsError) as caught:
        storage.create_events_table("t", data, other)
    assert caught.value.table_name == "t"
    assert len(list(data)) == 5
    assert storage.execute_scalar("SELECT count(*) FROM t") == 3
    assert storage.get_metadata("t") == EVENTS


def test_a_name_that_differs_in_case_only_is_taken(storage: StorageEngine) -> None:
    storage.create_events_table("Events", make_events(3), EVENTS)
    with pytest.raises(TableExistsError):
        storage.create_profiles_table("EVENTS", make_profiles(1), PROFILES)


def test_the_name_of_a_view_is_taken(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE VIEW v AS SELECT 1 AS one")
    with pytest.raises(TableExistsError):
        storage.create_events_table("v", make_events(1), EVENTS)


def test_metadata_of_the_other_type_is_refused(storage: StorageEngine) -> None:
    data = make_events(3)
    with pytest.raises(MetadataError) as caught:
        storage.create_events_table("t", data, PROFILES)
    assert caught.value.field == "type"
    with pytest.raises(ValueError, match="profiles"):
        storage.create_profiles_table("t", make_profiles(1), EVENTS)
    assert len(list(data)) == 3
    assert not storage.table_exists("t")


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_holds_at_least_one_record(storage: StorageEngine, batch_size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        storage.create_events_table("t", make_events(1), EVENTS, batch_size=batch_size)


def test_an_unknown_way_to_treat_conflicts_is_refused(storage: StorageEngine) -> None:
    with pytest.raises(ValueError, match="on_conflict"):
        storage.create_events_table("t", make_events(1), EVENTS, on_conflict="merge")  # type: ignore[arg-type]


@pytest.mark.needs("keys")
def test_the_key_is_in_the_database_unless_left_out(storage: StorageEngine) -> None:
    storage.create_events_table("keyed", make_events(3), EVENTS)
    storage.create_events_table("plain", make_events(3), EVENTS, primary_key=False)
    storage.create_profiles_table("people", make_profiles(3), PROFILES)
    keys = {
        table: [column.name for column in storage.get_schema(table).columns if column.primary_key]
        for table in ("keyed", "plain", "people")
    }
    assert keys == {"keyed": ["insert_id"], "plain": [], "people": ["distinct_id"]}
    required = [
        column.name for column in storage.get_schema("plain").columns if not column.nullable
    ]
    assert required == ["event_name", "event_time", "distinct_id", "insert_id"]


def test_filters_and_dates_come_back_from_the_metadata(storage: StorageEngine) -> None:
    metadata = TableMetadata(
        "events",
        FETCHED_AT,
        from_date="2025-01-01",
        to_date="2025-01-31",
        filter_events=["Sign Up", "Kauf: äöü", 'with "quotes"'],
        filter_where='properties["$browser"] == "Chrome"',
    )
    storage.create_events_table("filtered", make_events(1), metadata)
    assert storage.get_metadata("filtered") == metadata


def test_progress_counts_up_once_a_batch_and_ends_with_the_total(storage: StorageEngine) -> None:
    calls: list[int] = []
    threads = set()

    def progress(rows: int) -> None:
        calls.append(rows)
        threads.add(threading.current_thread())

    storage.create_events_table("t", make_events(2500), EVENTS, progress, batch_size=1000)
    assert calls == [1000, 2000, 2500]
    assert threads == {threading.main_thread()}


def test_progress_counts_records_read_even_when_some_are_duplicates(
    storage: StorageEngine,
) -> None:
    calls: list[int] = []
    twice = [*make_events(10), *make_events(10)]
    assert storage.create_events_table("t", twice, EVENTS, calls.append) == 10
    assert calls == [20]


def test_large_documents_are_split_into_batches_by_their_size(storage: StorageEngine) -> None:
    calls: list[int] = []
    large = ({**event, "properties": {"text": "x" * 1_000_000}} for event in make_events(20))
    storage.create_events_table("t", large, EVENTS, calls.append)
    assert len(calls) > 1
    assert calls[-1] == 20


def test_a_line_of_an_export_as_a_record_gets_the_advice_to_use_the_reader(
    storage: StorageEngine,
) -> None:
    line = {"event": "Sign Up", "properties": {"time": 1, "distinct_id": "a"}}
    with pytest.raises(RecordError, match="read_events_export"):
        storage.create_events_table("t", [line], EVENTS)


def test_data_that_is_no_iterable_changes_nothing(storage: StorageEngine) -> None:
    with pytest.raises(TypeError):
        storage.create_events_table("t", 5, EVENTS)  # type: ignore[arg-type]
    assert not storage.table_exists("t")


def test_dropping_makes_the_name_free_again(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    storage.drop_table("t")
    assert not storage.table_exists("t")
    storage.create_profiles_table("t", [make_profile()], PROFILES)
    assert storage.get_metadata("t") == PROFILES


def test_a_table_dropped_in_sql_can_be_created_again(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    storage.execute_rows("DROP TABLE t")
    assert storage.list_tables() == []
    assert storage.create_events_table("t", [make_event()], EVENTS) == 1
    assert [table.row_count for table in storage.list_tables()] == [1]
