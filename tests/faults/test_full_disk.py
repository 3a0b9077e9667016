"""A disk that fills up while DuckDB writes: nothing is lost, and the error names the folder."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.faults.aftermath import contents_of, reopened
from tests.processes import PythonProcess
from tests.records import EVENTS, PROFILES, Record, make_event, make_profiles

#: In the tables before the disk runs full; the last append is only in the log.
BEFORE = {"jan": 2500, "users": 300}

FULL = """
import shutil
from pathlib import Path
from tests.faults.test_full_disk import large_events

path, room, call = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ballast = path.with_name("ballast")
rows = "SELECT hash(i)::VARCHAR AS a FROM range(3_000_000) AS t(i)"
config = {"memory_limit": "40MiB", "threads": 1} if "ORDER BY" in call else {}

def attempt(call):
    try:
        eval(call)
        say("done")
    except MixpanelDataError as error:
        say(type(error).__name__, getattr(error, "folder", None), str(error).replace("\\n", " "))

storage = StorageEngine(path, config=config)
storage.append_events_table("jan", large_events(500, 2000), EVENTS)
with ballast.open("wb") as file:
    file.write(bytes(shutil.disk_usage(path.parent).free - room))
attempt(call)
attempt("storage.execute_rows('SELECT sum(length(properties)) FROM jan')")
ballast.unlink()
attempt("storage.create_events_table('after', large_events(10), EVENTS)")
storage.close()
"""

WRITING = {
    "create": "storage.create_events_table('feb', large_events(8_000), EVENTS)",
    "append": "storage.append_events_table('jan', large_events(8_000, 5000), EVENTS)",
    "replace": (
        "storage.append_events_table('jan', large_events(8_000), EVENTS, on_conflict='replace')"
    ),
    "query": "storage.execute_rows('CREATE TABLE feb AS SELECT * FROM jan, range(100)')",
}


def large_events(count: int, start: int = 0) -> Iterator[Record]:
    """Yield events that hardly compress."""
    for number in range(start, start + count):
        yield make_event(number, properties={"noise": random.Random(number).randbytes(300).hex()})


@pytest.fixture
def path(small_disk: Path) -> Path:
    """A database on the small disk, closed."""
    path = small_disk / "events.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", large_events(2000), EVENTS)
        storage.create_profiles_table("users", make_profiles(300), PROFILES)
    return path


def fill_up(path: Path, room: int, call: str) -> list[str]:
    """Do something with little room on the disk; return what happened, then, and after."""
    with PythonProcess(FULL, path, room, call) as process:
        said = process.read_all()
        assert process.wait() == 0, process.errors()
    return said


@pytest.mark.parametrize("room", [0, 1_000_000])
@pytest.mark.parametrize("what", WRITING)
def test_what_does_not_fit_is_undone_and_the_engine_goes_on(
    what: str, room: int, path: Path
) -> None:
    failed, read, after = fill_up(path, room, WRITING[what])
    assert failed.startswith(f"DiskFullError {path.parent}")
    assert "Make room there" in failed
    assert (read, after) == ("done", "done")
    assert sizes(path) == {**BEFORE, "after": 10}


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_checkpoint_that_does_not_fit_loses_nothing(room: int, path: Path) -> None:
    failed, read, after = fill_up(path, room, "storage.execute_rows('CHECKPOINT')")
    assert failed.startswith(f"DiskFullError {path.parent}")
    for stopped in (read, after):
        assert stopped.startswith("DatabaseInvalidatedError")
        assert "Close the engine and open a new one" in stopped
    assert sizes(path) == BEFORE


@pytest.mark.parametrize("room", [0, 1_000_000, 2_500_000])
def test_a_compaction_that_does_not_fit_leaves_the_file_as_it_is(room: int, path: Path) -> None:
    failed, read, after = fill_up(path, room, "storage.compact()")
    assert failed.startswith(f"DiskFullError {path.parent}")
    assert (read, after) == ("done", "done")
    assert sizes(path) == {**BEFORE, "after": 10}


@pytest.mark.parametrize("room", [0, 100_000])
def test_closing_on_a_full_disk_loses_nothing(room: int, path: Path) -> None:
    closed, read, _ = fill_up(path, room, "storage.close()")
    assert closed == "done"
    assert read.startswith("StorageClosedError")
    assert sizes(path) == BEFORE


def test_a_drop_fits_onto_a_full_disk(path: Path) -> None:
    assert fill_up(path, 0, "storage.drop_table('jan')")[0] == "done"
    assert sizes(path) == {"users": 300, "after": 10}


@pytest.mark.parametrize("room", [0, 1_000_000])
def test_a_query_that_has_no_room_for_temporary_files_says_what_to_change(
    room: int, path: Path
) -> None:
    spilling = "storage.execute_rows(f'SELECT min(a[1]) FROM ({rows} ORDER BY a)')"
    failed, read, after = fill_up(path, room, spilling)
    assert failed.startswith(("OutOfMemoryError", "DiskFullError"))
    assert "max_temp_directory_size" in failed or "Make room there" in failed
    assert (read, after) == ("done", "done")
    assert sizes(path) == {**BEFORE, "after": 10}


def test_a_full_disk_still_lets_a_database_be_read(path: Path) -> None:
    ballast = path.with_name("ballast")
    ballast.write_bytes(bytes(shutil.disk_usage(path.parent).free))
    for read_only in (True, False):
        with StorageEngine(path, read_only=read_only) as storage:
            assert len(contents_of(storage)["users"]) == 300
    ballast.unlink()


def sizes(path: Path) -> dict[str, int]:
    """Return the number of rows of every table, after all is well again."""
    return {name: len(rows) for name, rows in reopened(path).items()}
