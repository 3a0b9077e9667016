"""A worker never reads another file than the one that the engine has open."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpanel_data import DatabaseMovedError, QueryTimeoutError, Sandbox, StorageEngine
from tests.records import EVENTS, make_events

COUNT = "SELECT count(*) FROM events"


@pytest.fixture
def copy(path: Path) -> Path:
    """A copy of a database with one event, beside one that has two by now."""
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(1), EVENTS)
        found = storage.backup(path.with_name("copy.db"))
        storage.append_events_table("events", make_events(2), EVENTS)
    return found


def test_a_newer_copy_in_the_place_of_the_file_is_read_by_a_new_engine_only(
    copy: Path, path: Path
) -> None:
    with StorageEngine(copy, read_only=True, sandbox=Sandbox(worker=True, timeout=2)) as reader:
        assert reader.execute_scalar(COUNT) == 1
        copy.unlink()
        path.rename(copy)
        assert reader.execute_scalar(COUNT) == 1  # the worker that is there
        with pytest.raises(QueryTimeoutError):
            reader.execute_rows(
                "SELECT sum(a.n * b.n) FROM range(9999999) a(n), range(9999999) b(n)"
            )
        with pytest.raises(DatabaseMovedError, match="open it again"):
            reader.execute_scalar(COUNT)
        assert reader.list_tables()[0].row_count == 1
    with StorageEngine(copy, read_only=True, sandbox=Sandbox(worker=True)) as reader:
        assert reader.execute_scalar(COUNT) == 2


def test_a_file_that_was_removed_is_a_moved_error(copy: Path) -> None:
    with StorageEngine(copy, read_only=True, sandbox=Sandbox(worker=True)) as reader:
        copy.unlink()
        with pytest.raises(DatabaseMovedError):
            reader.execute_scalar(COUNT)
