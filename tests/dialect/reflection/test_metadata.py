"""Tables and whole databases reflected into MetaData."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Enum,
    MetaData,
    Table,
    event,
    inspect,
    select,
    text,
    types,
)
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import TextClause

from mixpanel_data.dialect.datatypes import Struct
from tests.dialect.reflection.helpers import (
    MULTI_FORMS,
    counted_statements,
    execute_all,
)
from tests.engines import open_engine

DATABASE = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, b INTEGER, c INTEGER, UNIQUE (b, c))",
    "CREATE TABLE child (id VARCHAR, x INTEGER, y INTEGER, parent_id INTEGER NOT NULL "
    "REFERENCES parent (id), PRIMARY KEY (y, x), FOREIGN KEY (x, y) REFERENCES parent (b, c), "
    "CHECK (x > 0), CHECK (x < 9 AND id <> ' :name'))",
    "CREATE TABLE kinds (e ENUM('a', 'b'), j JSON DEFAULT '{\"a\":1}', s STRUCT(\"a b\" "
    "ENUM('c')[], t TIMESTAMP_NS[2]), n VARCHAR COLLATE nocase NOT NULL, d DECIMAL(9,3) "
    "DEFAULT 0.5, m MAP(VARCHAR, UNION(u BLOB, v UUID)), ts TIMESTAMP DEFAULT now(), "
    "text VARCHAR DEFAULT '\\:a ::b :c')",
    'CREATE TABLE "Select ""1" ("Order" INTEGER, self INTEGER PRIMARY KEY)',
    "CREATE INDEX ix_child ON child (parent_id, (x + y), lower(id || ' :a'))",
    "CREATE UNIQUE INDEX ix_unique ON child (parent_id)",
    "COMMENT ON TABLE child IS 'it''s'",
    "COMMENT ON COLUMN child.id IS 'a : b'",
)


def reflect_all(connection: Connection) -> dict[str, str]:
    inspector = inspect(connection)
    return {name: repr(getattr(inspector, name)()) for name in MULTI_FORMS}


def test_a_reflected_database_can_be_created_again_and_is_the_same(
    connection: Connection, tmp_path: Path
) -> None:
    execute_all(connection, *DATABASE)
    metadata = MetaData()
    metadata.reflect(connection)
    with open_engine(tmp_path / "second.db") as second:
        metadata.create_all(second)
        with second.connect() as other:
            assert reflect_all(other) == reflect_all(connection)


def test_reflecting_a_database_takes_few_statements(connection: Connection) -> None:
    execute_all(connection, *DATABASE)
    with counted_statements(connection) as statements:
        MetaData().reflect(connection)
    assert len(statements) == len(MULTI_FORMS) + 1


def test_reflecting_a_table_reflects_the_tables_it_refers_to(connection: Connection) -> None:
    execute_all(connection, *DATABASE)
    child = Table("child", MetaData(), autoload_with=connection)
    assert set(child.metadata.tables) == {"child", "parent"}
    assert child.c.parent_id.references(child.metadata.tables["parent"].c.id)
    assert [one.name for one in child.primary_key] == ["y", "x"]


def test_views_are_reflected_when_asked_for(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (x INTEGER)", "CREATE VIEW v AS SELECT x FROM t")
    metadata = MetaData()
    metadata.reflect(connection)
    assert set(metadata.tables) == {"t"}
    metadata.reflect(connection, views=True)
    assert set(metadata.tables) == {"t", "v"}


def test_a_missing_table_cannot_be_loaded(connection: Connection) -> None:
    with pytest.raises(NoSuchTableError, match="missing"):
        Table("missing", MetaData(), autoload_with=connection)


def test_classes_can_be_mapped_from_the_database(engine: Engine) -> None:
    with engine.connect() as connection:
        execute_all(
            connection,
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id))",
        )
    base = automap_base()
    base.prepare(autoload_with=engine)
    with Session(engine) as session:
        parent = base.classes.parent(id=1)
        session.add(parent)
        session.flush()
        parent.child_collection.append(base.classes.child(id=2))
        session.commit()
        assert session.scalars(select(base.classes.child.parent_id)).all() == [1]


def test_a_generated_column_is_loaded_as_one(connection: Connection) -> None:
    execute_all(
        connection, "CREATE TABLE t (x VARCHAR, y VARCHAR GENERATED ALWAYS AS (x || ' :a'))"
    )
    table = Table("t", MetaData(), autoload_with=connection)
    assert table.c.y.computed is not None
    assert str(table.c.y.computed.sqltext.compile(dialect=connection.dialect)) == "(x || ' :a')"
    assert table.c.y.server_default is table.c.y.computed


def test_what_the_application_defined_is_left_as_it_is(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (x INTEGER DEFAULT 1, y INTEGER, CHECK (x <> 7))")
    metadata = MetaData()
    check = CheckConstraint(text("x > :limit").bindparams(limit=0))
    Table("t", metadata, Column("y", types.Integer), check, autoload_with=connection)
    own, reflected = sorted(
        (
            str(
                one.sqltext.compile(
                    dialect=connection.dialect, compile_kwargs={"literal_binds": True}
                )
            )
            for one in metadata.tables["t"].constraints
            if isinstance(one, CheckConstraint)
        ),
        key=len,
    )
    assert (own, reflected) == ("x > 0", "x != 7")


def test_a_listener_may_replace_a_default(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (x INTEGER DEFAULT 1)")
    metadata = MetaData()

    @event.listens_for(metadata, "column_reflect")
    def replace(inspector: Any, table: Table, found: Any) -> None:
        found["default"] = text("2")

    table = Table("t", metadata, autoload_with=connection)
    default: Any = table.c.x.server_default
    assert isinstance(default.arg, TextClause)
    assert default.arg.text == "2"


def test_types_can_be_copied_to_another_metadata(connection: Connection) -> None:
    execute_all(connection, *DATABASE)
    kinds = Table("kinds", MetaData(), autoload_with=connection).to_metadata(MetaData())
    compiled = [one.type.compile(dialect=connection.dialect) for one in kinds.columns]
    assert isinstance(kinds.c.e.type, Enum)
    assert compiled[0] == "ENUM('a', 'b')"
    assert isinstance(kinds.c.s.type, Struct)
    assert compiled[2] == 'STRUCT("a b" ENUM(\'c\')[], "t" TIMESTAMP_NS[2])'
