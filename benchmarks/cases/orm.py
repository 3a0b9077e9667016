"""An application with mapped classes, on our dialect and on plain duckdb-engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.case import Run, case
from benchmarks.cases.common import WARM_UP_ROWS, count_events, load_with_engine
from benchmarks.events import Record, records, unique_count

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OURS, STOCK = "duckdb+mixpanel", "duckdb"
INSERT = "insert"
TIMES = 10

COLUMNS = "event_name, event_time, distinct_id, insert_id"
READS = {
    "read, without documents": {"columns": COLUMNS, "parse": False},
    "read, with documents": {"columns": f"{COLUMNS}, properties", "parse": False},
    "read, documents parsed": {"columns": f"{COLUMNS}, properties", "parse": True},
}


def _model() -> Any:
    from sqlalchemy.orm import DeclarativeBase

    from mixpanel_data import EventMixin

    class Base(DeclarativeBase):
        pass

    class Event(EventMixin, Base):
        __tablename__ = "events"

    return Event


def _add_all(session: Any, model: Any, rows: list[Record]) -> None:
    session.add_all([model(**row) for row in rows])


def _insert(session: Any, model: Any, rows: list[Record]) -> None:
    from sqlalchemy import insert

    session.execute(insert(model), rows)


def _core(session: Any, model: Any, rows: list[Record]) -> None:
    from sqlalchemy import insert

    session.connection().execute(insert(model.__table__), rows)


def _row_wise(session: Any, model: Any, rows: list[Record]) -> None:
    dumped = [(*list(row.values())[:4], orjson.dumps(row["properties"]).decode()) for row in rows]
    statement = f"INSERT INTO events ({COLUMNS}, properties) VALUES ($1, $2, $3, $4, $5)"
    session.connection().exec_driver_sql(statement, dumped)


def _time_insert(
    run: Run, dialect: str, put: Callable[[Any, Any, list[Record]], None], *, writes: bool = True
) -> None:
    from sqlalchemy import create_engine, event
    from sqlalchemy.orm import Session

    model = _model()

    def store(database: Path, rows: Iterable[Record]) -> None:
        engine = create_engine(f"{dialect}:///{database}")
        if not writes:
            event.listen(engine, "do_executemany", lambda *_: True)
        with Session(engine) as session:
            put(session, model, list(rows))
            session.commit()
        engine.dispose()

    for database, count in ((run.folder / "trial.db", 10 * WARM_UP_ROWS), (run.database, run.rows)):
        load_with_engine(database, [])
        rows = _unique(count)
        if count == run.rows:
            with run.timed():
                store(database, rows)
        else:
            store(database, rows)
    run.expect(count_events(run.database), len(rows) if writes else 0)


def _unique(count: int) -> list[Record]:
    """Records whose ids are all different; a session refuses the others."""
    return list({row["insert_id"]: row for row in records("small", count)}.values())


for _dialect, _name in ((STOCK, "stock duckdb-engine"), (OURS, "**mixpanel_data**")):
    for _put, _label, _sample in (
        (_add_all, "session.add_all(objects)", None),
        (_insert, "session.execute(insert(Model), rows)", None),
        (_core, "connection.execute(insert(table), rows)", None),
        (_row_wise, "executemany of the driver", 10_000),
    ):
        _case = partial(_time_insert, dialect=_dialect, put=_put)
        _case.__name__ = f"{_dialect}{_put.__name__}"  # type: ignore[attr-defined]
        _role = {(STOCK, _add_all): "floor", (OURS, _insert): "ours"}.get((_dialect, _put))
        case(
            "orm",
            f"{_name}, {_label}",
            groups={INSERT: {}},
            role=_role,  # type: ignore[arg-type]
            sample=_sample if _dialect == STOCK else None,
        )(_case)


for _put, _label in (
    (_add_all, "session.add_all(objects)"),
    (_insert, "session.execute(insert(Model), rows)"),
    (_core, "connection.execute(insert(table), rows)"),
):
    _case = partial(_time_insert, dialect=OURS, put=_put, writes=False)
    _case.__name__ = f"nothing{_put.__name__}"  # type: ignore[attr-defined]
    case("orm", f"SQLAlchemy alone, rows thrown away, {_label}", groups={INSERT: {}})(_case)


def _make(run: Run, columns: str, parse: bool) -> None:
    path = run.shared / "read.db"
    if not path.exists():
        load_with_engine(path, records("small", TIMES * run.rows))


def _time_read(run: Run, read: Callable[[], int]) -> None:
    run.rows *= TIMES
    for _ in range(3):
        with run.timed():
            found = read()
        run.expect(found, unique_count(run.rows))


def _fetched(connection: DuckDBPyConnection, query: str, parse: bool) -> list[Any]:
    rows = connection.execute(query).fetchall()
    return [(*row[:-1], orjson.loads(row[-1])) for row in rows] if parse else rows


@case("orm", "DuckDB's client, fetchall()", groups=READS, role="floor", prepare=_make)
def client(run: Run, columns: str, parse: bool) -> None:
    import duckdb

    query = f"SELECT {columns} FROM events"
    with duckdb.connect(str(run.shared / "read.db")) as connection:

        def read() -> int:
            return len(_fetched(connection, query, parse))

        _time_read(run, read)


@case("orm", "the same, made into SQLAlchemy's rows", groups=READS, prepare=_make)
def client_rows(run: Run, columns: str, parse: bool) -> None:
    import duckdb
    from sqlalchemy.engine import IteratorResult
    from sqlalchemy.engine.result import SimpleResultMetaData

    names = SimpleResultMetaData(columns.split(", "))
    query = f"SELECT {columns} FROM events"
    with duckdb.connect(str(run.shared / "read.db")) as connection:

        def read() -> int:
            return len(IteratorResult(names, iter(_fetched(connection, query, parse))).fetchall())

        _time_read(run, read)


def _time_core(run: Run, dialect: str, columns: str, parse: bool, *, iterate: bool) -> None:
    from sqlalchemy import String, create_engine, select, type_coerce

    from mixpanel_data.schema.tables import managed_table

    table = managed_table("events", "events")
    chosen: list[Any] = [table.c[name] for name in columns.split(", ")]
    if not parse:
        chosen = [type_coerce(c, String) if c.name == "properties" else c for c in chosen]
    engine = create_engine(f"{dialect}:///{run.shared / 'read.db'}")
    with engine.connect() as connection:

        def read() -> int:
            result = connection.execute(select(*chosen))
            return sum(1 for _ in result) if iterate else len(result.fetchall())

        _time_read(run, read)
    engine.dispose()


@case("orm", "**mixpanel_data**, Core, fetchall()", groups=READS, role="ours", prepare=_make)
def ours_all(run: Run, columns: str, parse: bool) -> None:
    _time_core(run, OURS, columns, parse, iterate=False)


@case("orm", "**mixpanel_data**, Core, one by one", groups=READS, prepare=_make)
def ours_one(run: Run, columns: str, parse: bool) -> None:
    _time_core(run, OURS, columns, parse, iterate=True)


@case("orm", "stock duckdb-engine, Core, fetchall()", groups=READS, prepare=_make)
def stock_all(run: Run, columns: str, parse: bool) -> None:
    _time_core(run, STOCK, columns, parse, iterate=False)
