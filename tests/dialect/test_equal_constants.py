"""An expression with constants is the same expression wherever a statement repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    case,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import postgresql

from mixpanel_data.dialect.sql.shared_parameters import share_equal
from tests.engines import open_engine
from tests.examples import examples

TABLE = Table(
    "t",
    MetaData(),
    Column("i", Integer),
    Column("x", Float),
    Column("s", String),
    Column("at", DateTime),
    Column("day", Date),
    Column("price", Numeric(9, 2)),
    Column("document", JSON),
)
T = TABLE.c
ROWS: list[dict[str, Any]] = [
    {
        "i": number,
        "x": number / 2,
        "s": "ab"[number % 2] if number else None,
        "at": datetime(2025, 1 + number % 2, 1, number),
        "day": date(2025, 1, 1),
        "price": Decimal(number) / 4,
        "document": {"plan": "ab"[number % 2], "n": number % 3},
    }
    for number in range(6)
]

EXPRESSIONS: dict[str, Callable[[], ColumnElement[Any]]] = {
    "date_trunc": lambda: func.date_trunc("month", T.at),
    "coalesce": lambda: func.coalesce(T.s, "?"),
    "sum": lambda: T.i % 3 + 1,
    "float": lambda: T.x * 2.5 + 0.5,
    "decimal": lambda: T.price + Decimal("1.50"),
    "case": lambda: case((T.i > 2, "many"), (T.i > 1, "some"), else_="few"),
    "strftime": lambda: func.strftime(T.at, "%Y-%m"),
    "member": lambda: T.document["n"].as_integer() + 1,
    "date": lambda: T.day - date(2024, 1, 1),
    "interval": lambda: T.at + timedelta(days=1),
    "concat": lambda: T.s + "-",
    "in": lambda: T.i.in_([1, 2, 1]),
    "like": lambda: T.s.like("a%"),
    "substring": lambda: func.substr(T.s, 1, 1),
    "round": lambda: func.round(T.x, 1),
    "pattern": lambda: T.s.regexp_match("A", flags="i"),
    "bool": lambda: T.i == literal(1),
}


def distinct_on(statement: Select[Any], expression: ColumnElement[Any]) -> Select[Any]:
    """Add DISTINCT ON as SQLAlchemy 2.1 wants it, or as 2.0 does."""
    extension = getattr(postgresql, "distinct_on", None)
    return statement.ext(extension(expression)) if extension else statement.distinct(expression)


CLAUSES: dict[str, Callable[[Callable[[], ColumnElement[Any]]], Select[Any]]] = {
    "GROUP BY": lambda e: select(e(), func.count()).group_by(e()),
    "ORDER BY": lambda e: (
        select(e(), func.count()).group_by(e()).order_by(e().desc(), func.count())
    ),
    "HAVING": lambda e: select(e()).group_by(e()).having(func.max(e()) == e()),
    "DISTINCT ON": lambda e: distinct_on(select(e()), e()).order_by(e(), T.i),
    "DISTINCT": lambda e: select(e()).distinct().order_by(e()),
    "ROLLUP": lambda e: select(e(), func.count()).group_by(func.rollup(e())),
    "window over groups": lambda e: select(
        e(), func.sum(func.count()).over(partition_by=e(), order_by=e())
    ).group_by(e()),
    "subquery": lambda e: select(select(e().label("e")).group_by(e()).subquery()),
    "LIMIT": lambda e: select(e()).group_by(e()).order_by(e()).limit(1).offset(1),
}


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A connection to a database with some rows."""
    with open_engine() as engine, engine.begin() as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE), ROWS)
        yield connection


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_repeated_expression_is_one(connection: Connection, expression: str, clause: str) -> None:
    statement = CLAUSES[clause](EXPRESSIONS[expression])
    rows = connection.execute(statement).all()
    written = statement.compile(connection, compile_kwargs={"literal_binds": True})
    assert sorted(map(repr, rows)) == sorted(map(repr, connection.execute(text(str(written)))))


@pytest.mark.parametrize("unit", ["day", "month", "year"])
def test_a_cached_statement_takes_other_constants(connection: Connection, unit: str) -> None:
    month = func.date_trunc(unit, T.at)
    found = connection.execute(select(month, func.count()).group_by(month)).all()
    assert len(found) == {"day": 2, "month": 2, "year": 1}[unit]


def test_constants_that_are_equal_by_chance_stay_apart_when_they_change(
    connection: Connection,
) -> None:
    for one, two in [(1, 1), (1, 2), (2, 1)]:
        rows = connection.execute(
            select(T.i + one, T.i + two, func.count()).group_by(T.i + one, T.i + two)
        )
        assert {(a - b) for a, b, _ in rows} == {one - two}


def test_unions_and_insert_from_select_group_too(connection: Connection) -> None:
    grouped = select(func.coalesce(T.s, "?"), func.count()).group_by(func.coalesce(T.s, "?"))
    assert len(connection.execute(union_all(grouped, grouped)).all()) == 6
    other = Table("o", MetaData(), Column("s", String), Column("n", Integer))
    other.create(connection)
    connection.execute(insert(other).from_select(["s", "n"], grouped))
    assert connection.scalar(select(func.count()).select_from(other)) == 3


values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 1, True, False, 0.0, -0.0, 1.0, "1", b"1", Decimal(1), Decimal("1.0")]),
    st.sampled_from([None, float("nan"), [1], date(2025, 1, 1), datetime(2025, 1, 1)]),
)


@examples(200)
@given(st.lists(values, max_size=8), st.data())
def test_every_parameter_keeps_its_value_and_type(several: list[Any], data: st.DataObject) -> None:
    places = data.draw(st.permutations(range(len(several))))
    statement = "SELECT '$1' BY " + ", ".join(f"${place + 1}" for place in places)
    sql, parameters = share_equal(statement, several)
    numbers = [int(number[1:]) for number in sql.partition("BY ")[2].split(", ") if number]
    assert sql.startswith("SELECT '$1' BY ")
    assert {*numbers} == {*range(1, len(parameters) + 1)}
    found = [repr(parameters[number - 1]) for number in numbers]
    assert found == [repr(several[place]) for place in places]
