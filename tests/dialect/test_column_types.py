"""Column types: values come back unchanged, and reflection gives the declared type."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from duckdb_engine import datatypes as engine_types
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Connection,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Uuid,
    cast,
    func,
    insert,
    inspect,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.datatypes import FixedArray, Map, Struct, Union
from tests.engines import open_engine


class Plan(enum.Enum):
    """Plans, with names that need quotes."""

    FREE = "free"
    PRO = "it's pro"


UTC = timezone.utc
ID = UUID("12345678-1234-5678-1234-567812345678")
CASES: list[tuple[TypeEngine[Any], str, list[Any]]] = [
    (Integer(), "INTEGER", [0, -(2**31), 2**31 - 1]),
    (BigInteger(), "BIGINT", [-(2**63), 2**63 - 1]),
    (SmallInteger(), "SMALLINT", [-(2**15), 2**15 - 1]),
    (engine_types.HugeInteger(), "HUGEINT", [2**127 - 1, -(2**127) + 1]),
    (engine_types.UHugeInteger(), "UHUGEINT", [2**128 - 1]),
    (Boolean(), "BOOLEAN", [True, False]),
    (Float(), "DOUBLE", [0.1, 1e300, -0.0]),
    (Float(53), "DOUBLE", [0.1]),
    (Float(24), "FLOAT", [0.5]),
    (Double(), "DOUBLE", [0.1]),
    (Numeric(12, 4), "DECIMAL(12,4)", [Decimal("12345678.1234"), Decimal("-0.0001")]),
    (Numeric(38, 0), "DECIMAL(38,0)", [Decimal(10**37 + 1), Decimal("1E+3")]),
    (Numeric(10, 2, asdecimal=False), "DECIMAL(10,2)", [1.25]),
    (String(), "VARCHAR", ["", "ü😀", "it's"]),
    (String(3), "VARCHAR", ["longer than three"]),
    (Text(), "VARCHAR", ["text"]),
    (LargeBinary(), "BLOB", [b"", b"\x00\xff'"]),
    (Date(), "DATE", [date(1, 1, 1), date(9999, 12, 31)]),
    (Time(), "TIME", [time(23, 59, 59, 999999)]),
    (DateTime(), "TIMESTAMP", [datetime(2025, 1, 31, 12, 0, 0, 1)]),
    (DateTime(timezone=True), "TIMESTAMP WITH TIME ZONE", [datetime(2025, 1, 31, 12, tzinfo=UTC)]),
    (Interval(), "INTERVAL", [timedelta(days=400, microseconds=1), timedelta(days=-1)]),
    (Uuid(), "UUID", [ID, uuid4()]),
    (Uuid(as_uuid=False), "UUID", [str(ID)]),
    (Enum("a", "b'c", 'd"', ","), """ENUM('a', 'b''c', 'd"', ',')""", ["a", "b'c", 'd"', ","]),
    (Enum(Plan), "ENUM('FREE', 'PRO')", list(Plan)),
    (Enum("a", native_enum=False), "VARCHAR", ["a"]),
    (postgresql.JSONB(), "JSON", [{"a": 1}]),
    (JSON(), "JSON", [{"a": [1, None, "ü"]}, [], "text", 1, True]),
    (ARRAY(Integer), "INTEGER[]", [[1, 2], []]),
    (ARRAY(String, dimensions=2), "VARCHAR[][]", [[["a"], ["b", "c"]]]),
    (FixedArray(Integer(), [2]), "INTEGER[2]", [[1, 2]]),
    (
        Struct({"a b": Integer(), "c": ARRAY(String)}),
        'STRUCT("a b" INTEGER, c VARCHAR[])',
        [{"a b": 1, "c": ["x"]}],
    ),
    (Union({"n": Integer(), "s": String()}), "UNION(n INTEGER, s VARCHAR)", [1, "x"]),
    (Map(String(), Integer()), "MAP(VARCHAR, INTEGER)", [{"a": 1, "b c": 2}, {}]),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An empty database."""
    with open_engine() as engine:
        yield engine


def one_column(type_: TypeEngine[Any], **options: Any) -> Table:
    return Table("t", MetaData(), Column("x", type_, **options))


@pytest.mark.parametrize(("type_", "duckdb_type", "values"), CASES, ids=lambda part: str(part)[:30])
def test_values_come_back_through_declared_and_reflected_types(
    connection: Connection, type_: TypeEngine[Any], duckdb_type: str, values: list[Any]
) -> None:
    table = one_column(type_)
    table.create(connection)
    assert dict(inspect(connection).get_columns("t")[0])["duckdb_type"] == duckdb_type
    for value in values:
        connection.execute(table.delete())
        connection.execute(insert(table), [{"x": value}])
        assert connection.scalar(select(table.c.x)) == value
        assert type(connection.scalar(select(table.c.x))) is type(value)
        assert connection.scalar(select(table.c.x).where(table.c.x == value)) == value
    reflected = Table("t", MetaData(), autoload_with=connection)
    again = reflected.to_metadata(MetaData(), name="again")
    again.create(connection)
    assert dict(inspect(connection).get_columns("again")[0])["duckdb_type"] == duckdb_type
    connection.execute(insert(table), [{"x": None}])
    assert connection.scalar(select(func.count()).where(table.c.x.is_(None))) == (
        0 if isinstance(type_, JSON) else 1
    )


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.10"),
        True,
        "it's \\ ü",
        b"\x00'\xff",
        date(2025, 1, 31),
        time(12, 30, 1, 5),
        datetime(2025, 1, 31, 12, 0, 0, 123),
        timedelta(days=-3, microseconds=7),
        ID,
        Plan.PRO,
    ],
    ids=repr,
)
def test_literals_are_equal_to_parameters(connection: Connection, value: Any) -> None:
    type_: Any = Enum(Plan) if isinstance(value, Plan) else None
    written = literal(value, type_, literal_execute=True)
    assert connection.scalar(select(written)) == value
    if not isinstance(value, Plan):
        assert connection.scalar(select(written == literal(value, type_))) is True


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_any_decimal_is_stored_rounded_to_its_scale(engine: Engine, number: Decimal) -> None:
    table = one_column(Numeric(38, 6))
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(insert(table).values(x=round(number, 6)))
        assert connection.scalar(select(table.c.x)) == round(number, 6)


def test_division_gives_decimals_of_the_declared_type(connection: Connection) -> None:
    third = cast(literal(1), Numeric(10, 4)) / cast(literal(3), Numeric(10, 4))
    assert connection.scalar(select(third)) == Decimal("0.3333")


@pytest.mark.parametrize(
    ("type_", "value"),
    [(Enum("a", "b"), "c"), (SmallInteger(), 2**15), (Numeric(4, 2), Decimal(100))],
)
def test_what_a_column_cannot_hold_is_refused(
    connection: Connection, type_: TypeEngine[Any], value: Any
) -> None:
    if isinstance(type_, Enum):
        type_ = Enum("a", "b", validate_strings=False)
    table = one_column(type_)
    table.create(connection)
    with pytest.raises((DBAPIError, LookupError)):
        connection.execute(insert(table).values(x=value))


def test_an_enum_makes_no_type_of_its_own(connection: Connection) -> None:
    metadata = MetaData()
    for name in ("first", "second"):
        Table(name, metadata, Column("plan", Enum(Plan, name="plan")))
    metadata.create_all(connection)
    assert not inspect(connection).has_table("plan")
    made = "SELECT count(*) FROM duckdb_types() WHERE type_name = 'plan'"
    assert connection.exec_driver_sql(made).scalar() == 0
    metadata.drop_all(connection)


@pytest.mark.parametrize("start", [None, 1, 2])
@pytest.mark.parametrize("stop", [None, 2, 4])
@pytest.mark.parametrize("step", [None, 1, 2])
def test_a_bound_of_a_slice_may_be_left_out(
    start: int | None, stop: int | None, step: int | None, connection: Connection
) -> None:
    table = Table("t", MetaData(), Column("numbers", ARRAY(Integer)))
    table.create(connection)
    connection.execute(insert(table).values(numbers=[1, 2, 3, 4, 5]))
    part = connection.scalar(select(table.c.numbers[start:stop:step]))
    assert part == list(range(start or 1, (stop or 5) + 1, step or 1))


def test_a_computed_column_follows_its_row(connection: Connection) -> None:
    table = Table(
        "t", MetaData(), Column("a", Integer), Column("double", Integer, Computed("a * 2"))
    )
    table.create(connection)
    row = connection.execute(insert(table).values(a=21).returning(table.c.double)).one()
    assert row.double == 42
    connection.execute(table.update().values(a=1))
    assert connection.scalar(select(table.c.double)) == 2
    (_, found) = inspect(connection).get_columns("t")
    assert found["computed"] == {"sqltext": "(a * 2)", "persisted": False}
    Table("t", MetaData(), autoload_with=connection).to_metadata(MetaData(), name="u").create(
        connection
    )
    assert inspect(connection).get_columns("u")[1]["computed"] == found["computed"]


def test_comments_on_tables_and_columns_are_kept(connection: Connection) -> None:
    table = Table("t", MetaData(), Column("a", Integer, comment="it's a"), comment="a 'table' \\ ü")
    table.create(connection)
    assert inspect(connection).get_table_comment("t") == {"text": "a 'table' \\ ü"}
    assert inspect(connection).get_columns("t")[0]["comment"] == "it's a"
