"""What Alembic's autogenerate finds between models and a DuckDB database."""

from __future__ import annotations

import enum
import io
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    DateTime,
    Double,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.exc import InvalidRequestError, SAWarning

from mixpanel_data import UtcDateTime
from mixpanel_data.dialect.alembic.impl import register_duckdb
from mixpanel_data.dialect.datatypes import Map, Struct
from tests.engines import open_engine


class Color(enum.Enum):
    """Colours."""

    RED = 1
    GREEN = 2


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A connection to an empty database in a file."""
    register_duckdb()
    with open_engine(tmp_path / "app.db") as engine, engine.connect() as connection:
        yield connection


def context(connection: Connection, **options: Any) -> MigrationContext:
    settings = {"compare_type": True, "compare_server_default": True, **options}
    return MigrationContext.configure(connection, opts=settings)


def models() -> MetaData:
    metadata = MetaData()
    Table(
        "users",
        metadata,
        Column("id", Integer, primary_key=True, comment="counts"),
        Column("number", BigInteger, Identity(start=5)),
        Column("email", String(50), nullable=False, unique=True),
        Column("first", Text, server_default="it's"),
        Column("last", String, server_default=text("upper('x')")),
        Column("color", Enum(Color), server_default="RED"),
        Column("active", Boolean, server_default=text("true")),
        Column("score", Float, server_default="1.5"),
        Column("ratio", Double),
        Column("small", SmallInteger),
        Column("price", Numeric(10, 2), server_default=text("0")),
        Column("blob", LargeBinary),
        Column("made", DateTime, server_default=func.now()),
        Column("seen", UtcDateTime),
        Column("zoned", DateTime(timezone=True)),
        Column("lasted", Interval),
        Column("key", Uuid),
        Column("properties", JSON),
        Column("tags", ARRAY(String)),
        Column("place", Struct({"x": Float(), "y": Float()})),
        Column("counts", Map(String(), Integer())),
        Column("twice", Integer, Computed("small * 2")),
        UniqueConstraint("first", "last", name="full_name"),
        CheckConstraint("small > 0", name="small_positive"),
        comment="people",
    )
    Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id", name="fk_user"), index=True),
        Column("code", String),
        Index("order_code", "code", unique=True),
    )
    return metadata


def test_what_was_just_created_has_no_differences(connection: Connection) -> None:
    models().create_all(connection)
    assert compare_metadata(context(connection), models()) == []


@pytest.mark.parametrize(
    ("column", "type_", "differs"),
    [
        ("email", Text(), False),
        ("first", String(7), False),
        ("score", Double(), False),
        ("score", Float(10), True),
        ("number", Integer(), True),
        ("price", Numeric(10, 3), True),
        ("made", DateTime(timezone=True), True),
        ("color", Enum("RED", "BLUE"), True),
        ("tags", ARRAY(Integer), True),
        ("properties", String(), True),
        ("place", Struct({"x": Float(), "z": Float()}), True),
    ],
)
def test_types_differ_where_duckdb_tells_them_apart(
    connection: Connection, column: str, type_: Any, differs: bool
) -> None:
    models().create_all(connection)
    changed = models()
    changed.tables["users"].c[column].type = type_
    found: Any = compare_metadata(context(connection, compare_server_default=False), changed)
    assert [change[0][0] for change in found] == (["modify_type"] if differs else [])


def test_a_changed_default_is_found(connection: Connection) -> None:
    for default, differs in (("it's", False), ("other", True), (None, True)):
        database, changed = MetaData(), MetaData()
        Table("t", database, Column("x", String, server_default="it's"))
        Table("t", changed, Column("x", String, server_default=default))
        database.create_all(connection)
        found = compare_metadata(context(connection), changed)
        assert bool(found) is differs
        database.drop_all(connection)


def test_unique_constraints_are_told_apart_by_their_columns(connection: Connection) -> None:
    database, changed = MetaData(), MetaData()
    columns = [Column(name, Integer) for name in "abc"]
    Table("t", database, *columns, UniqueConstraint("a", "b"), UniqueConstraint("c"))
    Table(
        "t",
        changed,
        *(Column(name, Integer) for name in "abc"),
        UniqueConstraint("a", "b", name="named"),
        UniqueConstraint("b", "c"),
    )
    database.create_all(connection)
    found: Any = compare_metadata(context(connection), changed)
    assert sorted((kind, sorted(unique.columns.keys())) for kind, unique in found) == [
        ("add_constraint", ["b", "c"]),
        ("remove_constraint", ["c"]),
    ]


CONVENTION = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


@pytest.mark.parametrize("convention", [None, CONVENTION])
def test_constraints_that_models_lose_are_removed_and_come_back(
    connection: Connection, convention: dict[str, str] | None
) -> None:
    before, after = MetaData(), MetaData(naming_convention=convention)
    for metadata in (before, after):
        Table("shops", metadata, Column("id", Integer, primary_key=True))
        columns = [Column(name, Integer) for name in ("a", "b", "c")]
        Table("t", metadata, *columns, Index("ix", "c", unique=True), UniqueConstraint("c"))
    before.tables["t"].append_constraint(UniqueConstraint("a", name="uq_a"))
    before.tables["t"].append_constraint(UniqueConstraint("a", "b"))
    before.tables["t"].append_constraint(ForeignKeyConstraint(["b"], ["shops.id"], name="fk_b"))
    after.tables["t"].append_constraint(UniqueConstraint("b", "c", name="wide"))
    before.create_all(connection)
    assert compare_metadata(context(connection), before) == []
    migration = context(connection, target_metadata=after)
    script = produce_migrations(migration, after)
    for steps, models in ((script.upgrade_ops, after), (script.downgrade_ops, before)):
        assert steps is not None
        code = render_python_code(steps, render_as_batch=True, migration_context=migration)
        with Operations.context(migration) as op:
            exec(dedent("    " + code), {"op": op, "sa": sqlalchemy})
        assert compare_metadata(context(connection), models) == []


@pytest.mark.parametrize(
    "options",
    [
        {"ondelete": "CASCADE"},
        {"onupdate": "SET NULL"},
        {"deferrable": True},
        {"initially": "DEFERRED"},
    ],
)
def test_options_of_foreign_keys_that_duckdb_lacks_are_no_difference(
    connection: Connection, options: dict[str, Any]
) -> None:
    metadata = MetaData()
    Table("parents", metadata, Column("id", Integer, primary_key=True))
    Table("others", metadata, Column("id", Integer, primary_key=True))
    Table("children", metadata, Column("parent", ForeignKey("parents.id", **options)))
    with pytest.warns(SAWarning):
        metadata.create_all(connection)
    assert compare_metadata(context(connection), metadata) == []
    changed = MetaData()
    Table("parents", changed, Column("id", Integer, primary_key=True))
    Table("others", changed, Column("id", Integer, primary_key=True))
    Table("children", changed, Column("parent", ForeignKey("others.id", **options)))
    found: Any = compare_metadata(context(connection), changed)
    assert sorted(name for name, _ in found) == ["add_fk", "remove_fk"]


def test_the_generated_migration_makes_what_the_models_say(connection: Connection) -> None:
    migration = context(connection)
    script = produce_migrations(migration, models())
    assert script.upgrade_ops is not None
    imports: list[set[str]] = []

    def note_imports(kind: str, item: Any, autogen: AutogenContext) -> Literal[False]:
        imports.append(autogen.imports)
        return False

    code = render_python_code(
        script.upgrade_ops, render_item=note_imports, migration_context=migration
    )
    assert "sa.Enum('RED', 'GREEN'" in code
    with Operations.context(migration) as op:
        lines = [*imports[-1], code.replace("\n    ", "\n")]
        exec("\n".join(lines), {"op": op, "sa": sqlalchemy})
    assert compare_metadata(context(connection), models()) == []


def test_an_autoincrement_column_is_not_added_to_an_existing_table(
    connection: Connection,
) -> None:
    Table("t", MetaData(), Column("a", Integer)).create(connection)
    operations = Operations(context(connection))
    with pytest.raises(InvalidRequestError, match="'n' would count by itself"):
        operations.add_column("t", Column("n", Integer, Identity()))
    operations.add_column("t", Column("n", Integer))
    assert connection.exec_driver_sql("SELECT a, n FROM t").all() == []


def test_dropping_a_table_by_name_drops_its_sequence(connection: Connection) -> None:
    metadata = MetaData()
    Table("t", metadata, Column("id", Integer, primary_key=True))
    metadata.create_all(connection)
    Operations(context(connection)).drop_table("t")
    assert connection.exec_driver_sql("SELECT count(*) FROM duckdb_sequences()").scalar() == 0


def test_dropping_a_table_offline_prints_the_sql(connection: Connection) -> None:
    written = io.StringIO()
    offline = MigrationContext.configure(
        dialect=connection.dialect, opts={"as_sql": True, "output_buffer": written}
    )
    Operations(offline).drop_table("t")
    assert written.getvalue().split() == ["DROP", "TABLE", "t;"]
