"""Rows of a person, and old ones, are deleted, and the metadata follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    DatabaseReadOnlyError,
    StorageEngine,
    TableMetadata,
    TableNotFoundError,
    WriteConflictError,
)
from tests.engines import close_empty_storage, empty_storage
from tests.hostile import FRAGMENTS
from tests.records import (
    EVENTS,
    FETCHED_AT,
    PROFILES,
    Record,
    make_event,
    make_events,
    make_profiles,
)


@pytest.fixture(scope="module", autouse=True)
def _closing() -> Iterator[None]:
    yield
    close_empty_storage()


@pytest.fixture
def filled() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        storage.create_events_table("events_jan", make_events(30), EVENTS)
        storage.create_events_table("order", make_events(10), EVENTS, primary_key=False)
        storage.create_profiles_table("users", make_profiles(20), PROFILES)
        yield storage


def recorded(storage: StorageEngine) -> dict[str, int]:
    return dict(storage.execute_rows("SELECT table_name, row_count FROM _metadata"))


def test_a_person_is_erased_from_every_table(filled: StorageEngine) -> None:
    assert filled.erase(["user-3", "user-15"]) == {"events_jan": 3, "order": 1, "users": 2}
    assert filled.erase(["user-3", "user-15"]) == {"events_jan": 0, "order": 0, "users": 0}
    assert recorded(filled) == {"events_jan": 27, "order": 9, "users": 18}
    assert {t.name: t.row_count for t in filled.list_tables()} == recorded(filled)
    assert filled.execute_scalar("SELECT count(*) FROM users WHERE distinct_id = 'user-1'") == 1


@pytest.mark.parametrize("nobody", [[], ["USER-3"], ["user"], [""], "user"])
def test_only_the_exact_id_is_erased(filled: StorageEngine, nobody: list[str]) -> None:
    assert set(filled.erase(nobody).values()) == {0}
    assert recorded(filled) == {"events_jan": 30, "order": 10, "users": 20}


def test_one_id_needs_no_list_and_a_number_is_its_digits() -> None:
    with empty_storage() as storage:
        profiles: list[Record] = [
            {"distinct_id": i, "properties": {}} for i in ("12", "ada", "a", "d")
        ]
        storage.create_profiles_table("users", profiles, PROFILES)
        assert storage.erase("ada") == {"users": 1}
        assert storage.erase([12]) == {"users": 1}
        assert storage.execute_rows("SELECT distinct_id FROM users ORDER BY 1") == [("a",), ("d",)]


def test_ids_of_every_kind_are_bound(filled: StorageEngine) -> None:
    ids = [text for text in FRAGMENTS if text]
    filled.append_profiles_table(
        "users", [{"distinct_id": text, "properties": {}} for text in ids], PROFILES
    )
    assert filled.erase(ids)["users"] == len(set(ids))
    assert recorded(filled)["users"] == 20


def test_erasing_and_a_change_elsewhere_do_not_mix(filled: StorageEngine) -> None:
    with filled.engine.connect() as other:
        other.exec_driver_sql("UPDATE _metadata SET row_count = 0 WHERE table_name = 'users'")
        with pytest.raises(WriteConflictError):
            filled.erase(["user-3"])
        other.rollback()
    assert filled.execute_scalar("SELECT count(*) FROM events_jan") == 30


def test_events_before_a_moment_are_deleted(filled: StorageEngine) -> None:
    tokyo = timezone(timedelta(hours=9))
    assert filled.delete_events("ORDER", before=datetime(2025, 1, 1, 9, 0, 4, tzinfo=tokyo)) == 4
    assert filled.delete_events("order", before="2025-01-01T00:00:06") == 2
    assert filled.delete_events("order", before=date(2025, 1, 1)) == 0
    assert recorded(filled) == {"events_jan": 30, "order": 4, "users": 20}
    assert filled.get_metadata("order") == EVENTS


def test_the_recorded_dates_begin_where_the_events_do(filled: StorageEngine) -> None:
    filled.append_events_table("order", [make_event(99, event_time="2025-01-20T12:00:00Z")], EVENTS)
    assert filled.delete_events("order", before="2025-01-10T06:00:00Z") == 10
    left = filled.get_metadata("order")
    assert (left.from_date, left.to_date) == ("2025-01-10", "2025-01-31")
    assert filled.delete_events("order", before=date(2025, 2, 1)) == 1
    assert filled.get_metadata("order") == TableMetadata("events", FETCHED_AT)


def test_what_is_no_events_table_is_refused(filled: StorageEngine) -> None:
    with pytest.raises(ValueError, match=r"users holds profiles"):
        filled.delete_events("users", before=date(2025, 1, 1))
    with pytest.raises(TableNotFoundError):
        filled.delete_events("missing", before=date(2025, 1, 1))
    with pytest.raises(ValueError, match=r"before .*soon"):
        filled.delete_events("order", before="soon")


def test_a_sandbox_and_a_read_only_engine(tmp_path: Path) -> None:
    with StorageEngine(tmp_path / "a.db", sandbox=True) as storage:
        storage.create_events_table("events_jan", make_events(10), EVENTS)
        assert storage.erase(["user-3"]) == {"events_jan": 1}
    with StorageEngine(tmp_path / "a.db", read_only=True) as storage:
        with pytest.raises(DatabaseReadOnlyError):
            storage.erase(["user-4"])
        with pytest.raises(DatabaseReadOnlyError):
            storage.delete_events("events_jan", before=date(2026, 1, 1))
        assert storage.execute_scalar("SELECT count(*) FROM events_jan") == 9


@pytest.mark.parametrize("wrong", [None, b"ada", [None], [b"ada"], object()])
def test_what_is_no_id_is_refused_as_such(filled: StorageEngine, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^A distinct id must be a string or a number, not "):
        filled.erase(wrong)
