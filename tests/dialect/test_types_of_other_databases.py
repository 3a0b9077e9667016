"""Types and operators that applications bring from other databases work as there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    BINARY,
    CLOB,
    NVARCHAR,
    TIME,
    VARBINARY,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    cast,
    create_engine,
    insert,
    inspect,
    literal,
    null,
    select,
)
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.datatypes import FixedArray, Map, Struct, Union
from tests.examples import examples


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A connection to a database in memory."""
    engine = create_engine("duckdb+mixpanel:///:memory:")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (BINARY(5), "BLOB"),
        (VARBINARY(5), "BLOB"),
        (CLOB(), "VARCHAR"),
        (NVARCHAR(5), "VARCHAR"),
        (TIME(timezone=True), "TIME WITH TIME ZONE"),
    ],
)
def test_names_of_types_are_those_of_duckdb(
    connection: Connection, given: TypeEngine[Any], made: str
) -> None:
    table = Table("t", MetaData(), Column("a", given))
    table.create(connection)
    (column,) = inspect(connection).get_columns("t")
    assert column["type"].compile(connection.dialect) == made
    assert connection.scalar(select(cast(null(), given))) is None
    table.drop(connection)


@pytest.mark.parametrize("name", ["VARIANT", "GEOMETRY"])
def test_a_type_that_only_duckdb_has_is_reflected_and_created_again(
    connection: Connection, name: str
) -> None:
    connection.exec_driver_sql(f"CREATE TABLE old (a {name})")
    table = Table("old", MetaData(), autoload_with=connection)
    table.name = "new"
    table.create(connection)
    (column,) = inspect(connection).get_columns("new")
    assert column["type"].compile(connection.dialect) == name
    for made in ("old", "new"):
        connection.exec_driver_sql(f"DROP TABLE {made}")


@pytest.mark.parametrize("kinds", [(Integer, String), (Integer(), String(9))])
def test_nested_types_take_classes_and_instances(connection: Connection, kinds: Any) -> None:
    number, text = kinds
    values: dict[str, tuple[TypeEngine[Any], Any]] = {
        "struct": (Struct({"a": number, "b": text}), {"a": 1, "b": "x"}),
        "map": (Map(text, number), {"k": 1}),
        "union": (Union({"a": number, "b": text}), "x"),
        "fixed": (FixedArray(number, 3), [1, 2, 3]),
    }
    table = Table("t", MetaData(), *(Column(name, kind) for name, (kind, _) in values.items()))
    table.create(connection)
    row = {name: value for name, (_, value) in values.items()}
    connection.execute(insert(table), [row] * 20)
    for name, value in row.items():
        found = select(table.c[name]).where(table.c[name] == value).limit(1)
        assert connection.scalar(found) == value
    table.drop(connection)


@examples(60)
@given(st.integers(-(2**62), 2**62), st.integers(-(2**31), 2**31).filter(bool))
def test_integers_are_divided_as_in_python(left: int, right: int) -> None:
    engine = create_engine("duckdb+mixpanel:///:memory:")
    with engine.connect() as connection:
        found = connection.scalar(select(literal(left) // literal(right)))
        assert (found, type(found)) == (left // right, int)
        assert connection.scalar(select(literal(-7.5) // literal(2))) == -4.0
    engine.dispose()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_are_no_numbers_are_literals_and_returned(
    connection: Connection, value: float
) -> None:
    written = select(literal(value)).compile(connection, compile_kwargs={"literal_binds": True})
    assert repr(connection.exec_driver_sql(str(written)).scalar()) == repr(value)
    table = Table("t", MetaData(), Column("x", Float))
    table.create(connection)
    returned = insert(table).values(x=value).returning(table.c.x, table.c.x + value)
    assert {*map(repr, connection.execute(returned).one())} <= {repr(value), "nan"}
    table.drop(connection)
