"""Functions of PostgreSQL that DuckDB has in other words work as they do there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    distinct,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.exc import CompileError, StatementError

from mixpanel_data.dialect.sql.functions import strftime_pattern
from tests.engines import open_engine
from tests.examples import examples

TIME = datetime(2025, 3, 4, 15, 6, 7, 89000)
rows = Table("rows", MetaData(), Column("n", Integer), Column("d", JSON))


@pytest.fixture
def connection() -> Iterator[Connection]:
    with open_engine() as engine, engine.connect() as connection:
        rows.metadata.create_all(connection)
        document = {"list": [1, "b"], "null": None, "text": "x", "float": 1.5, "true": True}
        connection.execute(insert(rows), [{"n": n, "d": document} for n in range(3)])
        yield connection


def values(connection: Connection, statement: Any) -> list[Any]:
    return list(connection.scalars(statement))


in_order = aggregate_order_by(rows.c.n, rows.c.n.desc())


@pytest.mark.parametrize(
    ("aggregate", "wanted"),
    [
        (func.json_agg(in_order), "[2,1,0]"),
        (func.jsonb_agg(in_order, type_=JSON), [2, 1, 0]),
        (func.json_agg(in_order, type_=JSON).filter(rows.c.n > 0), [2, 1]),
        (func.json_agg(distinct(rows.c.n * 0), type_=JSON), [0]),
        (func.json_agg(func.json_build_object("n", rows.c.n)).filter(rows.c.n == 1), '[{"n":1}]'),
        (func.json_agg(rows.c.d["list"], type_=JSON).filter(rows.c.n == 1), [[1, "b"]]),
        (func.json_agg(rows.c.n).filter(rows.c.n > 9), None),
        (func.jsonb_object_agg(rows.c.n, rows.c.n, type_=JSON), {"0": 0, "1": 1, "2": 2}),
        (func.every(rows.c.n > 0), False),
        (func.count().filter(rows.c.n > 0), 2),
    ],
)
def test_rows_are_aggregated(connection: Connection, aggregate: Any, wanted: Any) -> None:
    assert values(connection, select(aggregate)) == [wanted]


def test_documents_are_aggregated_over_windows(connection: Connection) -> None:
    running = func.json_agg(rows.c.n, type_=JSON).over(order_by=rows.c.n)
    assert values(connection, select(running)) == [[0], [0, 1], [0, 1, 2]]
    some = func.json_agg(rows.c.n).filter(rows.c.n == 1).over()
    assert values(connection, select(some)) == ["[1]"] * 3


def test_documents_are_made_and_taken_apart(connection: Connection) -> None:
    made = func.json_build_object("a", func.jsonb_build_array(1, None))
    assert connection.scalar(select(made)) == '{"a":[1,null]}'
    first = rows.c.n == 0
    members = rows.c.d["list"]
    assert values(connection, select(func.jsonb_array_length(members)).where(first)) == [2]
    found = values(connection, select(func.json_array_elements(members)).where(first))
    assert found == ["1", '"b"']
    names = select(func.jsonb_object_keys(rows.c.d)).where(first)
    assert values(connection, names) == ["list", "null", "text", "float", "true"]
    kinds = [func.jsonb_typeof(rows.c.d[name]) for name in ("list", "null", "text", "float")]
    kinds += [func.json_typeof(rows.c.d[name]) for name in ("true", "missing")]
    (row,) = connection.execute(select(*kinds).where(first))
    assert row == ("array", "null", "string", "number", "boolean", None)


def test_functions_of_documents_work_under_both_names(connection: Connection) -> None:
    document = literal({"a": {"b": "x", "c": None}}, JSON)
    for kind in ("json", "jsonb"):

        def call(name: str, *given: Any, kind: str = kind) -> Any:
            return connection.scalar(select(getattr(func, f"{kind}_{name}")(document, *given)))

        assert call("pretty").startswith("{\n")
        assert call("extract_path", "a", "b") == '"x"'
        assert call("extract_path_text", "a", "b") == "x"
        assert call("extract_path_text", "a", "c") is None
        assert call("extract_path", "a") == '{"b":"x","c":null}'
        each = getattr(func, f"{kind}_each")(document).table_valued("key", "value")
        assert connection.execute(select(each.c.key)).scalars().all() == ["a"]
    if not connection.scalar(
        text("SELECT count(*) FROM duckdb_functions() WHERE function_name = 'json_strip_nulls'")
    ):
        return
    assert connection.scalar(select(func.jsonb_strip_nulls(document))) == '{"a":{"b":"x"}}'


@pytest.mark.parametrize("number", [1234.5, 7, literal(1).cast(Integer), rows.c.n, rows.c.n * 2.5])
def test_to_char_of_a_number_is_refused_by_its_name(connection: Connection, number: Any) -> None:
    with pytest.raises(CompileError, match=r"no to_char\(\) for numbers\. Use func\.format"):
        connection.execute(select(func.to_char(number, "9,999.99")))


def test_a_function_in_from_has_the_column_of_postgresql(connection: Connection) -> None:
    elements = func.jsonb_array_elements_text(rows.c.d["list"]).table_valued(
        "value", joins_implicitly=True
    )
    found = connection.execute(select(rows.c.n, elements.c.value).where(rows.c.n == 0))
    assert sorted(found) == [(0, "1"), (0, "b")]
    numbers = func.generate_series(1, 3)
    assert values(connection, select(numbers.table_valued("n").c.n)) == [1, 2, 3]
    other = numbers.table_valued("n").alias("other")
    assert values(connection, select(other.c.n)) == [1, 2, 3]
    assert values(connection, select(numbers.column_valued("n"))) == [1, 2, 3]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (func.to_char(TIME, 'YYYY-MM-DD"T"HH24:MI:SS.MS'), "2025-03-04T15:06:07.089"),
        (func.to_char(TIME, "HH12:MI AM, Dy FMDD Mon, 100%"), "03:06 PM, Tue 4 Mar, 100%"),
        (func.to_char(TIME, "IYYY-IW-ID"), "2025-10-2"),
        (func.to_char(TIME, literal(None, String)), None),
        (func.to_date("04.03.2025", "DD.MM.YYYY"), date(2025, 3, 4)),
        (func.to_timestamp("2025-03-04 15", "YYYY-MM-DD HH24"), datetime(2025, 3, 4, 15)),
        (func.date_bin(text("INTERVAL 1 HOUR"), literal(TIME), datetime(2025, 1, 1)), None),
        (func.btrim("  a "), "a"),
    ],
)
def test_times_and_texts_are_written_and_read(
    connection: Connection, made: Any, wanted: Any
) -> None:
    wanted = datetime(2025, 3, 4, 15) if made.name == "date_bin" else wanted
    assert connection.scalar(select(made)) == wanted


def test_rows_are_grouped_by_what_a_pattern_makes(connection: Connection) -> None:
    for pattern, wanted in (("YYYY-MM", "2025-03"), ("YYYY", "2025")):  # one statement in the cache
        month = func.to_char(literal(TIME), pattern)
        statement = select(month, func.count()).select_from(rows).group_by(month)
        assert connection.execute(statement).all() == [(wanted, 3)]


@pytest.mark.parametrize("pattern", ["Q", "YYYY-FMRN", "FM999", "Month"])
def test_a_pattern_without_an_equal_is_refused(connection: Connection, pattern: str) -> None:
    with pytest.raises(StatementError, match=r"has no equal in DuckDB\. Use func\.strftime"):
        connection.execute(select(func.to_char(TIME, pattern)))


@given(quoted=st.text(st.characters(exclude_characters='"', codec="utf-8"), max_size=5))
@examples(100)
def test_quoted_text_in_a_pattern_stays_as_it_is(quoted: str) -> None:
    assert strftime_pattern(f'YYYY"{quoted}"MM') == f"%Y{quoted.replace('%', '%%')}%m"
