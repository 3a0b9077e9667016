"""Processes started in every way, at random moments, never lose a row or damage a file."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

#: What every process does: a few loads, each with an engine of its own. It prints the number of
#: the load when it is committed.
WORKERS = """
import os, random, sys, time
from mixpanel_data import *
from tests.records import *

def load(path, number, seed):
    random.seed(seed)
    time.sleep(random.random() * 0.02)
    try:
        with StorageEngine(path, lock_timeout=60) as storage:
            storage.append_events_table("events", make_events(20, 100 * number), EVENTS)
    except StorageForkedError:
        return "refused"
    return "loaded"
"""

#: Reads the way to start processes, a seed and the number of the first load; answers with what
#: became of the loads. The parent has the file open for some of the time, and writes as well.
PARENT = """
import multiprocessing, random, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[2])
import workers
if __name__ == "__main__":
    say(os.getpid())
    while line := sys.stdin.readline().strip():
        method, seed, first = line.split()
        random.seed(int(seed))
        path, number = sys.argv[1], int(first)
        storage = StorageEngine(path) if random.random() < 0.7 else None
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            jobs = [(path, number + child, int(seed) + child) for child in (1, 2)]
            results = pool.starmap_async(workers.load, jobs)
            said = "closed"
            if storage is not None:
                storage.append_events_table("events", make_events(20, 100 * number), EVENTS)
                storage.close()
                said = "loaded"
            say(said, *results.get(60))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_no_way_to_start_processes_loses_a_row(
    method: str, path: Path, tmp_path: Path, rounds: int
) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(1), EVENTS)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "workers.py").write_text(WORKERS)
    found: Counter[str] = Counter()
    expected = 1
    with PythonProcess(PARENT, path, tmp_path / "modules") as process:
        parent = process.read()
        for number in range(1, rounds + 1):
            seed = random.randrange(10**9)
            process.write(f"{method} {seed} {10 * number}")
            said = process.read().split()
            found.update(said)
            expected += 20 * said.count("loaded")
            if number % 10 == 0:
                with StorageEngine(path, lock_timeout=10) as storage:
                    rows = storage.execute_rows("SELECT insert_id, properties FROM events")
                    assert len(rows) == expected, f"seed {seed}, parent {parent}: {said}"
                    assert storage.list_tables()[0].row_count == expected
        process.write()
        assert process.wait() == 0, parent
    assert (found["refused"] > 0) == (method == "fork")
    assert found["loaded"] > rounds
    print(f"{method}: {dict(found)}")
