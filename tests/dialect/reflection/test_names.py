"""Names of tables, views, sequences, types and indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, MetaData, Sequence, Table, inspect, types
from sqlalchemy.exc import ArgumentError, NoSuchTableError
from sqlalchemy.sql.elements import quoted_name

from tests.dialect.reflection.helpers import attach, execute_all


def test_tables_views_and_temporary_ones_are_listed_apart(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE b (x INTEGER)",
        "CREATE TABLE a (x INTEGER)",
        "CREATE VIEW v AS SELECT * FROM a",
        "CREATE TEMP TABLE t (x INTEGER)",
        "CREATE TEMP VIEW tv AS SELECT 1 AS x",
    )
    inspector = inspect(connection)
    assert inspector.get_table_names() == ["a", "b"]
    assert inspector.get_view_names() == ["v"]
    assert inspector.get_temp_table_names() == ["t"]
    assert inspector.get_temp_view_names() == ["tv"]
    assert inspector.get_materialized_view_names() == []


@pytest.mark.parametrize("name", ["a", "v", "t", "tv"])
def test_tables_views_and_temporary_ones_are_all_found(connection: Connection, name: str) -> None:
    execute_all(
        connection,
        "CREATE TABLE a (x INTEGER)",
        "CREATE VIEW v AS SELECT * FROM a",
        "CREATE TEMP TABLE t (x INTEGER)",
        "CREATE TEMP VIEW tv AS SELECT 1 AS x",
    )
    assert inspect(connection).has_table(name)
    assert not inspect(connection).has_table(name, schema="elsewhere")


def test_names_are_found_in_any_case(connection: Connection) -> None:
    execute_all(connection, 'CREATE TABLE "Events" (x INTEGER)', "CREATE INDEX ix ON Events (X)")
    inspector = inspect(connection)
    assert inspector.has_table("eVENTS", schema="MAIN")
    assert inspector.has_schema("Main")
    assert inspector.has_index("EVENTS", "IX")
    assert [found["name"] for found in inspector.get_columns("EVENTS")] == ["x"]
    assert inspector.get_indexes("events")[0]["column_names"] == ["x"]
    assert Table("events", MetaData(), autoload_with=connection).columns.keys() == ["x"]


def test_only_ascii_letters_are_the_same_in_both_cases(connection: Connection) -> None:
    execute_all(connection, 'CREATE TABLE "Ä" (upper INTEGER)', 'CREATE TABLE "ä" (lower INTEGER)')
    inspector = inspect(connection)
    assert [found["name"] for found in inspector.get_columns("Ä")] == ["upper"]
    assert [found["name"] for found in inspector.get_columns("ä")] == ["lower"]


def test_a_name_that_is_asked_for_twice_is_answered_twice(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE a (x INTEGER)")
    found = connection.dialect.has_multi_table(connection, ["a", "A", "b"])
    assert dict(found) == {(None, "a"): True, (None, "A"): True, (None, "b"): False}
    comments = inspect(connection).get_multi_table_comment(filter_names=["a", "A"])
    assert list(comments) == [(None, "a"), (None, "A")]


@pytest.mark.parametrize("name", ["a b", 'a"b', "a'b", "a.b", "a%b", "(a)", "[a]", "select", ":a"])
def test_no_character_in_a_name_is_special(connection: Connection, name: str) -> None:
    table = Table(name, MetaData(), Column(name, types.Integer, index=True), comment="it's")
    table.metadata.create_all(connection)
    inspector = inspect(connection)
    assert inspector.get_table_names() == [name]
    assert inspector.has_table(quoted_name(name, quote=True))
    assert [found["name"] for found in inspector.get_columns(name)] == [name]
    assert inspector.get_indexes(name)[0]["column_names"] == [name]
    assert inspector.get_table_comment(name) == {"text": "it's"}


def test_sequences_are_listed_without_temporary_ones_and_found_with_them(
    connection: Connection,
) -> None:
    execute_all(
        connection, "CREATE SEQUENCE ids", "CREATE TEMP SEQUENCE passing", "CREATE SCHEMA s"
    )
    inspector = inspect(connection)
    assert inspector.get_sequence_names() == ["ids"]
    assert inspector.has_sequence("IDS")
    assert inspector.has_sequence("passing")
    assert not inspector.has_sequence("ids", schema="s")


def test_an_existing_sequence_is_not_created_again(connection: Connection) -> None:
    sequence = Sequence("ids")
    sequence.create(connection)
    sequence.create(connection, checkfirst=True)
    assert inspect(connection).get_sequence_names() == ["ids"]


def test_types_are_found_in_their_own_schema(connection: Connection, tmp_path: Path) -> None:
    attach(connection, tmp_path / "attached.db", "attached")
    execute_all(
        connection, "CREATE TYPE mood AS ENUM ('ok')", "CREATE TYPE attached.else AS ENUM ('')"
    )
    dialect: Any = connection.dialect
    assert dialect.has_type(connection, "MOOD")
    assert dialect.has_type(connection, "else", schema="attached.main")
    assert not dialect.has_type(connection, "else")
    assert not dialect.has_type(connection, "integer")


def test_indexes_are_found_on_their_own_table(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE a (x INTEGER)",
        "CREATE TEMP TABLE b (x INTEGER)",
        "CREATE INDEX ix_a ON a (x)",
        "CREATE INDEX ix_b ON b (x)",
    )
    inspector = inspect(connection)
    assert inspector.has_index("a", "ix_a")
    assert inspector.has_index("b", "ix_b")
    assert not inspector.has_index("a", "ix_b")
    assert not inspector.has_index("missing", "ix_a")


def test_the_definition_of_a_view_is_the_whole_statement(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE a (x INTEGER)", "CREATE VIEW v (y) AS SELECT x FROM a")
    definition = inspect(connection).get_view_definition("V")
    assert definition == "CREATE VIEW v (y) AS SELECT x FROM a;"


@pytest.mark.parametrize("name", ["a", "missing"])
def test_only_views_have_a_definition(connection: Connection, name: str) -> None:
    execute_all(connection, "CREATE TABLE a (x INTEGER)")
    with pytest.raises(NoSuchTableError, match=name):
        inspect(connection).get_view_definition(name)


def test_an_inspector_remembers_until_its_cache_is_cleared(connection: Connection) -> None:
    inspector = inspect(connection)
    assert inspector.get_table_names() == []
    assert not inspector.has_table("a")
    execute_all(connection, "CREATE TABLE a (x INTEGER)")
    assert inspector.get_table_names() == []
    assert not inspector.has_table("a")
    inspector.clear_cache()
    assert inspector.get_table_names() == ["a"]
    assert inspector.has_table("a")


def test_the_dialect_looks_for_a_table_on_a_connection_only(connection: Connection) -> None:
    engine: Any = connection.engine
    with pytest.raises(ArgumentError, match=r"should be a Connection, not .*inspect\(engine\)"):
        engine.dialect.has_table(engine, "a")
