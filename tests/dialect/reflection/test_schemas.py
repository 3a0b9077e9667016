"""A name belongs to one schema, and no other schema leaks in."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, inspect, select, types

from tests.dialect.reflection.helpers import DUCKDB_2, attach, execute_all


def test_schemas_of_other_databases_are_named_with_their_database(
    connection: Connection, tmp_path: Path
) -> None:
    attach(connection, tmp_path / "attached.db", '"my.file"')
    execute_all(connection, "CREATE SCHEMA other", 'CREATE SCHEMA "my.file"."a b"')
    assert inspect(connection).get_schema_names() == [
        "main",
        "other",
        '"my.file".a b',
        '"my.file".main',
    ]


def test_every_listed_schema_can_be_asked_for(connection: Connection, tmp_path: Path) -> None:
    attach(connection, tmp_path / "attached.db", '"my.file"')
    execute_all(
        connection, 'CREATE SCHEMA "it\'s ""x"" v1.2"', 'CREATE SCHEMA """"', "CREATE SCHEMA s"
    )
    inspector = inspect(connection)
    for number, schema in enumerate(inspector.get_schema_names()):
        table = Table(f"t{number}", MetaData(), Column("x", types.Integer), schema=schema)
        table.create(connection)
        connection.commit()
        assert inspector.has_schema(schema)
        assert inspector.get_table_names(schema) == [f"t{number}"]
        found = Table(f"t{number}", MetaData(), schema=schema, autoload_with=connection)
        assert connection.execute(select(found)).all() == []
    assert number == 4


@pytest.mark.parametrize("schema", ["missing", "missing.main", "main.main.main", "", '"main'])
def test_a_schema_that_is_not_there_is_empty(connection: Connection, schema: str) -> None:
    execute_all(connection, "CREATE TABLE a (x INTEGER)")
    inspector = inspect(connection)
    assert not inspector.has_schema(schema)
    assert inspector.get_table_names(schema) == []
    assert inspector.get_multi_columns(schema) == {}
    assert not inspector.has_table("a", schema=schema)


def test_a_table_of_the_same_name_in_an_attached_database_does_not_leak_in(
    connection: Connection, tmp_path: Path
) -> None:
    attach(connection, tmp_path / "attached.db", "attached")
    definition = "(x INTEGER, y VARCHAR UNIQUE, PRIMARY KEY (x), CHECK (x > 0))"
    execute_all(
        connection,
        "CREATE TABLE t (a INTEGER)",
        f"CREATE TABLE attached.t {definition}",
        "CREATE INDEX ix ON attached.t (y)",
        "COMMENT ON TABLE attached.t IS 'theirs'",
        "CREATE TABLE attached.theirs (a INTEGER)",
    )
    inspector = inspect(connection)
    assert inspector.get_table_names() == ["t"]
    assert not inspector.has_table("theirs")
    assert [found["name"] for found in inspector.get_columns("t")] == ["a"]
    assert inspector.get_pk_constraint("t")["constrained_columns"] == []
    assert inspector.get_unique_constraints("t") == []
    assert inspector.get_check_constraints("t") == []
    assert inspector.get_indexes("t") == []
    assert inspector.get_table_comment("t") == {"text": None}
    assert inspector.get_pk_constraint("t", schema="attached.main")["constrained_columns"] == ["x"]
    assert inspector.get_table_names(schema="attached.main") == ["t", "theirs"]


def test_a_table_of_the_same_name_in_another_schema_does_not_leak_in(
    connection: Connection,
) -> None:
    execute_all(
        connection,
        "CREATE SCHEMA other",
        "CREATE TABLE t (a INTEGER)",
        "CREATE TABLE other.t (x INTEGER PRIMARY KEY, y INTEGER REFERENCES other.t (x))",
    )
    inspector = inspect(connection)
    assert [found["name"] for found in inspector.get_columns("t")] == ["a"]
    assert inspector.get_foreign_keys("t") == []
    assert [found["name"] for found in inspector.get_columns("t", "other")] == ["x", "y"]
    (foreign_key,) = inspector.get_foreign_keys("t", "other")
    assert foreign_key["referred_schema"] == "other"
    assert list(inspector.get_multi_columns("other")) == [("other", "t")]


@pytest.mark.skipif(not DUCKDB_2, reason="this DuckDB has no schemas inside schemas")
def test_a_table_of_a_schema_inside_another_does_not_leak_in(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE SCHEMA outer_schema",
        "CREATE SCHEMA outer_schema.main",
        "CREATE TABLE outer_schema.main.t (x INTEGER)",
    )
    inspector = inspect(connection)
    assert inspector.get_schema_names() == ["main", "outer_schema"]
    assert not inspector.has_table("t")
    assert not inspector.has_table("t", schema="main")


def test_without_a_schema_the_current_one_is_meant(connection: Connection, tmp_path: Path) -> None:
    attach(connection, tmp_path / "attached.db", "attached")
    execute_all(
        connection,
        "CREATE SCHEMA attached.other",
        "CREATE TABLE attached.other.t (x INTEGER)",
        "USE attached.other",
    )
    inspector = inspect(connection)
    assert inspector.get_table_names() == ["t"]
    assert inspector.has_table("t", schema="other")
    assert inspector.get_schema_names() == ["main", "other", "first.main"]


def test_a_temporary_table_hides_another_of_the_same_name(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE T (a INTEGER)", "CREATE TEMP TABLE t (b INTEGER)")
    inspector = inspect(connection)
    assert [found["name"] for found in inspector.get_columns("t")] == ["b"]
    assert [found["name"] for found in inspector.get_columns("t", "main")] == ["a"]
    assert inspector.get_table_names() == ["T"]
    assert inspector.get_table_names("temp.main") == ["t"]


def test_foreign_keys_of_temporary_tables_are_found(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TEMP TABLE p (a INTEGER PRIMARY KEY)",
        "CREATE TEMP TABLE c (b INTEGER REFERENCES p (a))",
    )
    (foreign_key,) = inspect(connection).get_foreign_keys("c")
    assert foreign_key["referred_table"] == "p"
    assert foreign_key["referred_schema"] is None
