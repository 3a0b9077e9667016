"""Autogenerate compares indexes on expressions as DuckDB reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    case,
    cast,
    extract,
    func,
    text,
)

from mixpanel_data.dialect.alembic import register_duckdb
from tests.engines import open_engine

Parts = Callable[[Any], list[Any]]

#: An index on a table whose columns are x, "Y y", d.
INDEXES: dict[str, Parts] = {
    "a column": lambda c: [c.x],
    "an order": lambda c: [c.x.desc().nulls_last(), c["Y y"].asc()],
    "an order of an expression": lambda c: [(c.x + "a").desc()],
    "a function": lambda c: [func.lower(c.x)],
    "a function of two": lambda c: [func.coalesce(c.x, "")],
    "columns and functions": lambda c: [c.x, func.abs(c["Y y"]), c.d],
    "an operator": lambda c: [c["Y y"] + 1],
    "a quote": lambda c: [c.x + "it's :me 100%"],
    "a cast": lambda c: [cast(c["Y y"], String)],
    "a case": lambda c: [case((c["Y y"] > 1, "a"), else_="b")],
    "a part of a date": lambda c: [extract("year", c.d)],
    "a date": lambda c: [func.date_trunc("day", c.d)],
    "a qualified function": lambda c: [text("system.main.lower(X)")],
    "text": lambda c: [text("LOWER( x )")],
    "text with a table": lambda c: [text("lower(t.x)")],
    "text of a column": lambda c: [text('"Y y" DESC')],
    "text of several": lambda c: [text("x, (upper(x) || '\\:a') DESC")],
}


@pytest.fixture
def connection() -> Iterator[Connection]:
    register_duckdb()
    with open_engine() as engine, engine.connect() as connection:
        yield connection


def declared(parts: Parts | None, **options: Any) -> MetaData:
    metadata = MetaData()
    table = Table("t", metadata, Column("x", String), Column("Y y", Integer), Column("d", DateTime))
    if parts is not None:
        Index("i", *parts(table.c), _table=table, **options)
    return metadata


def changes(connection: Connection, model: MetaData) -> list[str]:
    found: list[Any] = compare_metadata(MigrationContext.configure(connection), model)
    return [name for name, *_ in found]


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_was_just_created_has_not_changed(
    connection: Connection, name: str, unique: bool
) -> None:
    declared(INDEXES[name], unique=unique).create_all(connection)
    assert changes(connection, declared(INDEXES[name], unique=unique)) == []
    assert changes(connection, declared(None)) == ["remove_index"]


@pytest.mark.parametrize("name", INDEXES)
def test_a_changed_index_is_found(connection: Connection, name: str) -> None:
    declared(INDEXES[name]).create_all(connection)
    changed = ["remove_index", "add_index"]
    others: list[Parts] = [
        lambda c: [func.reverse(c.x)],
        lambda c: [*INDEXES[name](c), func.reverse(c.x)],
        lambda c: [text("lower(x")],  # no SQL
    ]
    for other in others:
        assert changes(connection, declared(other)) == changed
    assert changes(connection, declared(INDEXES[name], unique=True)) == changed


def test_constants_differ_by_their_case_and_type(connection: Connection) -> None:
    declared(lambda c: [c.x + "a"]).create_all(connection)
    for other in ("(x || 'A')", "(x || '1')", "(x || 1)"):
        assert changes(connection, declared(lambda c, sql=other: [text(sql)])) != []  # type: ignore[misc]
    assert changes(connection, declared(lambda c: [text("(X||'a')")])) == []
