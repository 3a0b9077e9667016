"""A long mixed run on one file, in which nothing may grow: ``python -m tests.soak``.

Every round loads, appends, replaces, drops, queries, migrates, fails on purpose and opens the file
again, and records the resources of the process. The first third of the time is for warm-up. Then
the median of the last third must not exceed that of the second by more than the limits below,
which are what one more connection, thread or arena of an allocator takes.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from mixpanel_data import MixpanelDataError, StorageEngine, migrate
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

ROWS = 3_000
MIB = 1024 * 1024


class Sample(NamedTuple):
    """What the process and its file hold."""

    rss: int
    descriptors: int
    threads: int
    file_size: int

    @classmethod
    def of(cls, path: Path) -> Sample:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        tasks = len(list(Path("/proc/self/task").iterdir()))
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), descriptors, tasks, path.stat().st_size)


#: What the medians of the two thirds may differ by.
LIMITS = Sample(rss=24 * MIB, descriptors=1, threads=1, file_size=4 * MIB)


def work(path: Path, export: Path, chance: random.Random) -> None:
    """Do a bit of everything with the file, from opening to closing it."""
    with StorageEngine(path) as storage:
        start = chance.randrange(10**9)
        for table in storage.list_tables():
            if table.name != "kept":
                storage.drop_table(table.name)
        if not storage.table_exists("kept"):
            storage.create_profiles_table("kept", make_profiles(ROWS), PROFILES)
        storage.create_events_table("events", make_events(ROWS, start), EVENTS, primary_key=False)
        storage.append_events_table("events", make_events(ROWS, start + ROWS // 2), EVENTS)
        storage.append_profiles_table("kept", make_profiles(ROWS), PROFILES, on_conflict="replace")
        storage.load_events_export("exported", export, EVENTS)
        readers = [threading.Thread(target=query, args=(storage,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        fail(storage)
        for reader in readers:
            reader.join()
        use_sessions(storage)
        storage.drop_table("exported")
    migrate.downgrade(path, "0001")
    migrate.upgrade(path)
    migrate.check(path)


def query(storage: StorageEngine) -> None:
    """Ask in every way there is."""
    per_user = "SELECT distinct_id, count(*) FROM events GROUP BY ALL ORDER BY ALL"
    assert len(storage.execute_df(per_user)) == len(storage.execute_rows(per_user))
    number = "SELECT count(*) FROM kept WHERE properties->>'number' = ?"
    assert storage.execute_scalar(number, ["7"]) == 1
    storage.execute(per_user).limit(3).fetchall()
    storage.get_schema("events")


def fail(storage: StorageEngine) -> None:
    """Load what cannot be loaded, and ask what cannot be asked."""
    with suppress(MixpanelDataError):
        storage.append_events_table("events", [*make_events(ROWS), {"event_name": 1}], EVENTS)
    with suppress(MixpanelDataError):
        storage.create_events_table("broken", [make_event(event_time="soon")], EVENTS)
    with suppress(MixpanelDataError):
        storage.execute_rows("SELECT nope FROM events")


def use_sessions(storage: StorageEngine) -> None:
    """Read, add and delete through the ORM, once to keep and once to roll back."""
    user = storage.model("kept")
    for finish in ("commit", "rollback"):
        with storage.session() as session:
            session.add(user(distinct_id=f"new-{finish}", properties={"a": 1}))
            session.flush()
            assert session.scalar(select(func.count()).select_from(user)) == ROWS + 1
            session.delete(session.get(user, f"new-{finish}"))
            getattr(session, finish)()


def write_export(path: Path) -> None:
    """Write an export file, some lines of which only Python can read."""
    lines = [
        {"event": "Sign Up", "properties": {"time": 1735689600 + n, "distinct_id": n, "n": n}}
        if n % 10 == 0
        else {
            "event": "Page View",
            "properties": {"time": 1735689600 + n, "distinct_id": "u", "$insert_id": f"id-{n}"},
        }
        for n in range(ROWS)
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))


def grown(samples: list[Sample]) -> list[str]:
    """Return what has grown beyond its limit."""
    third = len(samples) // 3
    found = []
    for field in Sample._fields:
        before, after = (
            statistics.median(getattr(sample, field) for sample in part)
            for part in (samples[third : 2 * third], samples[2 * third :])
        )
        if after - before > getattr(LIMITS, field):
            found.append(f"{field} grew from {before:,.0f} to {after:,.0f}")
    return found


def main() -> int:
    """Run for the minutes given; return 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    samples: list[Sample] = []
    started, rounds = time.monotonic(), 0
    every = options.minutes * 60 / 30
    with tempfile.TemporaryDirectory() as folder:
        path, export = Path(folder) / "soak.db", Path(folder) / "export.jsonl.gz"
        write_export(export)
        print(
            f"{'seconds':>8} {'rounds':>7} {'RSS MiB':>8} {'fds':>4} {'threads':>8} {'file MiB':>9}"
        )
        while (passed := time.monotonic() - started) < options.minutes * 60 or len(samples) < 30:
            work(path, export, chance)
            rounds += 1
            if passed >= len(samples) * every:
                samples.append(sample := Sample.of(path))
                print(
                    f"{passed:8.0f} {rounds:7} {sample.rss / MIB:8.1f} {sample.descriptors:4} "
                    f"{sample.threads:8} {sample.file_size / MIB:9.2f}",
                    flush=True,
                )
    for problem in (problems := grown(samples)):
        print(problem)
    print(f"{rounds} rounds, {'grown' if problems else 'nothing grew'}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
