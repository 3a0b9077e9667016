"""Many loaders, one lake: nothing is lost, nothing is there twice, whatever happens to them.

By hand, with more rounds: ``ROUNDS=100 python -m tests.lake tests/lake/test_concurrency.py``.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from mixpanel_data import Lake, StorageEngine
from tests.lake.lakes import lake_in, new_database, server
from tests.records import EVENTS

pytestmark = pytest.mark.lake

ROUNDS = int(os.environ.get("ROUNDS", "1"))

#: Loads overlapping ranges of events in random order, and prints how many rows it added.
LOADER = """
import random, sys
from tests.lake.lakes import lake_in
from tests.records import EVENTS, make_event
from mixpanel_data import StorageEngine
database, folder, seed = sys.argv[1:]
chosen = random.Random(int(seed))
starts = list(range(0, 200, 50))
chosen.shuffle(starts)
added = 0
with StorageEngine(lake_in(database, folder)) as storage:
    print("ready", flush=True)
    for start in starts:
        numbers = list(range(start, start + 100))
        chosen.shuffle(numbers)
        rows = (make_event(number) for number in numbers)
        added += storage.create_events_table("jan", rows, EVENTS, if_exists="append")
print(added, flush=True)
"""
ALL = 250

#: Ends a session with a lock of ours.
KILL_A_LOCK = """
    SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND granted AND datname = '{database}' AND classid <> 0
        LIMIT 1
    ) AS one
"""


def loader(database: str, folder: Path, seed: int) -> subprocess.Popen[str]:
    """Start a process that loads."""
    return subprocess.Popen(
        [sys.executable, "-c", LOADER, database, str(folder), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_and_ids(lake: Lake) -> tuple[int, int]:
    with StorageEngine(lake, read_only=True) as storage:
        ((rows, ids),) = storage.execute_rows("SELECT count(*), count(DISTINCT insert_id) FROM jan")
        (table,) = storage.list_tables()
        assert table.row_count == rows
    return rows, ids


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_loaders_of_the_same_events_add_each_once(tmp_path: Path, seed: int) -> None:
    database = new_database()
    loaders = [loader(database, tmp_path, 10 * seed + number) for number in range(3)]
    ended = [process.communicate() for process in loaders]
    assert [process.returncode for process in loaders] == [0] * 3, ended
    assert sum(int(out.split()[-1]) for out, _ in ended) == ALL
    assert rows_and_ids(lake_in(database, tmp_path)) == (ALL, ALL)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_lost_locks_maintenance_and_readers_do_no_harm(tmp_path: Path, seed: int) -> None:
    database = new_database()
    lake = lake_in(database, tmp_path)
    StorageEngine(lake).close()
    postgres = server()
    loaders = [loader(database, tmp_path, 10 * seed + number) for number in range(3)]
    counts = [0]
    with StorageEngine(lake) as storage:
        while any(process.poll() is None for process in loaders):
            postgres.sql(KILL_A_LOCK.format(database=database))
            if storage.table_exists("jan"):
                ((rows, ids),) = storage.execute_rows(
                    "SELECT count(*), count(DISTINCT insert_id) FROM jan"
                )
                assert rows == ids
                counts.append(rows)
            time.sleep(0.5)
        storage.maintain()
    ended = [process.communicate() for process in loaders]
    assert [process.returncode for process in loaders] == [0] * 3, ended
    assert counts == sorted(counts)
    assert rows_and_ids(lake) == (ALL, ALL)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_load_that_is_killed_is_there_as_a_whole_or_not_at_all(tmp_path: Path, seed: int) -> None:
    database = new_database()
    lake = lake_in(database, tmp_path)
    chosen = random.Random(seed)
    for number in range(3):
        process = loader(database, tmp_path, 10 * seed + number)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chosen.uniform(0, 4))
        process.kill()
        process.communicate()
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", [], EVENTS, if_exists="append")
        rows = storage.execute_scalar("SELECT count(*) FROM jan")
        assert rows % 50 == 0
        assert rows == storage.execute_scalar("SELECT count(DISTINCT insert_id) FROM jan")
        storage.maintain(grace=timedelta())
        assert storage.execute_scalar("SELECT count(*) FROM jan") == rows
    process = loader(database, tmp_path, seed)
    process.communicate()
    assert rows_and_ids(lake) == (ALL, ALL)
