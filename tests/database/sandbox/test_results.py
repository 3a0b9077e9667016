"""Results of a sandbox have the values that DuckDB's client gives, up to a size."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from mixpanel_data import QueryError, ResultTooLargeError, Sandbox, StorageEngine

#: A column of every kind, some with NULL in them, two of one name.
EVERYTHING = """
    SELECT i::INTEGER AS a, i::VARCHAR AS b, CASE WHEN i % 3 > 0 THEN i END AS c,
        CASE WHEN i % 3 > 0 THEN i % 2 = 0 END AS d, (i * 1.5)::DECIMAL(10, 2) AS e,
        170141183460469231731687303715884105727 - i AS f, md5(i::VARCHAR)::UUID AS g,
        TIME '12:00:01.5' AS h, INTERVAL '1 month 2 days' AS i, '101'::BIT AS j,
        ['x', 'y', NULL][i % 3 + 1]::ENUM ('x', 'y') AS k, MAP {'a': i} AS l,
        TIMESTAMPTZ '2020-01-01 00:00:00+00' AS m, NULL AS n, '{"a": 1}'::JSON AS o,
        {'a': [1, 2], 'b': {'c': DATE '2020-01-01', 'd': TIMESTAMPTZ '2020-01-01'}} AS p,
        'ab'::BLOB AS q, [1, 2, 3]::INTEGER[3] AS r, DATE '2020-01-01' AS s, i AS a,
        'inf'::DOUBLE AS t, [i] AS u, i::FLOAT AS v, TIMESTAMP '2020-01-01' AS w,
        TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS x, union_value(k := i) AS y
    FROM range(5000) AS numbers(i)
"""
METHODS = ["execute_rows", "execute_df", "execute"]


@pytest.fixture
def small() -> Iterator[StorageEngine]:
    with StorageEngine.memory(sandbox=Sandbox(max_rows=3000, max_bytes=1_000_000)) as storage:
        yield storage


@pytest.fixture
def both() -> Iterator[tuple[StorageEngine, StorageEngine]]:
    with StorageEngine.memory(sandbox=True) as sandboxed, StorageEngine.memory() as free:
        yield sandboxed, free


def test_rows_are_those_of_duckdb_s_client(both: tuple[StorageEngine, StorageEngine]) -> None:
    sandboxed, free = both
    found, expected = sandboxed.execute_rows(EVERYTHING), free.execute_rows(EVERYTHING)
    assert found == expected
    for row, other in zip(found, expected, strict=True):
        assert [type(value) for value in row] == [type(value) for value in other]
    assert sandboxed.execute(EVERYTHING).fetchall() == expected
    assert sandboxed.execute(EVERYTHING).columns == free.execute(EVERYTHING).columns


def test_cursors_give_the_values_of_an_engine_without_a_sandbox(
    both: tuple[StorageEngine, StorageEngine],
) -> None:
    sandboxed, free = both
    with free.engine.connect() as connection:
        expected = [*map(tuple, connection.exec_driver_sql(EVERYTHING))]
    with sandboxed.engine.connect() as connection:
        result = connection.exec_driver_sql(EVERYTHING)
        assert tuple(result.fetchone() or ()) == expected[0]
        assert [*map(tuple, result.fetchmany(3000))] == expected[1:3001]
        assert [*map(tuple, result)] == expected[3001:]


def test_data_frames_are_those_of_duckdb_s_client(
    both: tuple[StorageEngine, StorageEngine],
) -> None:
    query = EVERYTHING.replace("AS g", "AS g, 1 AS a_1, 2 AS A")
    sandboxed, free = both
    pd.testing.assert_frame_equal(sandboxed.execute_df(query), free.execute_df(query))
    nothing = query + " LIMIT 0"
    assert list(sandboxed.execute_df(nothing).columns) == list(free.execute_df(nothing).columns)


def test_a_scalar_is_a_value_or_none(both: tuple[StorageEngine, StorageEngine]) -> None:
    for storage in both:
        assert storage.execute_scalar("SELECT 1, 2") == 1
        assert storage.execute_scalar("SELECT 1 LIMIT 0") is None


@pytest.mark.parametrize("method", METHODS)
def test_too_many_rows_raise_before_they_are_built(method: str, small: StorageEngine) -> None:
    sql = "SELECT n FROM range(1000000000) AS t(n)"
    with pytest.raises(ResultTooLargeError, match=r"more than 3,000 rows.*max_rows=") as caught:
        getattr(small, method)(sql)
    assert caught.value.limit == 3000
    assert caught.value.details == {"query": sql, "limit": 3000, "unit": "rows"}
    assert isinstance(caught.value, QueryError)
    assert small.execute_scalar("SELECT 42") == 42


@pytest.mark.parametrize("method", METHODS)
def test_too_many_bytes_raise(method: str, small: StorageEngine) -> None:
    with pytest.raises(ResultTooLargeError, match="more than 1,000,000 bytes") as caught:
        getattr(small, method)("SELECT repeat('a', 1000) FROM range(2000)")
    assert caught.value.limit == 1_000_000


def test_exactly_as_many_rows_as_allowed_are_given(small: StorageEngine) -> None:
    assert len(small.execute_rows("FROM range(3000)")) == 3000
    with pytest.raises(ResultTooLargeError):
        small.execute_rows("FROM range(3001)")


def test_cursors_of_the_engine_count_what_they_fetch(small: StorageEngine) -> None:
    with small.engine.connect() as connection:
        result = connection.exec_driver_sql("FROM range(1000000000)")
        assert result.fetchmany(10) == [(n,) for n in range(10)]
        with pytest.raises(ResultTooLargeError):
            result.fetchall()
    with small.engine.connect() as connection, pytest.raises(ResultTooLargeError):
        for _ in connection.exec_driver_sql("FROM range(1000000000)"):
            pass


def test_an_unread_result_does_not_disturb_the_next_statement(small: StorageEngine) -> None:
    with small.engine.connect() as connection:
        first = connection.exec_driver_sql("FROM range(2500)")
        large = connection.exec_driver_sql("FROM range(1000000000)")
        assert first.fetchone() == (0,)
        assert connection.exec_driver_sql("SELECT 42").scalar() == 42
        assert len(first.fetchall()) == 2499
        with pytest.raises(ResultTooLargeError):
            large.fetchall()
        connection.exec_driver_sql("FROM range(1000000000)").close()
        assert connection.exec_driver_sql("SELECT 42").scalar() == 42
        connection.exec_driver_sql("FROM range(1000000000)")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT 42").scalar() == 42


def test_an_error_while_rows_are_fetched_is_a_query_error(small: StorageEngine) -> None:
    sql = "SELECT CASE WHEN n < 2500 THEN n ELSE error('boom') END FROM range(5000) AS t(n)"
    for method in METHODS:
        with pytest.raises(QueryError, match="boom"):
            getattr(small, method)(sql)
