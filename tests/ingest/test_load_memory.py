"""DuckDB's memory while rows stream in, and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from mixpanel_data.ingest.runner import LARGE_KEY
from tests.records import EVENTS, Record, make_event, make_events

LIMIT = "SELECT current_setting('memory_limit')"


def limits_during(storage: StorageEngine, seen: list[str], count: int = 3000) -> Iterator[Record]:
    for number in range(count):
        if number == count - 1:
            seen.append(storage.execute_scalar(LIMIT))
        yield make_event(number)


def test_a_load_has_a_budget_and_queries_do_not(path: Path) -> None:
    with StorageEngine(path) as storage:
        before, seen = storage.execute_scalar(LIMIT), list[str]()
        storage.create_events_table("t", limits_during(storage, seen), EVENTS)
        storage.append_events_table("t", limits_during(storage, seen), EVENTS)
        assert seen == ["160.0 MiB", "160.0 MiB"]
        assert storage.execute_scalar(LIMIT) == before


def test_the_budget_is_an_option(path: Path) -> None:
    with StorageEngine(path, load_memory_limit="200MiB") as storage:
        seen: list[str] = []
        storage.create_events_table("t", limits_during(storage, seen), EVENTS)
        assert seen == ["200.0 MiB"]
    with StorageEngine(path, load_memory_limit=None) as storage:
        before = storage.execute_scalar(LIMIT)
        storage.append_events_table("t", limits_during(storage, seen), EVENTS)
        assert seen[1] == before


def test_a_limit_of_the_users_own_is_respected(path: Path) -> None:
    with StorageEngine(path, config={"memory_limit": "300MiB", "threads": 1}) as storage:
        seen: list[str] = []
        storage.create_events_table("t", limits_during(storage, seen), EVENTS)
        assert [*seen, storage.execute_scalar(LIMIT)] == ["300.0 MiB"] * 2


def test_a_limit_set_in_sql_before_or_during_a_load_is_respected(path: Path) -> None:
    with StorageEngine(path) as storage:
        seen: list[str] = []
        storage.execute_rows("SET memory_limit = '300MiB'")
        storage.create_events_table("t", limits_during(storage, seen), EVENTS)
        assert [*seen, storage.execute_scalar(LIMIT)] == ["300.0 MiB"] * 2
        storage.execute_rows("RESET memory_limit")

        def change_it() -> Iterator[Record]:
            yield make_event(4000)
            storage.execute_rows("SET memory_limit = '400MiB'")

        storage.append_events_table("t", change_it(), EVENTS)
        assert storage.execute_scalar(LIMIT) == "400.0 MiB"


def test_in_memory_there_is_no_limit_because_it_would_be_one_for_the_rows() -> None:
    with StorageEngine.memory() as storage:
        before, seen = storage.execute_scalar(LIMIT), list[str]()
        storage.create_events_table("t", limits_during(storage, seen), EVENTS)
        assert seen == [before]


def test_the_limit_goes_when_the_last_of_several_loads_ends(path: Path) -> None:
    with StorageEngine(path) as storage:
        before, seen = storage.execute_scalar(LIMIT), list[str]()

        def outer() -> Iterator[Record]:
            yield from make_events(10)
            storage.create_events_table("inner", make_events(10), EVENTS)
            seen.append(storage.execute_scalar(LIMIT))

        storage.create_events_table("outer", outer(), EVENTS)
        assert seen == ["160.0 MiB"]
        assert storage.execute_scalar(LIMIT) == before


def test_a_load_that_fails_leaves_no_limit_behind(path: Path) -> None:
    with StorageEngine(path) as storage:
        before = storage.execute_scalar(LIMIT)
        with pytest.raises(ValueError, match="missing"):
            storage.create_events_table("t", [make_event(), {}], EVENTS)
        assert storage.execute_scalar(LIMIT) == before


LOG_SETTINGS = (
    "SELECT current_setting('wal_autocheckpoint'), "
    "current_setting('auto_checkpoint_skip_wal_threshold')"
)


def size_of_log(path: Path) -> int:
    log = path.with_name(path.name + ".wal")
    return log.stat().st_size if log.exists() else 0


def test_the_index_of_a_large_key_is_not_written_into_the_log_first(path: Path) -> None:
    with StorageEngine(path) as storage:
        before = storage.execute_rows(LOG_SETTINGS)
        storage.create_events_table("t", make_events(LARGE_KEY), EVENTS)
        assert size_of_log(path) < 1_000_000 < path.stat().st_size
        assert storage.execute_rows(LOG_SETTINGS) == before


def test_a_user_who_set_when_to_checkpoint_decides_about_the_log(path: Path) -> None:
    with StorageEngine(path, config={"wal_autocheckpoint": "1GB"}) as storage:
        storage.create_events_table("t", make_events(LARGE_KEY), EVENTS)
        assert size_of_log(path) > 1_000_000
