"""Autogenerate writes types that make the same columns again."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import Operations
from duckdb_engine import datatypes as engine_types
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    cast,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from mixpanel_data import UtcDateTime
from mixpanel_data.dialect.alembic import register_duckdb
from mixpanel_data.dialect.datatypes import FixedArray, Map, Struct, Union
from tests.engines import open_engine
from tests.examples import examples


class Size(enum.Enum):
    """Sizes."""

    SMALL = 1
    LARGE = 2


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A connection to a database in memory."""
    register_duckdb()
    with open_engine() as engine, engine.connect() as connection:
        yield connection


def upgraded(connection: Connection, type_: TypeEngine[Any]) -> tuple[str, Any]:
    """Write and run a migration of a column, and return its code and what autogenerate finds."""
    models, imports = MetaData(), set[str]()
    Table("t", models, Column("v", type_))
    migration = MigrationContext.configure(connection, opts={"target_metadata": models})

    def note_imports(kind: str, item: Any, autogen: AutogenContext) -> Literal[False]:
        imports.update(autogen.imports)
        return False

    script = produce_migrations(migration, models)
    assert script.upgrade_ops is not None
    options: Any = {"render_item": note_imports, "migration_context": migration}
    render_python_code(script.upgrade_ops, **options)
    code = render_python_code(script.upgrade_ops, **options)
    with Operations.context(migration) as op:
        exec("\n".join([*imports, code.replace("\n    ", "\n")]), {"op": op, "sa": sqlalchemy})
    found = compare_metadata(migration, models)
    connection.exec_driver_sql("DROP TABLE t")
    return code, found


LEAVES: list[TypeEngine[Any]] = [
    *(BigInteger(), Integer(), Numeric(), Numeric(10, 2), Double(), Float(), Float(10), REAL()),
    *(DateTime(), DateTime(timezone=True), UtcDateTime(), Date(), JSON(), Text(), String(5)),
    *(CHAR(3), Uuid(), Uuid(native_uuid=False), Enum("a", "b'"), Enum(Size, native_enum=False)),
    *(kind() for kind in engine_types.types),
]
NESTED: st.SearchStrategy[TypeEngine[Any]] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["x", "a b", "select"]), inner, min_size=1).map(Struct),
        st.dictionaries(st.sampled_from(["x", "a b", "select"]), inner, min_size=1).map(Union),
        st.builds(Map, st.sampled_from(LEAVES), inner),
        st.builds(FixedArray, inner.filter(lambda kind: not isinstance(kind, ARRAY)), st.just(2)),
        inner.filter(lambda kind: not isinstance(kind, ARRAY)).map(ARRAY),
    ),
    max_leaves=4,
)


@examples(25)
@given(type_=NESTED)
def test_a_generated_migration_makes_any_nested_type(
    connection: Connection, type_: TypeEngine[Any]
) -> None:
    _, found = upgraded(connection, type_)
    assert found == []


@pytest.mark.parametrize("type_", LEAVES, ids=repr)
def test_any_type_may_be_within_another(connection: Connection, type_: TypeEngine[Any]) -> None:
    for nested in (Struct({"x": type_}), FixedArray(type_, 2), Map(type_, type_), type_):
        assert upgraded(connection, nested)[1] == []


def test_types_that_only_duckdb_has_are_written_as_duckdb_spells_them(
    connection: Connection,
) -> None:
    code, _ = upgraded(connection, Struct({"x": Numeric(10, 2), "y": ARRAY(String(5))}))
    assert "parse_type('STRUCT(x DECIMAL(10,2), y VARCHAR[])')" in code
    code, _ = upgraded(connection, engine_types.UInteger())
    assert "parse_type('UINTEGER')" in code


@pytest.mark.parametrize(
    "type_",
    [
        postgresql.JSONB(astext_type=Text()),
        postgresql.JSONB(),
        postgresql.JSON(astext_type=String(5)),
        postgresql.ARRAY(Text()),
        postgresql.ARRAY(postgresql.JSONB(astext_type=Text())),
        postgresql.ARRAY(Struct({"x": Numeric(10, 2)})),
        ARRAY(postgresql.JSONB(astext_type=Text())),
        JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql"),
        ARRAY(String).with_variant(postgresql.ARRAY(Text()), "postgresql"),
        Struct({"x": Text()}).with_variant(postgresql.JSONB(), "postgresql"),
        postgresql.UUID(),
        postgresql.TIMESTAMP(precision=3),
        postgresql.ENUM("a", "b", name="letters"),
    ],
    ids=repr,
)
def test_types_of_postgresql_are_written_with_those_within_them(
    connection: Connection, type_: TypeEngine[Any]
) -> None:
    assert upgraded(connection, type_)[1] == []


@pytest.mark.parametrize("type_", [postgresql.CITEXT(), String(collation="nocase")], ids=repr)
def test_a_text_with_a_collation_is_compared(
    connection: Connection, type_: TypeEngine[Any]
) -> None:
    assert upgraded(connection, type_)[1] == []
    models, plain = MetaData(), MetaData()
    Table("c", models, Column("v", type_, server_default="x"))
    Table("c", plain, Column("v", String, server_default=text("lower('X')")))
    migration = MigrationContext.configure(connection)
    models.create_all(connection)
    (((kind, *_),),) = compare_metadata(migration, plain)
    assert kind == "modify_type"
    plain.tables["c"].c.v.type = type_
    assert compare_metadata(migration, plain) == []
    models.drop_all(connection)


def test_a_batch_changes_the_collation_of_a_column(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE c (v VARCHAR)")
    connection.exec_driver_sql("INSERT INTO c VALUES ('Ab')")
    op = Operations(MigrationContext.configure(connection))
    for type_, found in ((postgresql.CITEXT(), 1), (String(), 0)):
        with op.batch_alter_table("c", recreate="always") as batch:
            batch.alter_column("v", type_=type_)
        count = connection.exec_driver_sql("SELECT count(*) FROM c WHERE v = 'aB'")
        assert count.scalar_one() == found
    connection.exec_driver_sql("DROP TABLE c")


def test_a_cast_to_a_type_with_a_collation_compares_so(connection: Connection) -> None:
    assert connection.scalar(select(cast(literal("Ab"), postgresql.CITEXT) == "aB")) is True
    assert connection.scalar(select(cast(literal("Ab"), String) == "aB")) is False
