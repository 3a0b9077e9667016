"""Values in structs, maps and arrays are those of their types, as parameters and as literals."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from math import inf
from typing import Any
from uuid import UUID

import duckdb_engine.datatypes as engine_types
import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    Uuid,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError, StatementError
from sqlalchemy.types import TypeEngine, UserDefinedType

from mixpanel_data import UtcDateTime
from mixpanel_data.dialect.datatypes import FixedArray, Map, Struct
from mixpanel_data.dialect.sql.parsing import parse_type
from tests.engines import open_engine


class Plan(enum.Enum):
    FREE = "free"
    PRO = "it's pro"


class Backwards(TypeDecorator[str]):
    """Text that is stored from its end."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[::-1]

    process_result_value = process_bind_param


ID = UUID("12345678-1234-5678-1234-567812345678")
MOMENT = datetime(2025, 1, 31, 12, tzinfo=timezone.utc)
CASES: dict[str, tuple[TypeEngine[Any], list[Any]]] = {
    "documents in a struct": (
        Struct({"x": JSON}),
        [{"x": {"a": 1}}, {"x": "text"}, {"x": [None]}, {"x": None}],
    ),
    "times in a map": (Map(String, UtcDateTime), [{"a": MOMENT, "it's": None}, {}, None]),
    "times in a struct": (Struct({"x": UtcDateTime, "y": Integer}), [{"x": MOMENT, "y": 1}]),
    "members of an enum": (Struct({"x": Enum(Plan)}), [{"x": Plan.PRO}, {"x": None}]),
    "an enum as key": (Map(Enum(Plan), Enum(Plan)), [{Plan.FREE: Plan.PRO}]),
    "a type of the application": (Struct({"x": Backwards}), [{"x": "abc"}, {"x": None}]),
    "ids as text": (Map(Uuid(as_uuid=False), Uuid), [{str(ID): ID}]),
    "numbers as floats": (Struct({"n": Numeric(9, 2, asdecimal=False)}), [{"n": 1.25}]),
    "floats as decimals": (Struct({"n": Float(asdecimal=True)}), [{"n": Decimal("2.5000000000")}]),
    "what needs no conversion": (
        Struct({"f": Float, "n": Numeric(9, 2), "b": LargeBinary, "a b": ARRAY(Date)}),
        [{"f": 0.5, "n": Decimal("1.25"), "b": b"\0'", "a b": [date(2025, 1, 31), None]}, None],
    ),
    "structs in an array": (ARRAY(Struct({"x": JSON})), [[{"x": {"a": 1}}, None], [], None]),
    "structs in a fixed array": (FixedArray(Struct({"x": JSON}), [2]), [[{"x": 1}, {"x": "a"}]]),
    "arrays in a map": (Map(String, ARRAY(JSON)), [{"k": [{"a": 1}, "text"], "l": []}]),
    "maps in an array": (ARRAY(Map(String, JSON)), [[{"a": [1]}, {}]]),
    "maps in structs in a struct": (
        Struct({"s": Struct({"m": Map(String, JSON)})}),
        [{"s": {"m": {"k": [1]}}}, {"s": {"m": {}}}, {"s": None}],
    ),
    "maps in a map": (Map(Integer, Map(String, Integer)), [{1: {"a": 2}, 3: {}}]),
    "truth": (ARRAY(Boolean), [[True, None, False], [], None]),
    "numbers": (ARRAY(Integer), [[1, None]]),
    "numbers without end": (ARRAY(Float), [[inf, -inf, 1.5]]),
    "durations": (ARRAY(Interval), [[timedelta(days=-1, microseconds=7)]]),
    "texts": (postgresql.ARRAY(String), [["it's", "\\", None]]),
    "bytes": (ARRAY(LargeBinary), [[b"\0'x"]]),
    "times": (ARRAY(UtcDateTime), [[MOMENT, None]]),
    "ids": (ARRAY(Uuid), [[ID]]),
    "documents": (ARRAY(JSON), [[{"a": 1}, "text"]]),
    "arrays of arrays": (ARRAY(Integer, dimensions=2), [[[1, None], None, []]]),
    "arrays of any depth": (ARRAY(Integer), [[[1, None], [2]]]),
    "fixed arrays": (FixedArray(Integer(), [2]), [[1, None]]),
}
#: SQLAlchemy's array takes as many dimensions as it has, but says so in its name only if told.
OF_ANY_DEPTH = {"arrays of any depth"}


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to an empty database."""
    with open_engine() as engine, engine.connect() as connection:
        yield connection


def one_column(connection: Connection, kind: TypeEngine[Any]) -> Table:
    table = Table("t", MetaData(), Column("id", Integer), Column("v", kind))
    table.create(connection)
    return table


@pytest.mark.parametrize("name", [name for name in CASES if name not in OF_ANY_DEPTH])
def test_values_come_back_as_they_went_in(connection: Connection, name: str) -> None:
    kind, values = CASES[name]
    table = one_column(connection, kind)
    rows = [{"id": number, "v": value} for number, value in enumerate(values * 8)]
    connection.execute(insert(table), rows)
    assert connection.scalars(select(table.c.v).order_by(table.c.id)).all() == values * 8
    for value in values:
        connection.execute(table.delete())
        connection.execute(insert(table).values(id=1, v=value))
        assert repr(connection.scalar(select(table.c.v))) == repr(value)
        if value is not None:
            assert connection.scalar(select(table.c.id).where(table.c.v == value)) == 1


@pytest.mark.parametrize("name", [name for name in CASES if name not in OF_ANY_DEPTH])
def test_a_literal_is_the_value_of_the_parameter(connection: Connection, name: str) -> None:
    kind, values = CASES[name]
    table = one_column(connection, kind)
    for value in values:
        connection.execute(table.delete())
        connection.execute(insert(table).values(id=1, v=literal(value, kind, literal_execute=True)))
        assert repr(connection.scalar(select(table.c.v))) == repr(value)
        if value is not None:
            same = table.c.v == literal(value, kind, literal_execute=True)
            assert connection.scalar(select(func.count()).where(same)) == 1


def test_an_array_of_a_type_without_literals_says_so(connection: Connection) -> None:
    class Point(UserDefinedType[Any]):
        cache_ok = True

        def get_col_spec(self, **_: Any) -> str:
            return "POINT_2D"

    with pytest.raises(CompileError, match=r"No literal value renderer is available .* ARRAY"):
        select(literal([1, 2], ARRAY(Point))).compile(
            connection, compile_kwargs={"literal_binds": True}
        )


def test_a_literal_that_says_no_depth_has_that_of_its_value(connection: Connection) -> None:
    kind, values = CASES["arrays of any depth"]
    table = one_column(connection, ARRAY(Integer, dimensions=2))
    for value in values:
        connection.execute(insert(table).values(v=literal(value, kind, literal_execute=True)))
    assert connection.scalars(select(table.c.v)).all() == values


@pytest.mark.parametrize("name", CASES)
def test_a_type_tells_the_class_of_its_values(name: str) -> None:
    kind, values = CASES[name]
    assert {type(value) for value in values if value is not None} == {kind.python_type}


def test_members_take_all_that_a_column_of_their_type_takes(connection: Connection) -> None:
    table = one_column(connection, Struct({"moment": UtcDateTime}))
    connection.execute(insert(table), [{"v": {"moment": 0}}, {"v": {"MOMENT": "1970-01-01"}}])
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert connection.scalars(select(table.c.v)).all() == [{"moment": epoch}] * 2


def test_only_the_case_of_ascii_letters_is_ignored_in_names(connection: Connection) -> None:
    table = one_column(connection, Struct({"ä": JSON, "Ä": Integer}))
    value = {"ä": [1], "Ä": 2}
    connection.execute(insert(table).values(v=value))
    connection.execute(insert(table).values(v=literal(value, table.c.v.type, literal_execute=True)))
    assert connection.scalars(select(table.c.v)).all() == [value, value]


def test_what_a_member_cannot_hold_is_refused(connection: Connection) -> None:
    table = one_column(connection, Map(String, Enum(Plan)))
    with pytest.raises(StatementError):
        connection.execute(insert(table).values(v={"x": "neither"}))


def test_structs_of_duckdb_engine_bind_their_members_too(connection: Connection) -> None:
    table = one_column(connection, engine_types.Struct({"x": JSON}))
    connection.execute(insert(table), [{"v": {"x": {"a": 1}}}])
    assert connection.exec_driver_sql("SELECT v.x.a::INTEGER FROM t").scalar() == 1


def test_maps_whose_keys_no_dict_can_have_come_as_duckdb_gives_them(connection: Connection) -> None:
    table = one_column(connection, Map(ARRAY(Integer), JSON))
    connection.exec_driver_sql("INSERT INTO t (v) VALUES (MAP {[1]: '{}'})")
    assert connection.scalar(select(table.c.v)) == {"key": [[1]], "value": ["{}"]}


@pytest.mark.parametrize(
    "kind",
    [
        Struct({"a": Integer, "b": String, "c": Float, "d": Date, "e": Numeric(9, 2)}),
        Struct({"a": Struct({"b": LargeBinary})}),
        Map(String, Float),
    ],
)
def test_results_without_conversions_are_left_alone(
    connection: Connection, kind: TypeEngine[Any]
) -> None:
    assert kind.dialect_impl(connection.dialect).result_processor(connection.dialect, None) is None


@pytest.mark.parametrize(
    "name",
    [
        "STRUCT(a INTEGER, b VARCHAR, c DECIMAL(10,2)[])",
        "MAP(VARCHAR, STRUCT(x HUGEINT, y BIGNUM))",
        "UNION(a TIMESTAMP_NS, b UUID)",
        "STRUCT(x JSON, y TIMESTAMP WITH TIME ZONE, z ENUM('a', 'b'), f DOUBLE)[]",
        "STRUCT(b BLOB, i INTERVAL, u UTINYINT)[3]",
    ],
)
def test_three_imports_are_enough_for_what_generators_of_models_write(name: str) -> None:
    script = (
        "from sqlalchemy.types import *\n"
        "from duckdb_engine.datatypes import *\n"
        "from mixpanel_data.dialect.datatypes import *\n"
    )
    known: dict[str, Any] = {}
    exec(script, known)
    kind = parse_type(name)
    assert repr(eval(repr(kind), known)) == repr(kind)
