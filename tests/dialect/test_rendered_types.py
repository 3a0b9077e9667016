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
)
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
