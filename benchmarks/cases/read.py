"""Queries and inspection, each beside DuckDB's own client doing the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.case import Run, case
from benchmarks.cases.common import WARM_UP_ROWS, load_with_engine, metadata
from benchmarks.events import records, unique_count

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy import Engine, Select

    from mixpanel_data import StorageEngine

FEW = 10_000
TABLES = 100

ALL_ROWS = "SELECT * FROM events"
FEW_ROWS = f"SELECT * FROM events LIMIT {FEW}"
COUNT = "SELECT count(DISTINCT insert_id) FROM events WHERE event_time >= ?"
SINCE = ["2025-01-01"]


@dataclass(frozen=True)
class Query:
    """A question to an open database, in two ways; both return a number to be checked.

    Attributes:
        ours: Asks our engine.
        plain: Asks a DuckDB connection.
        expected: The right number, given the rows of the table.
        laps: How often it is timed.
        database: The file.
    """

    ours: Callable[[StorageEngine], int]
    plain: Callable[[duckdb.DuckDBPyConnection], int]
    expected: Callable[[int], int]
    laps: int = 20
    database: str = "events.db"


def _few(rows: int) -> int:
    return min(FEW, unique_count(rows))


def _select_few() -> Select[Any]:
    from sqlalchemy import column, select, table

    names = ("event_name", "event_time", "distinct_id", "insert_id", "properties")
    return select(table("events", *map(column, names))).limit(FEW)


def _session_rows(storage: StorageEngine) -> int:
    with storage.session() as session:
        return len(session.execute(_select_few()).all())


def _plain_tables(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute(
        "SELECT table_name, type FROM duckdb_tables() JOIN _metadata USING (table_name)"
    ).fetchall()
    counts = " UNION ALL ".join(f'SELECT count(*) FROM "{name}"' for name, _ in found)
    return len(connection.execute(counts).fetchall())


SESSION = f"session, select with LIMIT {FEW:,}"

QUERIES = {
    "execute_df, all rows": Query(
        lambda storage: len(storage.execute_df(ALL_ROWS)),
        lambda connection: len(connection.execute(ALL_ROWS).df()),
        unique_count,
        laps=5,
    ),
    f"execute_rows, LIMIT {FEW:,}": Query(
        lambda storage: len(storage.execute_rows(FEW_ROWS)),
        lambda connection: len(connection.execute(FEW_ROWS).fetchall()),
        _few,
    ),
    "execute_scalar, count with a parameter": Query(
        lambda storage: int(storage.execute_scalar(COUNT, SINCE)),
        lambda connection: int(connection.execute(COUNT, SINCE).fetchall()[0][0]),
        unique_count,
    ),
    "execute_scalar, SELECT 1": Query(
        lambda storage: int(storage.execute_scalar("SELECT 1")),
        lambda connection: int(connection.execute("SELECT 1").fetchall()[0][0]),
        lambda rows: 1,
        laps=200,
    ),
    SESSION: Query(
        _session_rows,
        lambda connection: len(connection.execute(FEW_ROWS).fetchall()),
        _few,
    ),
    f"list_tables, {TABLES} tables": Query(
        lambda storage: len(storage.list_tables()),
        _plain_tables,
        lambda rows: TABLES,
        database="tables.db",
    ),
}
QUERY_GROUPS = {name: {"name": name} for name in QUERIES}


def make_databases(run: Run, name: str) -> None:
    from mixpanel_data import StorageEngine

    path = run.shared / QUERIES[name].database
    if path.exists():
        return
    if path.name == "events.db":
        load_with_engine(path, records("small", run.rows))
        return
    with StorageEngine(path) as storage:
        for number in range(TABLES):
            events = records("small", WARM_UP_ROWS)
            storage.create_events_table(f"events_{number}", events, metadata())


def time_laps(run: Run, ask: Callable[[], int], laps: int, expected: int) -> None:
    """Time a question after one that does not count."""
    run.expect(ask(), expected)
    for _ in range(laps):
        with run.timed():
            answer = ask()
        run.expect(answer, expected)


@case("read", "DuckDB's client", groups=QUERY_GROUPS, role="floor", prepare=make_databases)
def plain_query(run: Run, name: str) -> None:
    import duckdb

    query = QUERIES[name]
    with duckdb.connect(str(run.shared / query.database)) as connection:
        time_laps(run, lambda: query.plain(connection), query.laps, query.expected(run.rows))


@case("read", "**mixpanel_data**", groups=QUERY_GROUPS, role="ours", prepare=make_databases)
def our_query(run: Run, name: str) -> None:
    from mixpanel_data import StorageEngine

    query = QUERIES[name]
    with StorageEngine.open_existing(run.shared / query.database) as storage:
        time_laps(run, lambda: query.ours(storage), query.laps, query.expected(run.rows))


@case(
    "read",
    "SQLAlchemy over plain duckdb-engine",
    groups={SESSION: {"name": SESSION}},
    prepare=make_databases,
)
def plain_session(run: Run, name: str) -> None:
    from sqlalchemy import create_engine

    query = QUERIES[name]
    engine: Engine = create_engine(f"duckdb:///{run.shared / query.database}")
    time_laps(run, lambda: _engine_rows(engine), query.laps, query.expected(run.rows))
    engine.dispose()


def _engine_rows(engine: Engine) -> int:
    from sqlalchemy.orm import Session

    with Session(engine) as session:
        return len(session.execute(_select_few()).all())
