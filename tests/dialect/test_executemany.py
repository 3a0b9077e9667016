"""Statements with constants run for several rows as they do for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import StatementError

from tests.engines import open_engine

METADATA = MetaData()
TABLE = Table(
    "t",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("document", JSON),
)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ada", "document": {"plan": "free", "$p": 1, "a b": {"n": 1}}},
    {"id": 2, "name": "Bob", "document": {"plan": "team", "$p": 2, "a b": {"n": 2}}},
]


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to a database with two rows."""
    with open_engine() as engine, engine.begin() as connection:
        METADATA.create_all(connection)
        connection.execute(insert(TABLE), ROWS)
        yield connection


def names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(TABLE.c.name).order_by(TABLE.c.id)))


@pytest.mark.parametrize("path", ["plan", "$p", ("a b", "n")])
def test_members_of_documents_are_written_and_compared(
    connection: Connection, path: str | tuple[str, str]
) -> None:
    member = TABLE.c.document[path].as_string()
    statement = update(TABLE).where(TABLE.c.id == bindparam("row")).values(name=member)
    connection.execute(statement, [{"row": 1}, {"row": 2}])
    assert names(connection) == (["free", "team"] if path == "plan" else ["1", "2"])
    statement = update(TABLE).where(member == bindparam("value")).values(name=bindparam("new"))
    found = names(connection)
    connection.execute(statement, [{"value": found[0], "new": "x"}, {"value": "?", "new": "y"}])
    assert names(connection) == ["x", found[1]]


def test_patterns_with_flags_are_searched_for(connection: Connection) -> None:
    found = TABLE.c.name.regexp_match(bindparam("pattern"), flags="i")
    statement = update(TABLE).where(found).values(name=bindparam("new"))
    connection.execute(statement, [{"pattern": "^aDA$", "new": "x"}, {"pattern": "no", "new": "y"}])
    assert names(connection) == ["x", "Bob"]


@pytest.mark.parametrize(("factor", "unknown"), [(10, "?"), (100, "!"), (-1, "it's %s :x $1")])
def test_expressions_are_returned_of_every_row(
    connection: Connection, factor: int, unknown: str
) -> None:
    statement = insert(TABLE).returning(
        TABLE.c.id * factor + 1,
        func.coalesce(TABLE.c.name, unknown),
        case((TABLE.c.id == 3, "three"), else_="other"),
        TABLE.c.document["plan"].as_string(),
    )
    rows = [{"id": 3, "document": {"plan": "a"}}, {"id": 4, "document": {"plan": "b"}}]
    assert connection.execute(statement, rows).all() == [
        (3 * factor + 1, unknown, "three", "a"),
        (4 * factor + 1, unknown, "other", "b"),
    ]


def test_constants_that_differ_between_rows_are_refused_in_returning(
    connection: Connection,
) -> None:
    statement = insert(TABLE).returning(TABLE.c.id + bindparam("more", type_=Integer))
    with pytest.raises(StatementError, match="executemany"):
        connection.execute(statement, [{"id": 3, "more": 1}, {"id": 4, "more": 2}])
    assert connection.execute(statement, [{"id": 3, "more": 1}, {"id": 4, "more": 1}]).all() == [
        (4,),
        (5,),
    ]
