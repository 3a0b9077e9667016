"""The driver is a PEP 249 module whose cursors also have DuckDB's own methods."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from mixpanel_data.dialect.driver import module
from tests.engines import open_engine

MANY = "SELECT range AS n FROM range(10000)"
TYPED = """SELECT 1::UTINYINT AS small, 1.50::DECIMAL(10,2) AS price, 'a' AS word,
    DATE '2025-01-31' AS day, TIMESTAMP '2025-01-31 12:00:00.123456' AS at, true AS yes,
    'x'::BLOB AS raw, [1, 2]::INTEGER[] AS list, {'a': 1} AS struct, NULL::DOUBLE AS gap,
    'd3b07384-d113-4ec9-9c2b-1b1d9a1b2c3d'::UUID AS id, INTERVAL 1 DAY AS span
"""


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database in memory."""
    with open_engine() as engine:
        yield engine


@pytest.fixture
def raw() -> Iterator[Any]:
    """A connection of the driver, without SQLAlchemy."""
    connection = module.connect()
    yield connection
    connection.close()


def test_the_module_has_the_names_of_pep_249() -> None:
    assert (module.apilevel, module.threadsafety, module.paramstyle) == (
        "2.0",
        1,
        "numeric_dollar",
    )
    assert issubclass(module.InterfaceError, module.Error)
    assert issubclass(module.DataError, module.DatabaseError)
    assert issubclass(module.Warning, Exception)
    assert module.Date(2025, 1, 31).isoformat() == "2025-01-31"
    assert module.Timestamp(2025, 1, 31, 12) == datetime(2025, 1, 31, 12)
    local = datetime.fromtimestamp(86_400)
    assert module.TimestampFromTicks(86_400) == local
    assert module.DateFromTicks(86_400) == local.date()
    assert module.TimeFromTicks(86_400) == local.time()
    assert module.Binary(bytearray(b"ab")) == b"ab"


def test_type_objects_equal_the_type_codes_of_their_types(raw: Any) -> None:
    kinds = {
        "small": module.NUMBER,
        "price": module.NUMBER,
        "word": module.STRING,
        "day": module.DATETIME,
        "at": module.DATETIME,
        "raw": module.BINARY,
        "gap": module.NUMBER,
        "span": module.DATETIME,
    }
    found = {name: code for name, code, *_ in raw.execute(TYPED).description}
    every = {module.STRING, module.BINARY, module.NUMBER, module.DATETIME, module.ROWID}
    for name, kind in kinds.items():
        assert found[name] == kind
        assert [other for other in every if other == found[name]] == [kind]
    assert raw.execute("SELECT 1.5::DECIMAL(9,3) AS d").description == [
        ("d", "DECIMAL(9,3)", None, None, 9, 3, None)
    ]
    assert found["struct"].children[0][0] == "a"


def test_a_cursor_is_iterable_and_a_context_manager(raw: Any) -> None:
    with raw.cursor() as cursor:
        assert list(cursor.execute("FROM range(3)")) == [(0,), (1,), (2,)]
        cursor.execute("FROM range($1)", [2])
        assert (next(cursor), next(cursor), next(cursor, None)) == ((0,), (1,), None)
        assert (cursor.nextset(), cursor.lastrowid) == (None, None)
        cursor.setinputsizes([1])
        cursor.setoutputsize(1, 2)
    for use in (cursor.fetchall, cursor.fetchone, lambda: cursor.execute("SELECT 1")):
        with pytest.raises(module.InterfaceError, match="closed"):
            use()


def test_fetching_before_a_statement_is_an_interface_error(raw: Any) -> None:
    cursor = raw.cursor()
    for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall):
        with pytest.raises(module.InterfaceError, match="no rows to fetch"):
            fetch()
    cursor.execute("CREATE TABLE t (i INTEGER)")
    assert (cursor.description, cursor.fetchone(), cursor.fetchall()) == (None, None, [])
    cursor.execute("FROM t")
    assert (cursor.fetchone(), cursor.fetchall()) == (None, [])


def test_empty_parameters_and_none_are_no_parameters(raw: Any) -> None:
    assert raw.execute("SELECT 1", None).fetchall() == [(1,)]
    raw.execute("CREATE TABLE t (i INTEGER)")
    raw.executemany("INSERT INTO t VALUES ($1)", [])
    raw.executemany("INSERT INTO t VALUES ($1)", iter([(1,), (2,)]))
    assert raw.execute("SELECT sum(i) FROM t").fetchone() == (3,)


def test_rows_are_fetched_in_any_of_duckdbs_forms(raw: Any) -> None:
    def run() -> Any:
        return raw.execute("SELECT n::INTEGER AS n FROM range(3) AS r(n)")

    table = pa.table({"n": pa.array([0, 1, 2], pa.int32())})
    assert run().fetch_arrow_table() == run().to_arrow_table() == table
    assert run().fetch_record_batch(2).read_all() == run().arrow().read_all() == table
    sizes = [len(batch) for batch in raw.execute(MANY).fetch_record_batch(6_000)]
    assert (sizes[0], sum(sizes)) == (6_000, 10_000)
    assert pa.table(run()) == table
    assert run().pl().equals(pl.DataFrame(table))
    for frame in (run().df(), run().fetchdf(), run().fetch_df(), run().fetch_df_chunk()):
        assert frame["n"].tolist() == [0, 1, 2]
    assert run().fetchnumpy()["n"].tolist() == [0, 1, 2]


def test_rows_that_are_in_python_already_keep_their_types_in_frames(raw: Any) -> None:
    whole = raw.execute(TYPED).to_arrow_table()
    cursor = raw.execute(TYPED)
    raw.execute("SELECT 1")  # buffers the rows of the other cursor
    assert cursor.to_arrow_table() == whole
    cursor = raw.execute(MANY)
    cursor.fetchone()
    assert cursor.to_arrow_table().num_rows == 9_999
    raw.execute("CREATE TABLE t (i UTINYINT)")
    cursor.executemany("INSERT INTO t VALUES ($1) RETURNING i", [(n,) for n in range(20)])
    assert cursor.to_arrow_table() == pa.table({"i": pa.array(range(20), pa.uint8())})


@pytest.mark.parametrize("end", ["commit", "another statement"])
def test_batches_are_all_read_while_other_statements_run(raw: Any, end: str) -> None:
    raw.begin()
    reader = raw.execute(MANY).fetch_record_batch(3_000)
    assert reader.read_next_batch().num_rows == 3_000
    if end == "commit":
        raw.commit()
    else:
        assert raw.execute("SELECT 42").fetchall() == [(42,)]
    assert reader.read_all().num_rows == 7_000


def test_an_error_within_a_stream_of_batches_is_raised(raw: Any) -> None:
    statement = "SELECT CASE WHEN n < 9000 THEN n ELSE error('late') END FROM range(10000) r(n)"
    with pytest.raises(Exception, match="late"):
        raw.execute(statement).fetch_record_batch(1_000).read_all()


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_chunk_of_rows_outlives_the_connection(engine: Engine, end: str) -> None:
    connection = engine.connect()
    few = connection.execute(text("FROM range(100)"))
    getattr(connection, end)()
    assert len(few.all()) == 100
    connection.close()


def test_the_rest_of_many_rows_is_an_error_after_a_rollback(engine: Engine) -> None:
    with engine.connect() as connection:
        result = connection.execute(text(MANY))
        connection.rollback()
        assert len(result.fetchmany(1_000)) == 1_000
        with pytest.raises(ProgrammingError, match="rolled back before all rows were read"):
            result.all()


def test_rows_outlive_the_connection_of_the_driver() -> None:
    connection = module.connect()
    cursor = connection.execute("FROM range(3)")
    connection.close()
    assert cursor.fetchall() == [(0,), (1,), (2,)]


# polars


#: polars has no type for intervals.
FRAMED = f"SELECT * EXCLUDE (span) FROM ({TYPED})"


def expected() -> pl.DataFrame:
    with duckdb.connect() as plain:
        return pl.DataFrame(plain.sql(FRAMED).to_arrow_table())


def test_polars_reads_exact_types_from_whatever_it_is_given(engine: Engine) -> None:
    frame = expected()
    assert pl.read_database(FRAMED, engine).equals(frame)
    with engine.connect() as connection:
        assert pl.read_database(FRAMED, connection).equals(frame)
        own: Any = connection.connection.driver_connection
        assert pl.read_database(FRAMED, own).equals(frame)
        for batches in (
            pl.read_database(MANY, connection, iter_batches=True, batch_size=3_000),
            pl.read_database(MANY, engine, iter_batches=True, batch_size=3_000),
        ):
            assert sum(map(len, batches)) == 10_000


def test_polars_reads_the_types_of_rows_from_a_session(engine: Engine) -> None:
    query = f"SELECT * EXCLUDE (raw, list, struct, id, span) FROM ({TYPED})"
    frame = expected().select("small", "price", "word", "day", "at", "yes", "gap")
    with Session(engine) as session:
        assert pl.read_database(query, session).schema == frame.schema


def test_polars_binds_parameters(engine: Engine) -> None:
    positional = {"parameters": (41,)}
    named = {"parameters": {"n": 41}}
    with engine.connect() as connection, Session(engine) as session:
        for query, options, source in (
            ("SELECT $1::INTEGER + 1 AS n", positional, connection),
            ("SELECT $1::INTEGER + 1 AS n", positional, engine),
            ("SELECT CAST(:n AS INTEGER) + 1 AS n", named, connection),
            ("SELECT CAST(:n AS INTEGER) + 1 AS n", named, session),
            ("SELECT $n::INTEGER + 1 AS n", named, connection.connection.cursor()),
        ):
            found = pl.read_database(query, source, execute_options=options)
            assert found["n"].to_list() == [42]


# What is DuckDB's own


def test_the_driver_connection_is_duckdbs_own(engine: Engine) -> None:
    raw = engine.raw_connection()
    assert isinstance(raw.driver_connection, duckdb.DuckDBPyConnection)
    assert raw.driver_connection is getattr(raw.dbapi_connection, "_ConnectionWrapper__c")  # noqa: B009
    raw.close()


#: How DuckDB's connection gives the result of its last statement.
WAYS: dict[str, Callable[[Any], Any]] = {
    "fetchall": lambda result: result.fetchall(),
    "fetchone": lambda result: [result.fetchone()],
    "fetchmany": lambda result: result.fetchmany(5),
    "df": lambda result: result.df().to_records(index=False).tolist(),
    "fetchdf": lambda result: result.fetchdf().to_records(index=False).tolist(),
    "pl": lambda result: result.pl().rows(),
    "arrow": lambda result: pl.from_arrow(result.arrow().read_all()).rows(),  # type: ignore[union-attr]
    "fetch_arrow_table": lambda result: pl.from_arrow(result.fetch_arrow_table()).rows(),  # type: ignore[union-attr]
    "fetch_record_batch": lambda result: pl.from_arrow(result.fetch_record_batch()).rows(),  # type: ignore[union-attr]
    "fetchnumpy": lambda result: list(zip(*result.fetchnumpy().values(), strict=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_has_the_result_of_its_last_statement(engine: Engine, way: str) -> None:
    pooled = engine.raw_connection()
    own: Any = pooled.dbapi_connection
    for connection in (pooled, own):
        connection.execute("CREATE OR REPLACE TABLE t AS SELECT 7 AS x, 'a' AS y")
        connection.execute("FROM t")
        other = connection.cursor().execute("FROM range(9)")
        assert [name for name, *_ in connection.description] == ["x", "y"]
        assert WAYS[way](connection) == [(7, "a")]
        assert len(other.fetchall()) == 9
    pooled.close()


def test_a_connection_counts_the_rows_that_its_last_statement_changed(raw: Any) -> None:
    raw.execute("CREATE TABLE t (x INTEGER)")
    assert (raw.fetchall(), raw.description) == ([], None)
    assert raw.df().empty
    raw.execute("INSERT INTO t VALUES (1), (2)")
    raw.cursor().execute("INSERT INTO t VALUES (3)")
    assert raw.rowcount == 2


def test_a_connection_that_ran_nothing_itself_has_no_result(engine: Engine) -> None:
    pooled = engine.raw_connection()
    pooled.execute("SELECT 1")
    pooled.close()
    with engine.connect() as connection:
        again: Any = connection.connection
        connection.execute(text("SELECT 2"))
        assert (again.description, again.rowcount) == (None, -1)
        for fetch in (again.fetchall, again.fetchone, again.df):
            with pytest.raises(module.InterfaceError, match="no statement was run"):
                fetch()


def test_rows_of_a_connection_that_nobody_took_are_not_kept(raw: Any) -> None:
    unread = weakref.ref(raw.execute(MANY))
    raw.execute("SELECT 1")
    assert (unread(), raw.fetchall()) == (None, [(1,)])


def test_functions_and_data_are_registered_as_with_duckdb_engine(engine: Engine) -> None:
    frame = pd.DataFrame({"n": [1, 2]})
    with engine.connect() as connection:
        connection.exec_driver_sql("register", ("driver_view", frame))
        connection.exec_driver_sql("register(?, ?)", ("other_view", pa.table({"n": [3]})))
        dbapi: Any = connection.connection
        dbapi.register("third_view", pl.DataFrame({"n": [4]}))
        dbapi.create_function("double_it", lambda n: 2 * n, ["BIGINT"], "BIGINT")
        rows = "FROM driver_view UNION ALL FROM other_view UNION ALL FROM third_view"
        assert connection.scalar(text(f"SELECT sum(double_it(n)) FROM ({rows})")) == 20
        dbapi.cursor().unregister("third_view")


def test_calls_of_the_client_keep_the_rows_of_other_cursors(raw: Any) -> None:
    cursor = raw.execute(MANY)
    assert cursor.fetchone() == (0,)
    raw.create_function("one", lambda: 1, [], "BIGINT")
    assert len(raw.cursor().from_df(pd.DataFrame({"n": np.arange(3)})).fetchall()) == 3
    assert len(cursor.fetchall()) == 9_999


def test_a_commit_in_sql_ends_the_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (i INTEGER)"))
        connection.execute(text("commit;"))
        connection.commit()
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("ROLLBACK"))
        connection.commit()
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0


def test_a_module_that_is_given_to_create_engine_opens_the_database() -> None:
    opened = []

    def connect(database: str, **options: Any) -> duckdb.DuckDBPyConnection:
        opened.append(database)
        return duckdb.connect(database, **options)

    names = {name: getattr(module, name) for name in module.__all__}
    given = SimpleNamespace(**{**names, "connect": connect})
    engine = create_engine("duckdb+mixpanel://", module=given)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
    assert len(set(opened)) == 1
    engine = create_engine("duckdb+mixpanel://", module=duckdb)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT CAST(:n AS INTEGER)"), {"n": 2}) == 2
    engine.dispose()


def test_values_keep_their_python_types(raw: Any) -> None:
    found = raw.execute(TYPED).fetchone()
    assert found[1] == Decimal("1.50")
    assert isinstance(found[-2], UUID)
    assert found[-1] == timedelta(days=1)


def test_polars_reads_exact_types_from_connections_of_the_driver(engine: Engine) -> None:
    frame = expected()
    with engine.connect() as connection:
        own: Any = connection.connection
        for source in (own, own.dbapi_connection, own.driver_connection, own.cursor()):
            assert pl.read_database(FRAMED, source).equals(frame)
            assert pl.read_database(f"{FRAMED} LIMIT 0", source).schema == frame.schema
    pooled = engine.raw_connection()
    options = {"parameters": (41,)}
    found = pl.read_database("SELECT $1::INTEGER + 1 AS n", pooled, execute_options=options)
    assert found["n"].to_list() == [42]
    pooled.close()


NESTED = {
    "structs": ("[{'a': 1}, {'a': 2}]", [{"a": 1}, {"a": 2}]),
    "a struct": ("{'a': 'x', 'b': [1]}", {"a": "x", "b": [1]}),
    "lists": ("[[1], [2, 3]]", [[1], [2, 3]]),
    "an array": ("[1, 2]::INTEGER[2]", [1, 2]),
    "decimals": ("[1.5::DECIMAL(4,1)]", [Decimal("1.5")]),
}


@pytest.mark.parametrize("name", NESTED)
def test_polars_reads_nested_values_from_a_session(engine: Engine, name: str) -> None:
    sql, value = NESTED[name]
    query = text(f"SELECT {sql} AS x".replace(":", "\\:"))
    with Session(engine) as session:
        assert pl.read_database(query, session)["x"].to_list() == [value]


def test_polars_knows_the_width_of_numbers_in_an_empty_result_of_a_session(engine: Engine) -> None:
    query = (
        "SELECT 1 AS a, CAST(1 AS SMALLINT) AS b, CAST(1 AS UINTEGER) AS c, CAST(1 AS FLOAT) AS d, "
        "CAST(1 AS BIGINT) AS e LIMIT 0"
    )
    with Session(engine) as session:
        found = pl.read_database(query, session)
    assert found.dtypes == [pl.Int32, pl.Int16, pl.UInt32, pl.Float32, pl.Int64]


def test_type_codes_of_nested_types_have_their_name_and_duckdbs_members(raw: Any) -> None:
    ((_, code, *_),) = raw.execute("SELECT {'a': 1} AS s").description
    ((_, again, *_),) = raw.execute("SELECT {'a': 2} AS s").description
    assert code == again == "STRUCT(a INTEGER)"
    assert (code == 7, str(code), repr(code)) == (False, "STRUCT(a INTEGER)", "STRUCT(a INTEGER)")
    assert hash(code) == hash(again)
    assert code.id == "struct"
    assert code != module.NUMBER
