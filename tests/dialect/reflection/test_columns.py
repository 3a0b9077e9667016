"""Columns and their types."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import duckdb
import pytest
from duckdb_engine import datatypes as engine_types
from sqlalchemy import Connection, MetaData, Table, cast, insert, inspect, null, select, types
from sqlalchemy.exc import SAWarning

from mixpanel_data.dialect.datatypes import Bit, FixedArray
from mixpanel_data.dialect.sql.parsing import parse_type
from tests.dialect.reflection.helpers import DUCKDB_2, column, execute_all


@pytest.mark.parametrize(
    ("duckdb_type", "expected"),
    [
        ("BIGINT", types.BigInteger),
        ("BIGNUM", engine_types.VarInt),
        ("BIT", Bit),
        ("BLOB", types.LargeBinary),
        ("BOOLEAN", types.Boolean),
        ("DATE", types.Date),
        ("DECIMAL(18,3)", types.Numeric),
        ("DOUBLE", types.DOUBLE_PRECISION),
        ("FLOAT", types.FLOAT),
        ("HUGEINT", engine_types.HugeInteger),
        ("INTEGER", types.Integer),
        ("INTERVAL", types.Interval),
        ("JSON", types.JSON),
        ("SMALLINT", types.SmallInteger),
        ("TIME", types.Time),
        ("TIME WITH TIME ZONE", types.Time),
        ("TIME_NS", types.Time),
        ("TIMESTAMP", types.DateTime),
        ("TIMESTAMP WITH TIME ZONE", types.DateTime),
        ("TIMESTAMP_MS", types.DateTime),
        ("TIMESTAMP_NS", types.DateTime),
        ("TIMESTAMP_S", types.DateTime),
        ("TINYINT", engine_types.TinyInteger),
        ("UBIGINT", engine_types.UBigInteger),
        ("UHUGEINT", engine_types.UHugeInteger),
        ("UINTEGER", engine_types.UInteger),
        ("USMALLINT", engine_types.USmallInteger),
        ("UTINYINT", engine_types.UTinyInteger),
        ("UUID", types.Uuid),
        ("VARCHAR", types.VARCHAR),
        ("ENUM('a', 'b''c')", types.Enum),
        ("INTEGER[]", types.ARRAY),
        ("INTEGER[3]", FixedArray),
        ("JSON[][2][]", FixedArray),
        ('STRUCT("a b" INTEGER, c VARCHAR[])', engine_types.Struct),
        ("MAP(VARCHAR, DECIMAL(4,1)[])", engine_types.Map),
        ("UNION(a INTEGER, b STRUCT(c DATE))", engine_types.Union),
    ],
)
def test_a_type_is_known_and_compiles_to_what_it_was(
    connection: Connection, duckdb_type: str, expected: type[types.TypeEngine[Any]]
) -> None:
    found = column(connection, f"x {duckdb_type}")
    assert isinstance(found["type"], expected)
    assert found["duckdb_type"] == duckdb_type
    compiled = found["type"].compile(connection.dialect)
    assert column(connection, f"x {compiled}")["duckdb_type"] == duckdb_type


@pytest.mark.skipif(not DUCKDB_2, reason="this DuckDB has no such type")
def test_nanoseconds_with_a_time_zone_are_known(connection: Connection) -> None:
    found = column(connection, "x TIMESTAMPTZ_NS")
    assert found["type"].timezone
    assert found["type"].compile(connection.dialect) == "TIMESTAMPTZ_NS"


def test_the_parts_of_a_type_are_read(connection: Connection) -> None:
    number = column(connection, "x DECIMAL(18,3)")["type"]
    assert (number.precision, number.scale) == (18, 3)
    assert column(connection, "x TIMESTAMPTZ")["type"].timezone
    assert not column(connection, "x TIMESTAMP")["type"].timezone
    assert column(connection, "x TIMETZ")["type"].timezone
    assert column(connection, "x INTEGER[][]")["type"].dimensions == 2
    assert column(connection, "x INTEGER[][3]")["type"].sizes == (None, 3)
    assert column(connection, "x ENUM('a, b', 'it''s', '(')")["type"].enums == [
        "a, b",
        "it's",
        "(",
    ]


def test_the_types_inside_a_type_are_read(connection: Connection) -> None:
    struct = column(
        connection, 'x STRUCT("a "" , b" JSON[], c MAP(DATE, UNION(u UUID, v ENUM(\')\'))))'
    )["type"]
    assert list(struct.fields) == ['a " , b', "c"]
    assert isinstance(struct.fields['a " , b'].item_type, types.JSON)
    mapping = struct.fields["c"]
    assert isinstance(mapping.key_type, types.Date)
    assert isinstance(mapping.value_type.fields["u"], types.Uuid)
    assert mapping.value_type.fields["v"].enums == [")"]


WITH_SYSTEM = pytest.param(
    "GEOMETRY('OGC:CRS84')",
    marks=pytest.mark.skipif(
        duckdb.__version__ == "1.5.0", reason="refused in the storage version of its files"
    ),
)


@pytest.mark.parametrize("duckdb_type", ["GEOMETRY", WITH_SYSTEM])
def test_a_geometry_keeps_its_reference_system(connection: Connection, duckdb_type: str) -> None:
    execute_all(connection, f"CREATE TABLE t (x INTEGER, place STRUCT(p {duckdb_type}, q DATE))")
    _, found = inspect(connection).get_columns("t")
    struct: Any = found["type"]
    assert struct.fields["p"].compile(connection.dialect) == duckdb_type
    assert isinstance(struct.fields["q"], types.Date)


def test_an_unknown_type_is_null_type_with_a_warning_that_names_the_column() -> None:
    with pytest.warns(SAWarning, match=r"'SHAPE' of column 'place'"):
        struct: Any = parse_type("STRUCT(p SHAPE(3), q DATE)", "place")
    assert isinstance(struct.fields["p"], types.NullType)
    assert isinstance(struct.fields["q"], types.Date)


def test_columns_come_in_order_with_all_that_is_known(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (b INTEGER NOT NULL, a VARCHAR DEFAULT 'it''s', c INTEGER DEFAULT 1+2)",
        "COMMENT ON COLUMN t.a IS 'a ''comment'''",
    )
    b, a, c = (dict(found) for found in inspect(connection).get_columns("t"))
    assert (b.pop("type").__class__, a.pop("type").__class__) == (types.INTEGER, types.VARCHAR)
    assert b == {
        "name": "b",
        "duckdb_type": "INTEGER",
        "nullable": False,
        "default": None,
        "autoincrement": False,
        "comment": None,
    }
    assert a == {
        "name": "a",
        "duckdb_type": "VARCHAR",
        "nullable": True,
        "default": "'it''s'",
        "autoincrement": False,
        "comment": "a 'comment'",
    }
    assert c["default"] == "(1 + 2)"


def test_views_have_columns_and_comments(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (x INTEGER, properties JSON)",
        "CREATE VIEW v AS SELECT (properties) AS p, (x + 1) AS y FROM t",
        "COMMENT ON COLUMN v.p IS 'column'",
        "COMMENT ON VIEW v IS 'view'",
    )
    p, y = inspect(connection).get_columns("v")
    assert (p["name"], p["comment"], y["name"]) == ("p", "column", "y")
    assert isinstance(p["type"], types.JSON)
    assert inspect(connection).get_table_comment("v") == {"text": "view"}


@pytest.mark.parametrize("sequence", ["ids", "main.ids", "it''s"])
def test_an_autoincrement_column_is_reflected_as_one(connection: Connection, sequence: str) -> None:
    execute_all(connection, "CREATE SEQUENCE ids", 'CREATE SEQUENCE "it\'s"')
    name = "\"it''s\"" if sequence == "it''s" else sequence
    found = column(connection, f"x INTEGER DEFAULT nextval('{name}')")
    assert found["default"] == f"nextval('{name}')"
    assert found["autoincrement"] is True


@pytest.mark.parametrize(
    "definition",
    [
        "INTEGER PRIMARY KEY",
        "INTEGER DEFAULT 1",
        "INTEGER DEFAULT (nextval('ids') + 1)",
        "VARCHAR DEFAULT nextval('ids')",
        "VARCHAR DEFAULT 'nextval(''ids'')'",
    ],
)
def test_other_columns_are_not_reflected_as_autoincrement(
    connection: Connection, definition: str
) -> None:
    execute_all(connection, "CREATE SEQUENCE ids")
    assert column(connection, f"x {definition}")["autoincrement"] is False


def test_a_generated_column_has_its_expression_and_no_default(connection: Connection) -> None:
    execute_all(
        connection,
        'CREATE TABLE "t(1" ("a,b" VARCHAR DEFAULT \'GENERATED ALWAYS AS (1)\', '
        '"GENERATED" INTEGER, "it""s" INTEGER GENERATED ALWAYS AS ("GENERATED" + 42))',
    )
    plain, named, generated = inspect(connection).get_columns("t(1")
    assert "computed" not in plain
    assert "computed" not in named
    assert generated["default"] is None
    assert generated["computed"] == {"sqltext": '("GENERATED" + 42)', "persisted": False}


def test_a_collation_is_part_of_the_type(connection: Connection) -> None:
    execute_all(
        connection,
        'CREATE TABLE t (a VARCHAR COLLATE nocase, "PRIMARY" VARCHAR COLLATE noaccent.nocase, '
        "c VARCHAR, PRIMARY KEY (c))",
    )
    a, primary, c = (found["type"] for found in inspect(connection).get_columns("t"))
    assert isinstance(a, types.VARCHAR)
    assert (a.collation, primary.collation, c.collation) == (  # type: ignore[attr-defined]
        "nocase",
        "noaccent.nocase",
        None,
    )


def test_values_survive_reflected_types(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (j JSON, a INTEGER[], f DOUBLE[2], e ENUM('x', 'y'), "
        "s STRUCT(k VARCHAR), m MAP(VARCHAR, INTEGER), b BLOB, i INTERVAL, u UUID, "
        "d DECIMAL(9,2), bits BIT, ts TIMESTAMP_MS)",
    )
    row = {
        "j": {"$browser": ["Chrome", None, 1.5]},
        "a": [1, None],
        "f": [0.5, 1.5],
        "e": "y",
        "s": {"k": "v"},
        "m": {"a": 1},
        "b": b"\x00\xff",
        "i": datetime.timedelta(days=1, microseconds=1),
        "u": uuid.UUID(int=1),
        "d": decimal.Decimal("1.25"),
        "bits": "0101",
        "ts": datetime.datetime(2024, 1, 2, 3, 4, 5, 6000),
    }
    table = Table("t", MetaData(), autoload_with=connection)
    connection.execute(insert(table), row)
    found = connection.execute(select(table)).mappings().one()
    assert {**found, "f": list(found["f"])} == row


def test_statements_with_reflected_types_are_cached(connection: Connection) -> None:
    first = column(connection, "x STRUCT(a INTEGER)")["type"]
    second = column(connection, "x STRUCT(b INTEGER)")["type"]
    for type_ in (first, second, first):
        assert connection.scalar(select(cast(null(), type_))) is None
    same = select(cast(null(), first))
    assert same._generate_cache_key() == select(cast(null(), first))._generate_cache_key()
    assert same._generate_cache_key() != select(cast(null(), second))._generate_cache_key()
