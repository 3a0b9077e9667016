"""Appending: rows are added once, metadata widens, the wrong table is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mixpanel_data import MetadataError, StorageEngine, TableMetadata, TableNotFoundError
from tests.records import (
    EVENTS,
    FETCHED_AT,
    PROFILES,
    make_event,
    make_events,
    make_profile,
    make_profiles,
)


@pytest.mark.parametrize("primary_key", [True, False])
def test_only_new_rows_are_added(storage: StorageEngine, primary_key: bool) -> None:
    storage.create_events_table("t", make_events(3000), EVENTS, primary_key=primary_key)
    assert storage.append_events_table("t", make_events(3000, start=2000), EVENTS) == 2000
    assert storage.execute_rows("SELECT count(*), count(DISTINCT insert_id) FROM t") == [
        (5000, 5000)
    ]
    assert storage.append_events_table("t", make_events(5000), EVENTS) == 0


def test_new_rows_come_after_the_old_ones_in_the_order_of_the_input(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", make_events(1000), EVENTS)
    storage.append_events_table("t", make_events(5000, start=500), EVENTS, batch_size=700)
    numbers = storage.execute_rows("SELECT (properties->>'number')::INT FROM t")
    assert numbers == [(number,) for number in range(5500)]


def test_profiles_are_brought_up_to_date_by_replacing(storage: StorageEngine) -> None:
    storage.create_profiles_table("users", make_profiles(5), PROFILES)
    newer = [make_profile(3, properties={"plan": "pro"}), make_profile(7)]
    assert storage.append_profiles_table("users", newer, PROFILES, on_conflict="replace") == 1
    assert storage.execute_rows("SELECT count(*) FROM users") == [(6,)]
    plan = "SELECT properties->>'plan' FROM users WHERE distinct_id = 'user-3'"
    assert storage.execute_scalar(plan) == "pro"


def test_a_table_that_does_not_exist_is_not_made(storage: StorageEngine) -> None:
    data = make_events(3)
    with pytest.raises(TableNotFoundError) as caught:
        storage.append_events_table("missing", data, EVENTS)
    assert caught.value.table_name == "missing"
    assert len(list(data)) == 3
    assert not storage.table_exists("missing")


def test_a_table_of_the_application_is_not_appended_to(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE orders AS SELECT 1 AS id")
    with pytest.raises(TableNotFoundError):
        storage.append_events_table("orders", make_events(3), EVENTS)


def test_the_wrong_kind_of_table_is_refused(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    data = make_profiles(3)
    with pytest.raises(MetadataError, match="holds events"):
        storage.append_profiles_table("t", data, PROFILES)
    assert len(list(data)) == 3


def test_the_name_is_found_in_any_case(storage: StorageEngine) -> None:
    storage.create_events_table("Events", make_events(3), EVENTS)
    assert storage.append_events_table("eVENTS", make_events(5), EVENTS) == 2
    assert [(table.name, table.row_count) for table in storage.list_tables()] == [("Events", 5)]


def test_progress_counts_the_records_read(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(10), EVENTS)
    calls: list[int] = []
    storage.append_events_table("t", make_events(25), EVENTS, calls.append, batch_size=10)
    assert calls == [10, 20, 25]


def test_the_recorded_range_widens_and_the_fetch_time_moves_on(storage: StorageEngine) -> None:
    later = FETCHED_AT + timedelta(days=30)
    storage.create_events_table("t", make_events(1), EVENTS)
    february = TableMetadata("events", later, from_date="2025-02-01", to_date="2025-02-28")
    storage.append_events_table("t", make_events(2), february)
    assert storage.get_metadata("t") == replace(EVENTS, to_date="2025-02-28", fetched_at=later)
    december = TableMetadata("events", FETCHED_AT, from_date="2024-12-01", to_date="2024-12-31")
    storage.append_events_table("t", make_events(3), december)
    metadata = storage.get_metadata("t")
    assert (metadata.from_date, metadata.to_date) == ("2024-12-01", "2025-02-28")
    assert metadata.fetched_at == later


def test_unknown_dates_neither_widen_nor_narrow_the_range(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(1), EVENTS)
    storage.append_events_table("t", make_events(2), TableMetadata("events", FETCHED_AT))
    assert storage.get_metadata("t") == EVENTS


@pytest.mark.parametrize(
    ("before", "added", "merged"),
    [
        (["A", "B"], ["B", "C"], ["A", "B", "C"]),
        (["A"], None, None),
        (None, ["A"], None),
        (None, None, None),
    ],
)
def test_event_filters_are_united_and_no_filter_means_all(
    storage: StorageEngine,
    before: list[str] | None,
    added: list[str] | None,
    merged: list[str] | None,
) -> None:
    storage.create_events_table("t", [], replace(EVENTS, filter_events=before))
    storage.append_events_table("t", [make_event()], replace(EVENTS, filter_events=added))
    assert storage.get_metadata("t").filter_events == merged


@pytest.mark.parametrize(
    ("before", "added", "merged"),
    [
        ("a == 1", "a == 1", "a == 1"),
        ("a == 1", "b == 2", "(a == 1) or (b == 2)"),
        ("(a == 1) or (b == 2)", "b == 2", "(a == 1) or (b == 2)"),
        ("a == 1", None, None),
        (None, "a == 1", None),
    ],
)
def test_filter_expressions_are_joined_and_no_filter_means_all(
    storage: StorageEngine, before: str | None, added: str | None, merged: str | None
) -> None:
    storage.create_events_table("t", [], replace(EVENTS, filter_where=before))
    storage.append_events_table("t", [make_event()], replace(EVENTS, filter_where=added))
    assert storage.get_metadata("t").filter_where == merged


@pytest.mark.needs("one record of a table")
def test_the_recorded_number_of_rows_follows(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    storage.append_events_table("t", make_events(5), EVENTS)
    assert storage.execute_scalar("SELECT row_count FROM _metadata") == 5
