"""A table is renamed with what belongs to it: sequences, indexes, foreign keys, comments, rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    inspect,
    text,
)
from sqlalchemy.exc import IntegrityError, InvalidRequestError

from mixpanel_data.dialect.alembic import register_duckdb
from tests.engines import open_engine

# Alembic 1.20 believes that the checks are lost.
pytestmark = pytest.mark.filterwarnings("ignore:.*CHECK:UserWarning")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A connection to an empty database in a file, in a transaction."""
    register_duckdb()
    with open_engine(tmp_path / "app.db") as engine, engine.connect() as connection:
        yield connection


def operations(connection: Connection) -> Operations:
    settings = {"compare_type": True, "compare_server_default": True}
    return Operations(MigrationContext.configure(connection, opts=settings))


def people(name: str = "people", schema: str | None = None) -> MetaData:
    metadata = MetaData(schema=schema)
    teams = Table("teams", metadata, Column("id", Integer, primary_key=True))
    table = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, comment="counts"),
        Column("number", BigInteger, Identity(start=10, increment=5, maxvalue=100)),
        Column("name", String, server_default="it's :me"),
        Column("age", Integer, CheckConstraint("age > 0")),
        Column("twice", Integer, Computed("age * 2")),
        Column("team", ForeignKey(teams.c.id)),
        comment="all",
    )
    Index("by_name", table.c.name, unique=True)
    Index("by_lower", func.lower(table.c.name))
    Index("by_text", text("(name || '\\:x')"), _table=table)
    return metadata


def filled(connection: Connection, metadata: MetaData) -> None:
    metadata.create_all(connection)
    table = next(table for key, table in metadata.tables.items() if not key.endswith("teams"))
    connection.execute(metadata.tables[table.fullname.replace(table.name, "teams")].insert(), {})
    rows = [{"name": name, "age": 1, "team": 1} for name in "ab"]
    connection.execute(table.insert(), rows)
    connection.commit()


def facts(connection: Connection, name: str, schema: str | None = None) -> dict[str, Any]:
    inspector = inspect(connection)
    columns: list[Any] = inspector.get_columns(name, schema)
    for column in columns:
        # A copied sequence starts where the other one has come to.
        if column.pop("identity", None) is not None:
            column["default"] = "nextval"
    return {
        "columns": [
            {
                key: re.sub(r"nextval.*", "nextval", str(value))
                for key, value in column.items()
                if key != "type"
            }
            for column in columns
        ],
        "key": inspector.get_pk_constraint(name, schema),
        "checks": [one["sqltext"] for one in inspector.get_check_constraints(name, schema)],
        "foreign": inspector.get_foreign_keys(name, schema),
        "indexes": inspector.get_indexes(name, schema),
        "comment": inspector.get_table_comment(name, schema),
    }


@pytest.mark.parametrize(
    ("new", "schema"), [("users", None), ('a "b" it\'s', None), ("users", "Über all")]
)
def test_a_renamed_table_keeps_everything_and_counts_on(
    connection: Connection, new: str, schema: str | None
) -> None:
    if schema is not None:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    filled(connection, people(schema=schema))
    before = facts(connection, "people", schema)
    operations(connection).rename_table("people", new, schema=schema)
    assert facts(connection, new, schema) == before
    table = Table(new, MetaData(), schema=schema, autoload_with=connection)
    made = connection.execute(table.insert().returning(table.c.id, table.c.number), {"age": 3})
    assert made.all() == [(3, 20)]
    assert sorted(inspect(connection).get_sequence_names(schema)) == sorted(
        ["teams_id_seq", *(f"{new}_{name}_seq".replace('"', "_") for name in ("id", "number"))]
    )


def test_a_new_table_of_the_old_name_counts_by_itself(connection: Connection) -> None:
    filled(connection, people())
    operations(connection).rename_table("people", "users")
    with pytest.raises(Exception, match="by_"):  # an index keeps its name
        people().create_all(connection)
    connection.rollback()
    operations(connection).rename_table("people", "users")
    again = MetaData()
    made = Table("people", again, Column("id", Integer, primary_key=True))
    again.create_all(connection)
    assert connection.scalar(made.insert().returning(made.c.id)) == 1
    operations(connection).drop_table("users")
    assert connection.scalar(made.insert().returning(made.c.id)) == 2


@pytest.mark.parametrize("way", ["rename", "batch", "rename twice"])
def test_rows_that_a_copied_table_refers_to_can_still_be_deleted(
    connection: Connection, way: str
) -> None:
    filled(connection, people())
    connection.exec_driver_sql("INSERT INTO teams VALUES (7)")
    connection.commit()
    op = operations(connection)
    if way == "batch":
        with op.batch_alter_table("people", recreate="always") as batch:
            batch.alter_column("age", nullable=False)
    else:
        op.rename_table("people", "users")
    if way == "rename twice":
        op.rename_table("users", "others")
    connection.commit()
    connection.exec_driver_sql("DELETE FROM teams WHERE id = 7")
    with pytest.raises(IntegrityError):
        connection.exec_driver_sql("DELETE FROM teams WHERE id = 1")
    connection.rollback()
    (name,) = {"people", "users", "others"} & set(inspect(connection).get_table_names())
    op.drop_table(name)
    op.drop_table("teams")
    assert inspect(connection).get_table_names() == []


def test_autogenerate_finds_nothing_after_a_rename(connection: Connection) -> None:
    metadata = MetaData()
    Table("people", metadata, Column("id", Integer, primary_key=True))
    renamed = MetaData()
    Table("users", renamed, Column("id", Integer, primary_key=True))
    metadata.create_all(connection)
    op = operations(connection)
    op.rename_table("people", "users")
    assert compare_metadata(op.get_context(), renamed) == []
    # By SQL, the sequence keeps its name.
    connection.exec_driver_sql("ALTER TABLE users RENAME TO people")
    assert compare_metadata(op.get_context(), metadata) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("teams", r"foreign keys of people refer to it.*\?foreign_keys=off"),
        ("nodes", "a foreign key of its own"),
    ],
)
def test_a_table_that_keys_refer_to_is_not_renamed(
    connection: Connection, table: str, message: str
) -> None:
    metadata = people()
    Table("nodes", metadata, Column("id", Integer, primary_key=True)).append_column(
        Column("parent", ForeignKey("nodes.id"))
    )
    metadata.create_all(connection)
    with pytest.raises(InvalidRequestError, match=message):
        operations(connection).rename_table(table, "others")


def test_a_sequence_of_somebody_else_is_not_taken_over(connection: Connection) -> None:
    filled(connection, people())
    connection.exec_driver_sql("CREATE SEQUENCE users_id_seq")
    with pytest.raises(InvalidRequestError, match="needs a sequence 'users_id_seq'"):
        operations(connection).rename_table("people", "users")


def test_a_table_without_indexes_and_keys_is_renamed_by_duckdb(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE plain (i INTEGER)")
    operations(connection).rename_table("plain", "other")
    connection.exec_driver_sql("CREATE TEMP TABLE short (i INTEGER PRIMARY KEY)")
    operations(connection).rename_table("short", "shorter")
    assert connection.exec_driver_sql("FROM other, shorter").all() == []
