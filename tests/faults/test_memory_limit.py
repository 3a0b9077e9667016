"""DuckDB's memory limit is reached: a typed error, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpanel_data import OutOfMemoryError, StorageEngine
from tests.faults.aftermath import contents_of, reopened
from tests.processes import PythonProcess

#: So little that hardly anything can be done.
TINY = {"memory_limit": "3MiB", "threads": 1, "max_temp_directory_size": "0MiB"}

#: Commits much, and is killed with all of it in the log.
COMMITTING = """
storage = StorageEngine(sys.argv[1], config={"checkpoint_threshold": "1GB"})
storage.append_events_table("jan", make_events(60_000), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "call",
    [
        "storage.create_events_table('feb', make_events(100_000), EVENTS)",
        "storage.append_events_table('jan', make_events(100_000, 5000), EVENTS)",
        "storage.append_events_table('jan', make_events(9000), EVENTS, on_conflict='replace')",
        "storage.execute_rows('SELECT list(md5(i::VARCHAR)) FROM range(1_000_000) AS t(i)')",
    ],
    ids=["create", "append", "replace", "query"],
)
def test_what_needs_more_memory_than_there_is_is_undone(call: str, database_file: Path) -> None:
    with StorageEngine(database_file) as storage:
        before = contents_of(storage)
    script = f"""
config = dict(memory_limit=sys.argv[2], threads=1, max_temp_directory_size="0MiB")
with StorageEngine(sys.argv[1], config=config) as storage:
    try:
        {call}
    except OutOfMemoryError as error:
        say("raise memory_limit" in str(error))
    try:
        say(storage.execute_scalar("SELECT 42"))
    except DatabaseInvalidatedError:  # DuckDB could not undo it, and says so
        say(42)
"""
    with PythonProcess(script, database_file, "6MiB") as process:
        said = process.read_all()
        assert process.wait() == 0, process.errors()
    assert said == ["True", "42"]
    assert reopened(database_file) == before


def test_a_log_that_does_not_fit_into_memory_is_not_called_damaged(database_file: Path) -> None:
    with PythonProcess(COMMITTING, database_file) as process:
        process.wait()
    log = database_file.with_name("events.db.wal")
    left = log.read_bytes()
    with pytest.raises(OutOfMemoryError, match="raise memory_limit"):
        StorageEngine(database_file, config=TINY)
    assert log.read_bytes() == left
    assert len(reopened(database_file)["jan"]) == 60_000
