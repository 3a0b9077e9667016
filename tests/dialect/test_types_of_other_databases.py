"""Types and operators that applications bring from other databases work as there."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from duckdb_engine import datatypes as engine_types
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
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
    event,
    insert,
    inspect,
    literal,
    null,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

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


NESTED: dict[str, Callable[[type[Any]], TypeEngine[Any]]] = {
    "struct": lambda text: Struct({"a": Integer, "b": text(9)}),
    "map": lambda text: Map(text(9), Integer),
    "union": lambda text: Union({"a": Integer, "b": text(9)}),
    "fixed": lambda text: FixedArray(text(9), 3),
    "nested": lambda text: Struct({"a": Struct({"b": Map(Integer, text(9))})}),
}


@pytest.mark.parametrize("kind", NESTED)
def test_equal_nested_types_share_a_cached_statement(connection: Connection, kind: str) -> None:
    class Other(String):
        pass

    compiled: list[object] = []

    @event.listens_for(connection, "after_cursor_execute")
    def note(_c: Any, _cursor: Any, _s: str, _p: Any, context: Any, _m: bool) -> None:
        compiled.append(context.compiled)

    for text in (String, String, Other):
        connection.execute(select(cast(null(), NESTED[kind](text))))
    assert compiled[0] is compiled[1] is not compiled[2]
    assert pickle.loads(pickle.dumps(NESTED[kind](String))).compile(dialect=connection.dialect)


def test_a_type_that_must_not_be_cached_is_not_cached_in_a_struct() -> None:
    class Uncached(TypeDecorator[str]):
        impl = String
        cache_ok = False

    one, other = Uncached(), Uncached()
    assert Struct({"a": one}).fields == Struct({"a": one}).fields
    assert Struct({"a": one}).fields != Struct({"a": other}).fields


def test_the_nested_types_of_duckdb_engine_work_in_models(connection: Connection) -> None:
    kinds: dict[str, Any] = {
        "struct": engine_types.Struct({"a b": Integer, "c": engine_types.Struct({"d": String})}),
        "map": engine_types.Map(String, Integer),
        "union": engine_types.Union({"a": Integer, "b": String}),
        "list": ARRAY(engine_types.Struct({"a": Integer})),
    }
    table = Table("t", MetaData(), *(Column(name, kind) for name, kind in kinds.items()))
    table.create(connection)
    full = {
        "struct": {"a b": 1, "c": {"d": "x"}},
        "map": {"k": 1},
        "union": "x",
        "list": [{"a": 1}],
    }
    rows = [full, {**full, "map": {}}, dict.fromkeys(full)]
    connection.execute(insert(table), rows)
    connection.execute(insert(table).values(full))
    assert [*map(dict, connection.execute(select(table)).mappings())] == [*rows, full]
    dialect = connection.dialect
    for column in inspect(connection).get_columns("t"):
        kind = kinds[column["name"]]
        assert isinstance(column["type"], type(kind))
        name = column["type"].compile(dialect)
        assert str(cast(null(), kind).compile(dialect=dialect)) == f"CAST(NULL AS {name})"
    table.drop(connection)


def test_decimals_are_rounded_down_as_on_postgresql(connection: Connection) -> None:
    """Python's ``Decimal`` rounds towards zero."""
    quotient = literal(Decimal("-7.5")) // literal(Decimal(2))
    other: Any = postgresql.dialect
    assert str(quotient.compile(dialect=other())).startswith("FLOOR(")
    assert connection.scalar(select(quotient)) == Decimal(-4)
    assert connection.scalar(select(literal(Decimal("7.5")) // literal(2))) == Decimal(3)


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
