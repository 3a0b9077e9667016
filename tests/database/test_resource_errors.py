"""Waiting for a lock; errors of a full disk and of a lack of memory say what to do."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from mixpanel_data import (
    DatabaseLockedError,
    OutOfMemoryError,
    QueryError,
    StorageEngine,
)
from tests.processes import PythonProcess
from tests.records import EVENTS, make_event, make_events

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")

HOLD = """
storage = StorageEngine(sys.argv[1])
say("open")
input()
storage.close()
say("closed")
"""

#: Rows that hardly compress, and more of them than fit into the memory of the process below.
ROWS = "SELECT hash(i)::VARCHAR AS a FROM range(2000000) AS t(i)"
SORTED = f"SELECT min(a[1]) FROM ({ROWS} ORDER BY a)"

LIMITED = """
import resource
path, what = sys.argv[1:]
config = {"memory_limit": "40MiB", "threads": 1}
with StorageEngine(path, config=config) as storage:
    storage.create_events_table("before", make_events(10), EVENTS)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        if what == "load":
            storage.create_events_table("jan", make_events(200_000), EVENTS)
        else:
            storage.execute_rows(what)
    except DiskFullError as error:
        say(type(error).__name__, error.folder, error.free_bytes > 0)
        say(str(error.free_bytes // 10**6)[:3] in str(error).replace(",", ""))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


@pytest.mark.parametrize("opening", [StorageEngine, StorageEngine.open_existing])
def test_opening_waits_for_the_lock_of_another_process(
    opening: type[StorageEngine], path: Path
) -> None:
    StorageEngine(path).close()
    opened: list[StorageEngine] = []
    with PythonProcess(HOLD, path) as holder:
        assert holder.read() == "open"
        waiter = threading.Thread(target=lambda: opened.append(opening(path, lock_timeout=60)))
        waiter.start()
        waiter.join(0.2)
        assert waiter.is_alive()
        assert opened == []
        holder.write()
        assert holder.read() == "closed"
        waiter.join()
    with opened[0] as storage:
        assert storage.create_events_table("jan", make_events(3), EVENTS) == 3


def test_waiting_for_a_lock_that_is_never_released_ends_in_an_error(path: Path) -> None:
    with PythonProcess(HOLD, path) as holder:
        assert holder.read() == "open"
        with pytest.raises(DatabaseLockedError, match="lock_timeout=seconds") as caught:
            StorageEngine(path, lock_timeout=0.1)
        assert caught.value.pid == holder.pid


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_time_to_wait_is_not_negative(seconds: float, path: Path) -> None:
    with pytest.raises(ValueError, match="lock_timeout"):
        StorageEngine(path, lock_timeout=seconds)
    assert not path.exists()


def test_errors_other_than_a_lock_are_raised_without_waiting(path: Path) -> None:
    path.write_bytes(b"noise" * 1000)
    with pytest.raises(OSError, match="no DuckDB database"):
        StorageEngine(path, lock_timeout=3600)


@posix_only
@pytest.mark.parametrize("what", ["load", SORTED, f"CREATE TABLE a AS {ROWS}"])
def test_a_full_disk_names_the_folder_and_what_is_free(what: str, path: Path) -> None:
    with PythonProcess(LIMITED, path, what) as process:
        kind, folder, has_room = process.read().rsplit(" ", 2)
        assert (kind, has_room) == ("DiskFullError", "True")
        assert Path(folder) in (path.parent, path.with_name("events.db.tmp"))
        assert process.read() == "True"
        process.wait()
    with StorageEngine(path) as storage:
        assert [table.name for table in storage.list_tables()] == ["before"]
        assert storage.execute_scalar("SELECT count(*) FROM before") == 10


def test_a_lack_of_memory_names_the_settings_that_help() -> None:
    config = {"memory_limit": "40MiB", "threads": 1, "max_temp_directory_size": "1MiB"}
    with StorageEngine.ephemeral(config=config) as storage:
        for run in (storage.execute_rows, storage.execute_df):
            with pytest.raises(OutOfMemoryError, match="raise memory_limit") as caught:
                run("SELECT list(hash(i)::VARCHAR) FROM range(3000000) AS t(i)")
            assert isinstance(caught.value, QueryError)
            assert "preserve_insertion_order" in str(caught.value)
        assert storage.execute_scalar("SELECT 42") == 42


def test_a_load_that_lacks_memory_names_the_limit_of_loads(path: Path) -> None:
    events = [make_event(n, properties={"a": os.urandom(50_000).hex()}) for n in range(300)]
    with StorageEngine(path, load_memory_limit="1MB") as storage:
        with pytest.raises(OutOfMemoryError, match="raise load_memory_limit") as caught:
            storage.create_events_table("t", events, EVENTS)
        assert "in Sandbox" in str(caught.value)
        assert isinstance(caught.value.__cause__, duckdb.Error)
        assert storage.list_tables() == []


def test_after_a_load_queries_have_all_the_memory_again(path: Path) -> None:
    with StorageEngine(path, load_memory_limit="10MB") as storage:
        storage.create_events_table("t", make_events(3), EVENTS)
        assert storage.execute_scalar(SORTED) is not None
