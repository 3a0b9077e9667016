"""Files damaged while closed: refused with a typed error, or complete."""

from __future__ import annotations

import os
import random
from pathlib import Path

import duckdb
import pytest

from mixpanel_data import (
    DatabaseCorruptError,
    DatabaseNotFoundError,
    DatabaseWalError,
    NotADatabaseError,
    StorageEngine,
)
from tests.faults.aftermath import Looker, contents_of, digest, reopened
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

#: DuckDB 1.5 takes the log of any database that is like the one it opens.
logs_have_owners = pytest.mark.skipif(
    int(duckdb.__version__.split(".")[0]) < 2, reason="needs DuckDB 2.0"
)

#: Commits thrice, and is killed with all of it in the log.
COMMITTING = """
storage = StorageEngine(sys.argv[1])
storage.execute_rows("CHECKPOINT")
for number in range(3):
    storage.append_events_table("jan", make_events(20, 5000 + 20 * number), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def leave_log(path: Path) -> bytes:
    """Let a killed process leave a log beside a database; return what is in it."""
    with PythonProcess(COMMITTING, path) as process:
        process.wait()
    return log_of(path).read_bytes()


def restore(path: Path, database: bytes, log: bytes | None = None) -> None:
    """Make a database file, with a log or with none."""
    path.write_bytes(database)
    log_of(path).unlink(missing_ok=True)
    if log is not None:
        log_of(path).write_bytes(log)


# The database file


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.9, 0.999999])
def test_a_truncated_file_is_refused_and_left_as_it_is(share: float, database_file: Path) -> None:
    os.truncate(database_file, int(database_file.stat().st_size * share))
    left = database_file.read_bytes()
    for read_only in (True, False):
        with pytest.raises(DatabaseCorruptError, match="estore a copy") as caught:
            StorageEngine(database_file, read_only=read_only)
        assert caught.value.path == database_file
    assert database_file.read_bytes() == left
    assert list(database_file.parent.iterdir()) == [database_file]


def test_a_file_that_is_overwritten_from_its_beginning_is_no_database(database_file: Path) -> None:
    database_file.write_bytes(random.randbytes(database_file.stat().st_size))
    with pytest.raises(NotADatabaseError, match="Check the path"):
        StorageEngine(database_file)


def test_noise_anywhere_in_a_file_is_detected_or_harmless(database_file: Path, rounds: int) -> None:
    intact = database_file.read_bytes()
    with StorageEngine(database_file, read_only=True) as storage:
        good = digest(contents_of(storage))
    outcomes = set()
    with Looker() as looker:
        for _ in range(rounds):
            noise = random.randbytes(random.choice([1, 100, 10_000]))
            position = random.randrange(len(intact) - len(noise))
            damaged = intact[:position] + noise + intact[position + len(noise) :]
            restore(database_file, damaged)
            outcome = looker.look(database_file)
            assert outcome == good or "CorruptError" in outcome or "NotADatabase" in outcome, (
                position,
                len(noise),
                outcome,
            )
            outcomes.add(outcome.partition(":")[0])
    assert len(outcomes) > 1


# The log


def test_a_missing_log_costs_what_was_committed_after_the_checkpoint(database_file: Path) -> None:
    leave_log(database_file)
    log_of(database_file).unlink()
    assert len(reopened(database_file)["jan"]) == 3000


def test_a_log_that_breaks_off_costs_the_commits_that_are_not_whole(
    database_file: Path, rounds: int
) -> None:
    log = leave_log(database_file)
    database = database_file.read_bytes()
    for _ in range(rounds // 2):
        restore(database_file, database, log[: random.randrange(len(log))])
        assert len(reopened(database_file)["jan"]) in (3000, 3020, 3040)
    restore(database_file, database, log)
    assert len(reopened(database_file)["jan"]) == 3060


def test_a_damaged_log_is_named_and_can_be_moved_aside(database_file: Path) -> None:
    log = leave_log(database_file)
    database, half = database_file.read_bytes(), len(log) // 2
    log = log[:half] + bytes([log[half] ^ 255]) + log[half + 1 :]
    restore(database_file, database, log)
    for read_only in (True, False):
        with pytest.raises(DatabaseWalError, match="after the last checkpoint") as caught:
            StorageEngine(database_file, read_only=read_only)
        assert caught.value.log == log_of(database_file)
        assert str(log_of(database_file)) in str(caught.value)
    assert (database_file.read_bytes(), log_of(database_file).read_bytes()) == (database, log)
    log_of(database_file).rename(database_file.parent.with_name("aside"))
    assert len(reopened(database_file)["jan"]) == 3000


def test_noise_anywhere_in_a_log_is_detected_or_ends_its_replay(
    database_file: Path, rounds: int
) -> None:
    log = leave_log(database_file)
    database = database_file.read_bytes()
    restore(database_file, database)
    with StorageEngine(database_file) as storage:
        good = {digest(contents_of(storage))}
        for number in range(3):
            storage.append_events_table("jan", make_events(20, 5000 + 20 * number), EVENTS)
            good.add(digest(contents_of(storage)))
    with Looker() as looker:
        for _ in range(rounds):
            noise = random.randbytes(random.choice([1, 100]))
            position = random.randrange(len(log) - len(noise))
            restore(database_file, database, log[:position] + noise + log[position + len(noise) :])
            outcome = looker.look(database_file)
            assert outcome in good or outcome.startswith("DatabaseWalError"), (position, outcome)


@logs_have_owners
def test_the_log_of_another_database_is_refused_and_left_as_it_is(
    database_file: Path, tmp_path: Path
) -> None:
    database, other = database_file.read_bytes(), tmp_path / "other.db"
    StorageEngine(other).close()
    with StorageEngine(other) as storage:
        storage.create_events_table("jan", [], EVENTS)
    log = leave_log(other)
    restore(database_file, database, log)
    with pytest.raises(DatabaseWalError, match="belongs to the other"):
        StorageEngine(database_file)
    assert (database_file.read_bytes(), log_of(database_file).read_bytes()) == (database, log)


def test_a_log_whose_database_is_missing_is_not_thrown_away(database_file: Path) -> None:
    log = leave_log(database_file)
    away = database_file.rename(database_file.parent.with_name("away.db"))
    with pytest.raises(DatabaseWalError, match="the database file is missing") as caught:
        StorageEngine(database_file)
    assert caught.value.log == log_of(database_file)
    with pytest.raises(DatabaseNotFoundError):
        StorageEngine(database_file, read_only=True)
    assert log_of(database_file).read_bytes() == log
    away.rename(database_file)
    assert len(reopened(database_file)["jan"]) == 3060
