"""What becomes of time and memory when there are more rows."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator

import orjson

from benchmarks.case import Groups, Run, case
from benchmarks.cases.common import (
    WARM_UP_ROWS,
    count_events,
    load_with_engine,
    metadata,
    timed_load,
    with_text,
)
from benchmarks.events import Record, records, unique_count

SIZES = {f"create, {times} N": {"times": times} for times in (1, 2, 5, 10)}

APPENDS = 10
APPEND: Groups = {f"{APPENDS} appends to N": {}}


@case("growth", "floor: produce and orjson.dumps each record", groups=SIZES, role="floor")
def floor(run: Run, times: int) -> None:
    run.rows *= times
    with run.timed():
        deque(map(orjson.dumps, records("small", run.rows)), maxlen=0)


@case("growth", "**mixpanel_data**, primary_key=False", groups=SIZES, role="ours")
def create(run: Run, times: int) -> None:
    run.rows *= times
    timed_load(
        run,
        lambda database, data: load_with_engine(database, data, primary_key=False),
        records("small", WARM_UP_ROWS),
        records("small", run.rows),
    )
    run.expect(count_events(run.database), unique_count(run.rows))


def _make_base(run: Run) -> None:
    for primary_key in (False, True):
        path = run.shared / _base_name(primary_key)
        load_with_engine(path, records("small", run.rows), primary_key=primary_key)


def _base_name(primary_key: bool) -> str:
    return "base-with-key.db" if primary_key else "base.db"


def _take_base(run: Run, primary_key: bool) -> None:
    """Copy the table that is appended to, and make the run one of appends."""
    shutil.copy(run.shared / _base_name(primary_key), run.database)
    run.rows //= 2 * APPENDS


def _portions(base_rows: int, rows: int) -> Iterator[Iterator[Record]]:
    for number in range(APPENDS):
        yield records("small", rows, first=base_rows + number * rows)


def _tell_laps(run: Run) -> None:
    run.note = "ms each: " + " ".join(f"{lap * 1000:.0f}" for lap in run.laps)


@case("growth", "floor: produce and orjson.dumps each record", groups=APPEND, role="floor")
def append_floor(run: Run) -> None:
    base_rows = run.rows
    run.rows //= 2 * APPENDS
    for portion in _portions(base_rows, run.rows):
        with run.timed():
            deque(map(orjson.dumps, portion), maxlen=0)


@case(
    "growth",
    "**mixpanel_data**, primary_key=False",
    groups=APPEND,
    role="ours",
    prepare=_make_base,
)
def append(run: Run) -> None:
    _append(run, primary_key=False)


@case("growth", "**mixpanel_data**, with key", groups=APPEND, prepare=_make_base)
def append_with_key(run: Run) -> None:
    _append(run, primary_key=True)


def _append(run: Run, *, primary_key: bool) -> None:
    from mixpanel_data import StorageEngine

    base_rows = run.rows
    _take_base(run, primary_key)
    load_with_engine(run.folder / "trial.db", records("small", WARM_UP_ROWS))
    for portion in _portions(base_rows, run.rows):
        with run.timed(), StorageEngine(run.database) as storage:
            storage.append_events_table("events", portion, metadata())
    _tell_laps(run)
    run.expect(count_events(run.database), unique_count(base_rows + APPENDS * run.rows))


@case(
    "growth",
    "DuckDB INSERT OR IGNORE from a pandas frame, key",
    groups=APPEND,
    prepare=_make_base,
)
def append_frame(run: Run) -> None:
    import duckdb
    import pandas as pd

    base_rows = run.rows
    _take_base(run, primary_key=True)
    pd.DataFrame(with_text(records("small", WARM_UP_ROWS)))
    for portion in _portions(base_rows, run.rows):
        with run.timed(), duckdb.connect(str(run.database)) as connection:
            connection.register("frame", pd.DataFrame(with_text(portion)))
            connection.execute("INSERT OR IGNORE INTO events SELECT * FROM frame")
    _tell_laps(run)
    run.expect(count_events(run.database), unique_count(base_rows + APPENDS * run.rows))
