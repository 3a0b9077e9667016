"""Columns of their own for properties, what looks at properties, and data out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.case import Run, case
from benchmarks.cases.common import WARM_UP_ROWS, load_with_engine, metadata
from benchmarks.cases.read import time_laps
from benchmarks.events import records, unique_count

if TYPE_CHECKING:
    import duckdb

    from mixpanel_data import StorageEngine

TEN = [
    *("$browser", "$city", "$region", "$os", "session_id", "Plan Name"),
    *("price", "quantity", "$screen_height", "coupon"),
]
LAPS = 10

JSON_PATH = "properties->>'$.\"$browser\"'"
GROUPED = "SELECT {key}, count(*) FROM {table} GROUP BY 1"
ALL_ROWS = "SELECT * FROM events"

#: The same columns in a table that somebody makes by hand, without documents.
FLATTENED = """
CREATE TABLE flat AS SELECT event_name, event_time, distinct_id, insert_id,
    properties->>'$."$browser"' AS browser, properties->>'$."$city"' AS city
FROM events
"""


def job(name: str) -> dict[str, dict[str, Any]]:
    """Return the one group of a case."""
    return {name: {}}


def make_database(run: Run) -> None:
    """Make a database whose table has a column for one property, and a flat table."""
    from mixpanel_data import StorageEngine

    path = run.shared / "properties.db"
    if not path.exists():
        with StorageEngine(path) as storage:
            events = records("rich", run.rows)
            storage.create_events_table("events", events, metadata(), property_columns=["$browser"])
            storage.execute_rows(FLATTENED)


def opened(run: Run) -> StorageEngine:
    """Open the shared database with our engine."""
    from mixpanel_data import StorageEngine

    return StorageEngine.open_existing(run.shared / "properties.db", read_only=True)


def opened_by_duckdb(run: Run) -> duckdb.DuckDBPyConnection:
    """Open the shared database with DuckDB's client."""
    import duckdb

    return duckdb.connect(str(run.shared / "properties.db"), read_only=True)


GROUP_BY = job("group by a property")


@case(
    "properties",
    "DuckDB, a table flattened by hand",
    groups=GROUP_BY,
    role="floor",
    prepare=make_database,
)
def group_flat(run: Run) -> None:
    with opened_by_duckdb(run) as connection:
        sql = GROUPED.format(key="browser", table="flat")
        time_laps(run, lambda: sum(n for _, n in connection.sql(sql).fetchall()), LAPS, total(run))


@case(
    "properties",
    "**mixpanel_data**, property column",
    groups=GROUP_BY,
    role="ours",
    prepare=make_database,
)
def group_column(run: Run) -> None:
    _group(run, '"$browser"')


@case("properties", "… path into the documents", groups=GROUP_BY, prepare=make_database)
def group_json(run: Run) -> None:
    _group(run, JSON_PATH)


def _group(run: Run, key: str) -> None:
    sql = GROUPED.format(key=key, table="events")
    with opened(run) as storage:
        time_laps(run, lambda: sum(n for _, n in storage.execute_rows(sql)), LAPS, total(run))


def total(run: Run) -> int:
    """Return how many rows the table has."""
    return unique_count(run.rows)


STATS = job("property_stats of a text")


@case("properties", "without a column", groups=STATS, role="floor", prepare=make_database)
def stats_of_documents(run: Run) -> None:
    _stats(run, "$os")


@case("properties", "with a column", groups=STATS, role="ours", prepare=make_database)
def stats_of_column(run: Run) -> None:
    _stats(run, "$browser")


def _stats(run: Run, name: str) -> None:
    with opened(run) as storage:
        look = storage.property_stats
        time_laps(run, lambda: look("events", name).defined_count, LAPS, total(run))


COVERAGE = job("property_coverage of all properties")


@case("properties", "exact", groups=COVERAGE, role="floor", prepare=make_database)
def coverage_exact(run: Run) -> None:
    _cover(run, {"exact": True})


@case("properties", "a tenth of the rows", groups=COVERAGE, role="ours", prepare=make_database)
def coverage_sampled(run: Run) -> None:
    _cover(run, {"exact": False, "sample_rows": max(1, run.rows // 10)})


def _cover(run: Run, options: dict[str, Any]) -> None:
    with opened(run) as storage:
        look = storage.property_coverage
        time_laps(run, lambda: len(look("events", **options).coverage), 3, 23)


LOAD = job("load, with ten property columns")
ADD = job("add ten property columns")


@case("properties", "a load without them", groups=LOAD | ADD, role="floor")
def load_plain(run: Run) -> None:
    _load(run, [])


@case("properties", "**mixpanel_data**, a load with ten", groups=LOAD, role="ours")
def load_ten(run: Run) -> None:
    _load(run, TEN)


def _load(run: Run, columns: list[str]) -> None:
    from mixpanel_data import StorageEngine

    load_with_engine(run.folder / "trial.db", records("rich", WARM_UP_ROWS))
    with run.timed(), StorageEngine(run.database) as storage:
        events = records("rich", run.rows)
        storage.create_events_table("events", events, metadata(), property_columns=columns)


@case("properties", "**mixpanel_data**, add_property_columns", groups=ADD, role="ours")
def add_ten(run: Run) -> None:
    from mixpanel_data import StorageEngine

    trial = run.folder / "trial.db"
    load_with_engine(trial, records("rich", WARM_UP_ROWS))
    with StorageEngine(trial) as storage:
        storage.add_property_columns("events", TEN)
    load_with_engine(run.database, records("rich", run.rows))
    with run.timed(), StorageEngine(run.database) as storage:
        storage.add_property_columns("events", TEN)


ARROW = job("all rows as an Arrow table")


@case("properties", "DuckDB's client", groups=ARROW, role="floor", prepare=make_database)
def arrow_plain(run: Run) -> None:
    with opened_by_duckdb(run) as connection:
        time_laps(
            run, lambda: connection.execute(ALL_ROWS).to_arrow_table().num_rows, 3, total(run)
        )


@case(
    "properties",
    "**mixpanel_data**, execute_arrow",
    groups=ARROW,
    role="ours",
    prepare=make_database,
)
def arrow_ours(run: Run) -> None:
    with opened(run) as storage:
        time_laps(run, lambda: storage.execute_arrow(ALL_ROWS).num_rows, 3, total(run))


EXPORT = job("all rows into a Parquet file")


@case("properties", "DuckDB's COPY, in order", groups=EXPORT, role="floor", prepare=make_database)
def export_plain(run: Run) -> None:
    target = run.folder / "copy.parquet"
    sql = f"COPY (FROM events ORDER BY event_time) TO '{target}' (COMPRESSION zstd)"
    with opened_by_duckdb(run) as connection:
        time_laps(run, lambda: int(connection.execute(sql).fetchall()[0][0]), 3, total(run))


@case("properties", "**mixpanel_data**, export", groups=EXPORT, role="ours", prepare=make_database)
def export_ours(run: Run) -> None:
    target = run.folder / "export.parquet"
    with opened(run) as storage:
        time_laps(run, lambda: storage.export("events", target, overwrite=True), 3, total(run))
