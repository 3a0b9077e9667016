"""A lake beside a file, many loaders beside one, and what layout and maintenance are good for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.case import Groups, Run, case, peak_memory
from benchmarks.cases.common import WARM_UP_ROWS, metadata
from benchmarks.cases.read import time_laps
from benchmarks.events import START, Record, records, unique_count, write_export
from benchmarks.lakes import bytes_of, copy_lake, new_lake, shared_lake

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from mixpanel_data import Lake, StorageEngine

#: How events come: made one by one, or in files of Mixpanel's export.
SOURCES = ("records", "export files")

LOADERS = 4


def _groups(job: str) -> Groups:
    return {f"{job}, {source}": {"source": source} for source in SOURCES}


def _export(run: Run, part: int, parts: int) -> Path:
    return run.shared / f"{part}-of-{parts}.jsonl"


def _make_exports(run: Run, source: str) -> None:
    """Write all events into one file, and into one for each of several loaders."""
    if source == "records":
        return
    for parts in (1, LOADERS):
        rows = run.rows // parts
        for part in range(parts):
            path = _export(run, part, parts)
            if not path.exists():
                write_export(path, "rich", rows, first=part * rows)


def _data(run: Run, source: str, part: int = 0, parts: int = 1) -> Any:
    rows = run.rows // parts
    if source == "records":
        return records("rich", rows, first=part * rows)
    return _export(run, part, parts)


def _load(storage: StorageEngine, data: Any, **options: Any) -> None:
    if isinstance(data, Path):
        storage.load_events_export("events", data, metadata(), **options)
    else:
        storage.create_events_table("events", data, metadata(), **options)


def _warm_up(target: Path | Lake, table: str = "trial") -> None:
    """Create the database with a table of a few events."""
    from mixpanel_data import StorageEngine

    with StorageEngine(target) as storage:
        storage.create_events_table(table, records("rich", WARM_UP_ROWS), metadata())


def _expect_rows(run: Run, target: Path | Lake, rows: int) -> None:
    from mixpanel_data import StorageEngine

    with StorageEngine(target, read_only=True) as storage:
        run.expect(storage.execute_scalar("SELECT count(*) FROM events"), rows)


LOAD = _groups("load")


@case("lake", "into a DuckDB file", groups=LOAD, role="floor", prepare=_make_exports)
def load_file(run: Run, source: str) -> None:
    _load_into(run, run.database, source)


@case("lake", "**mixpanel_data**, into a lake", groups=LOAD, role="ours", prepare=_make_exports)
def load_lake(run: Run, source: str) -> None:
    folder = run.folder / "lake"
    _load_into(run, new_lake(folder), source)
    run.size = bytes_of(folder)


def _load_into(run: Run, target: Path | Lake, source: str) -> None:
    from mixpanel_data import StorageEngine

    _warm_up(target)
    with run.timed(), StorageEngine(target) as storage:
        _load(storage, _data(run, source))
    _expect_rows(run, target, unique_count(run.rows))


LOADING = _groups("load into one table")


@case("lake", "1 loader with one thread", groups=LOADING, role="floor", prepare=_make_exports)
def load_by_one(run: Run, source: str) -> None:
    _load_by(run, source, 1, {"threads": 1})


@case("lake", "1 loader with its defaults", groups=LOADING, prepare=_make_exports)
def load_by_one_with_defaults(run: Run, source: str) -> None:
    _load_by(run, source, 1, {})


@case("lake", f"{LOADERS} loaders", groups=LOADING, role="ours", prepare=_make_exports)
def load_by_many(run: Run, source: str) -> None:
    _load_by(run, source, LOADERS, {})


def _load_by(run: Run, source: str, loaders: int, config: dict[str, Any]) -> None:
    """Time how long processes take that share the events, after each has opened the lake once."""
    import multiprocessing

    lake = new_lake(run.folder / "lake")
    _warm_up(lake, "events")
    context = multiprocessing.get_context("spawn")
    with ExitStack() as ended:
        pipes = []
        for number in range(loaders):
            ours, theirs = context.Pipe()
            work = (run, source, number, loaders, lake.database, config, theirs)
            process = context.Process(target=_be_loader, args=work)
            process.start()
            ended.callback(process.join)
            theirs.close()
            pipes.append(ours)
            run.expect(ours.recv(), "ready")
        with run.timed():
            for pipe in pipes:
                pipe.send("go")
            for pipe in pipes:
                run.expect(pipe.recv(), "done")
    run.peak = peak_memory()
    run.size = bytes_of(run.folder / "lake")
    _expect_rows(run, lake, unique_count(run.rows))


def _be_loader(
    run: Run,
    source: str,
    number: int,
    loaders: int,
    database: str,
    config: dict[str, Any],
    pipe: Connection,
) -> None:
    from tests.lake.lakes import lake_in

    from mixpanel_data import StorageEngine

    lake = lake_in(database, run.folder / "lake")
    _warm_up(lake, f"trial_{number}")
    pipe.send("ready")
    pipe.recv()
    with StorageEngine(lake, config=config) as storage:
        _load(storage, _data(run, source, number, loaders), if_exists="append")
    pipe.send("done")


LOCK = {"a new table": {"before": 0}, "a table of N rows": {"before": 1}}
LOCK_GROUPS: Groups = {f"load into {where}": options for where, options in LOCK.items()}


@case("lake", "the load", groups=LOCK_GROUPS, role="floor")
def whole_load(run: Run, before: int) -> None:
    _hold(run, before)


@case("lake", "the lock of its table, held", groups=LOCK_GROUPS, role="ours")
def held_lock(run: Run, before: int) -> None:
    held = _hold(run, before)
    run.note = f"{held / run.seconds:.3f} of this very load"
    run.laps = [held]


def _hold(run: Run, before: int) -> float:
    """Time a load, and return for how long it held the lock of its table."""
    from mixpanel_data import StorageEngine

    lake = new_lake(run.folder / "lake")
    _warm_up(lake)
    first = before * run.rows
    if first:
        with StorageEngine(lake) as storage:
            _load(storage, records("rich", first))
    with _timed_locks() as held, run.timed(), StorageEngine(lake) as storage:
        _load(storage, records("rich", run.rows, first=first), if_exists="append")
    _expect_rows(run, lake, unique_count(first + run.rows))
    run.expect(len(held), 1)
    return held[0]


@contextmanager
def _timed_locks() -> Iterator[list[float]]:
    """Note for how long the lock of a table is held, from getting it until it has been let go."""
    from mixpanel_data.dialect.lake.locks import Locks

    of_table = Locks.of_table
    held: list[float] = []

    @contextmanager
    def timed(self: Locks, name: str) -> Iterator[None]:
        with ExitStack() as lock:
            lock.enter_context(of_table(self, name))
            started = perf_counter()
            yield
        held.append(perf_counter() - started)

    Locks.of_table = timed  # type: ignore[method-assign]
    try:
        yield held
    finally:
        Locks.of_table = of_table  # type: ignore[method-assign]


#: The time over which the events of the queries are spread, 24 months, and a month of it.
SPAN = timedelta(days=730)
MONTH = [datetime(2026, 6, 1), datetime(2026, 7, 1)]

QUERIES = {
    "columns": "count(DISTINCT distinct_id)",
    "a property": "sum(CAST(properties->>'$.price' AS DOUBLE))",
}
QUERY_GROUPS: Groups = {f"group by name, {what}": {"what": what} for what in QUERIES}
RANGE = "WHERE event_time >= ? AND event_time < ?"


def _spread(rows: int) -> Iterator[Record]:
    """Yield events from all of the 24 months; one that is repeated has the same time again."""
    seconds = int(SPAN.total_seconds()) // rows
    for event in records("rich", rows):
        yield {**event, "event_time": START + (event["event_time"] - START) * seconds}


def _make_months(run: Run, what: str) -> None:
    from mixpanel_data import StorageEngine

    with StorageEngine(shared_lake(run, "months")) as storage:
        _load(storage, _spread(run.rows))


@case("lake", "all 24 months", groups=QUERY_GROUPS, role="floor", prepare=_make_months)
def query_all(run: Run, what: str) -> None:
    _query(run, what)


@case("lake", "one month of them", groups=QUERY_GROUPS, role="ours", prepare=_make_months)
def query_month(run: Run, what: str) -> None:
    _query(run, what, RANGE, MONTH)


def _query(run: Run, what: str, where: str = "", values: list[datetime] | None = None) -> None:
    from mixpanel_data import StorageEngine

    sql = f"SELECT event_name, count(*), {QUERIES[what]} FROM events {where} GROUP BY 1"
    with StorageEngine(copy_lake(run, "months"), read_only=True) as storage:
        count = storage.execute_scalar(f"SELECT count(*) FROM events {where}", values)
        time_laps(run, lambda: sum(row[1] for row in storage.execute_rows(sql, values)), 20, count)


FILES = 1_000
APPENDS = 10
APPEND: Groups = {f"{APPENDS} appends to N rows": {}}


def _make_many_files(run: Run) -> None:
    """Make a table of one file, one of a thousand, and a copy of this one to maintain."""
    from mixpanel_data import StorageEngine

    with StorageEngine(shared_lake(run, "one")) as storage:
        _load(storage, records("rich", run.rows))
        run.expect(len(storage.data_files("events")), 1)
    with StorageEngine(shared_lake(run, "many")) as storage:
        storage.create_events_table("source", records("rich", run.rows), metadata())
        _load(storage, [])
        _insert_file_by_file(storage, unique_count(run.rows) // FILES)
        storage.drop_table("source")
        run.expect(len(storage.data_files("events")), FILES)
    with StorageEngine(copy_lake(run, "many", "maintained")) as storage:
        storage.maintain()


def _insert_file_by_file(storage: StorageEngine, rows: int) -> None:
    """Insert the events a few at a time; a thousand loads would take a quarter of an hour."""
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TEMP TABLE numbered AS "
            "SELECT *, (row_number() OVER (ORDER BY event_time) - 1) AS number FROM source"
        )
        for number in range(FILES):
            last = (number + 1) * rows if number < FILES - 1 else None
            until = "" if last is None else f"AND number < {last}"
            connection.exec_driver_sql(
                "INSERT INTO events SELECT * EXCLUDE (number) FROM numbered "
                f"WHERE number >= {number * rows} {until}"
            )


@case("lake", "into one file", groups=APPEND, role="floor", prepare=_make_many_files)
def append_to_one(run: Run) -> None:
    _append(run, "one")


@case(
    "lake",
    f"into {FILES:,} files after maintain()",
    groups=APPEND,
    role="ours",
    prepare=_make_many_files,
)
def append_to_maintained(run: Run) -> None:
    _append(run, "maintained")


@case("lake", "… without maintain()", groups=APPEND, prepare=_make_many_files)
def append_to_many(run: Run) -> None:
    _append(run, "many")


def _append(run: Run, name: str) -> None:
    from mixpanel_data import StorageEngine

    lake = copy_lake(run, name)
    before = run.rows
    run.rows //= 10 * APPENDS
    with StorageEngine(lake) as storage:
        files = len(storage.data_files("events"))
        for number in range(APPENDS):
            data = records("rich", run.rows, first=before + number * run.rows)
            with run.timed():
                _load(storage, data, if_exists="append")
    run.note = f"{files:,} files; ms each: " + " ".join(f"{lap * 1000:.0f}" for lap in run.laps)
    _expect_rows(run, lake, unique_count(before + APPENDS * run.rows))
