"""Results of a worker are those of DuckDB's own client."""

from __future__ import annotations

import enum
import pickle
import zoneinfo
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Integer, bindparam, column, func, select, table, text

from mixpanel_data import QueryError, SandboxError, StorageEngine

IS_2 = not duckdb.__version__.startswith("1.")

with duckdb.connect() as _connection:
    TYPES = [
        name
        for name, *_ in _connection.execute("DESCRIBE FROM test_all_types()").fetchall()
        if IS_2 or name != "variant"
    ]

QUERIES = [
    'SELECT 1 AS a, 2 AS a, 3 AS "A"',
    "SELECT 1 AS a, 2 AS a, 3 AS a_1",
    "SELECT 1 AS a_1, 2 AS a, 3 AS a",
    "SELECT 'a' AS \"Count\"",
    "SELECT 1 AS n WHERE false",
    "SELECT mood FROM moods WHERE false",
    "SELECT NULL",
    "SELECT [NULL], {'a': NULL}, MAP {'a': NULL}",
    "SELECT row(1, 'a'), [row(1, 2)], {'a': row(1, 2)}",
    "SELECT union_value(k := row(1, 2))",
    "SELECT mood, [mood], {'a': mood} FROM moods",
    "SELECT 'it''s'::ENUM('it''s', 'x(y')",
    "SELECT '2020-01-01 12:00'::TIMESTAMPTZ, '24:00:00'::TIME",
    "SELECT INTERVAL 3 MONTH, INTERVAL '1 month 2 days 3 seconds'",
    "SELECT '{\"a\": 1}'::JSON, '\\xAA'::BLOB, '101'::BIT, 12345678901234567890::BIGNUM",
    "SELECT 1.5::DECIMAL(38, 10), 'nan'::FLOAT, '-inf'::DOUBLE, -0.0::DOUBLE",
    "DESCRIBE numbers",
    "SUMMARIZE moods",
    "SHOW TABLES",
    "VALUES (1, 'a'), (2, NULL)",
    "SELECT i, s FROM numbers ORDER BY i LIMIT 20000",
    "SELECT sum(i), avg(i), count(*) FROM numbers",
]

ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


class Plan(str, enum.Enum):
    PRO = "pro"


class Level(enum.IntEnum):
    HIGH = 3


class Day(date):
    pass


VALUES = [
    *(None, True, 1, -(2**40), 2**70, 2**200, 1.5, float("nan"), float("inf"), -0.0),
    *("é", "\x00", b"ab", bytearray(b"ab"), memoryview(b"ab"), UUID(int=7)),
    datetime(2020, 1, 1, 1, 2, 3, 4),
    datetime(2020, 7, 1, tzinfo=ZURICH),
    datetime(2020, 7, 1, tzinfo=timezone(timedelta(hours=2))),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    datetime.max.replace(tzinfo=timezone.utc),
    *(date(2020, 1, 1), Day(2020, 1, 1), time(1, 2, 3)),
    time(1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
    timedelta(days=1, seconds=2, microseconds=3),
    *(Decimal("1.50"), Decimal("NaN"), Decimal("1E+30")),
    *([], [1, 2], [None], ["a", None], (1, 2), [datetime(2020, 7, 1, tzinfo=ZURICH)]),
    *({}, {"a": 1}, {"a": {"b": [1]}}, {"key": [1], "value": [2]}, {1: 2}),
    *(np.int8(3), np.int64(3), np.float32(1.5), np.float64(1.5), np.bool_(True), np.str_("x")),
    *(np.datetime64("2020-01-01"), np.datetime64("2020-01-01T00:00:00.123456789")),
    *(np.timedelta64(3, "s"), np.array([1, 2]), [np.int64(1)], {"a": np.float64(1)}),
    *(pd.NA, pd.NaT, pd.Timestamp("2020-01-01 00:00:00.123456789"), pd.Timedelta("1s")),
    pd.Timestamp("2020-01-01", tz="Europe/Zurich"),
    *(Plan.PRO, Level.HIGH),
]

UNBOUND = [object(), {1, 2}, 3j, int, "\ud800", "a\ud800", pd.Series([1])]


@pytest.fixture(scope="module")
def client(storage: StorageEngine) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB's own client, in this process, over the same database with the same settings."""
    with storage._database.connection.cursor() as cursor:
        yield cursor


def described(value: object) -> object:
    """Return what can be compared: the same values of the same classes."""
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, number] for number in range(value.shape[1])]
        types = [str(each.dtype) for each in columns]
        return list(value.columns), types, [described(each.tolist()) for each in columns]
    try:
        return repr(value)
    except NotImplementedError:  # a time that pandas has, but cannot write
        return pickle.dumps(value)


def outcome(function: Any) -> object:
    """Return what comes of a call: the result, or what DuckDB says, without our advice."""
    try:
        return described(function())
    except (QueryError, duckdb.Error) as error:
        return str(error).partition("\nCast the column")[0]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_of_duckdb_comes_back_as_it_is(
    storage: StorageEngine, client: duckdb.DuckDBPyConnection, name: str
) -> None:
    sql = f'SELECT "{name}" FROM test_all_types()'
    assert outcome(lambda: storage.execute_rows(sql)) == outcome(
        lambda: client.execute(sql).fetchall()
    )
    assert outcome(lambda: storage.execute_df(sql)) == outcome(lambda: client.execute(sql).df())


@pytest.mark.parametrize("sql", QUERIES)
def test_results_have_the_values_names_and_types_of_the_client(
    storage: StorageEngine, client: duckdb.DuckDBPyConnection, sql: str
) -> None:
    rows = client.execute(sql).fetchall()
    assert repr(storage.execute_rows(sql)) == repr(rows)
    assert repr(storage.execute_scalar(sql)) == repr(rows[0][0] if rows else None)
    assert outcome(lambda: storage.execute_df(sql)) == outcome(lambda: client.execute(sql).df())


@pytest.mark.parametrize("sql", QUERIES)
def test_cursors_describe_their_columns_as_those_of_the_client(
    storage: StorageEngine, client: duckdb.DuckDBPyConnection, sql: str
) -> None:
    wanted = client.execute(sql).description
    with storage._database.autocommit_connection() as connection:
        found = connection.exec_driver_sql(sql).context.cursor.description
    # A label within a list, a struct or the like is plain text.
    assert [(name, str(kind)) for name, kind, *_ in found] == [
        (name, str(kind)) for name, kind, *_ in wanted
    ]


def name_of(value: object) -> str:
    """Return a name for a value that is the same in every process."""
    shown = "" if isinstance(value, memoryview) else f"-{value!s:.20}"
    return type(value).__name__ + shown


def plain(value: object) -> object:
    """Return a parameter as DuckDB's client takes it, which refuses NumPy's scalars."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, np.datetime64) and value.dtype == "datetime64[ns]":
        value = value.astype("datetime64[us]")
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("value", VALUES, ids=name_of)
def test_parameters_mean_what_they_mean_to_the_client(
    storage: StorageEngine, client: duckdb.DuckDBPyConnection, value: object
) -> None:
    sql = "SELECT $value, typeof($value)"
    known = plain(value)
    wanted = outcome(lambda: client.execute(sql, {"value": known}).fetchall())
    assert outcome(lambda: storage.execute_rows(sql, {"value": value})) == wanted
    positional = "SELECT ?, typeof(?)"
    wanted = outcome(lambda: client.execute(positional, [known, known]).fetchall())
    assert outcome(lambda: storage.execute_rows(positional, [value, value])) == wanted


@pytest.mark.parametrize("value", UNBOUND, ids=lambda value: type(value).__name__)
def test_what_cannot_be_bound_is_a_query_error(storage: StorageEngine, value: object) -> None:
    with pytest.raises(QueryError):
        storage.execute_rows("SELECT ?", [value])


def test_statements_of_sqlalchemy_are_sent_as_text_with_parameters(storage: StorageEngine) -> None:
    numbers = table("numbers", column("i", Integer), column("rest", Integer))
    few = select(numbers.c.i).where(numbers.c.i.in_([1, 2, 3])).order_by(numbers.c.i)
    assert storage.execute_rows(few) == [(1,), (2,), (3,)]
    assert storage.execute_rows(few.limit(1).offset(1)) == [(2,)]
    nothing = select(func.count()).where(numbers.c.i.in_(bindparam("ids", expanding=True)))
    assert storage.execute_scalar(nothing, {"ids": []}) == 0
    assert storage.execute_scalar(nothing, {"ids": [1, 2]}) == 2
    assert storage.execute_scalar(text("SELECT :low + 1"), {"low": 41}) == 42
    assert storage.execute_df(few)["i"].tolist() == [1, 2, 3]


def test_an_error_in_a_query_is_what_it_is_without_a_worker(
    storage: StorageEngine, file: Path
) -> None:
    for sql in ("SELECT nothing", "SELECT 'x'::INTEGER", "SELEC", "SELECT * FROM nowhere"):
        with pytest.raises(QueryError) as found:
            storage.execute_rows(sql)
        with StorageEngine.memory(sandbox=True) as other, pytest.raises(QueryError) as wanted:
            other.execute_rows(sql)
        assert type(found.value) is type(wanted.value)
        assert found.value.message.split("\n")[0] == wanted.value.message.split("\n")[0]
        if not isinstance(found.value, SandboxError):
            assert type(found.value.__cause__) is type(wanted.value.__cause__)
        assert found.value.details["query"] == sql


def test_a_text_that_is_not_unicode_is_a_query_error(storage: StorageEngine) -> None:
    with pytest.raises(QueryError):
        storage.execute_rows("SELECT 'a\ud800'")
    assert storage.execute_scalar("SELECT 42") == 42


def test_an_error_while_rows_are_fetched_has_the_class_of_its_cause(
    storage: StorageEngine,
) -> None:
    sql = "SELECT CASE WHEN i > 200000 THEN 'x' ELSE s END::INTEGER FROM numbers"
    with pytest.raises(QueryError, match="Could not convert string 'x'") as caught:
        storage.execute_rows(sql)
    assert type(caught.value.__cause__) is duckdb.ConversionException
