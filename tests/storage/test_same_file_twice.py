"""One file opened twice in a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseFileError,
    StorageEngine,
)
from tests.processes import run_python
from tests.records import EVENTS, make_events
from tests.storage.helpers import COUNT_JAN, posix_only


def test_two_engines_on_one_file_see_each_other_and_close_independently(path: Path) -> None:
    with StorageEngine(path) as one:
        with StorageEngine(path) as other:
            one.create_events_table("jan", make_events(20), EVENTS)
            assert other.append_events_table("jan", make_events(25), EVENTS) == 5
            assert [table.row_count for table in one.list_tables()] == [25]
        assert one.append_events_table("jan", make_events(30), EVENTS) == 5
    assert run_python(COUNT_JAN, path) == ["30"]


@posix_only
def test_a_file_reached_through_a_link_is_the_same_file(database_file: Path) -> None:
    link = database_file.with_name("link.db")
    link.symlink_to(database_file)
    with StorageEngine(database_file) as one, StorageEngine(link) as other:
        one.append_events_table("jan", make_events(30), EVENTS)
        other.append_events_table("jan", make_events(40), EVENTS)
        assert one.list_tables() == other.list_tables()
    assert run_python(COUNT_JAN, database_file) == ["40"]


def test_one_process_cannot_open_a_file_in_two_ways_at_once(database_file: Path) -> None:
    with StorageEngine(database_file) as storage:
        with pytest.raises(DatabaseFileError):
            StorageEngine(database_file, read_only=True)
        with pytest.raises(DatabaseFileError):
            StorageEngine(database_file, config={"threads": 1})
        assert storage.append_events_table("jan", make_events(25), EVENTS) == 5
    with StorageEngine(database_file, read_only=True), pytest.raises(DatabaseFileError):
        StorageEngine(database_file)
