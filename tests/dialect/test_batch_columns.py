"""Batches add, rename and drop columns with what needs them, or refuse before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from alembic.migration import MigrationContext
from alembic.operations import BatchOperations, Operations
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Connection,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    String,
    inspect,
)
from sqlalchemy.exc import InvalidRequestError

from tests.engines import alembic_connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with alembic_connection(
        "CREATE TABLE teams (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (id INTEGER, n INTEGER CHECK (n > 0), s VARCHAR, team INTEGER "
        "REFERENCES teams (id), twice INTEGER GENERATED ALWAYS AS (n * 2), x INTEGER)",
        "CREATE INDEX by_id ON t (id)",
        "CREATE INDEX by_both ON t (id, x)",
        "CREATE INDEX by_lower ON t (lower(s))",
        "INSERT INTO t (id, n, s) VALUES (1, 1, 'a'), (2, 2, 'b')",
    ) as connection:
        yield connection


Change = Callable[[BatchOperations], object]
Recreate = Literal["always", "auto"]


def in_batch(connection: Connection, change: Change, recreate: Recreate = "auto") -> None:
    op = Operations(MigrationContext.configure(connection))
    with op.batch_alter_table("t", recreate=recreate) as batch:
        change(batch)


def catalog(connection: Connection) -> list[Any]:
    sql = "SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_indexes() ORDER BY sql"
    return list(connection.exec_driver_sql(sql).scalars())


def definition(connection: Connection) -> str:
    sql = "SELECT sql FROM duckdb_tables() WHERE table_name = 't'"
    return str(connection.exec_driver_sql(sql).scalar_one())


ADDED: dict[str, tuple[Callable[[], Column[Any]], str]] = {
    "computed": (lambda: Column("g", Integer, Computed("n * 3")), "GENERATED ALWAYS AS((n * 3))"),
    "unique": (lambda: Column("g", Integer, unique=True), "UNIQUE(g)"),
    "a check": (lambda: Column("g", Integer, CheckConstraint("g > 1")), "CHECK((g > 1))"),
    "a key": (
        lambda: Column("g", Integer, ForeignKey("teams.id")),
        "FOREIGN KEY (g) REFERENCES teams(id)",
    ),
    "not null": (
        lambda: Column("g", Integer, nullable=False, server_default="7", index=True),
        "NOT NULL",
    ),
    "counting": (lambda: Column("g", Integer, Identity(start=5)), "nextval('t_g_seq')"),
    "maybe counting": (
        lambda: Column("g", Integer, Identity(start=5), nullable=True),
        "nextval('t_g_seq')",
    ),
    "a primary key": (lambda: Column("g", Integer, primary_key=True), "PRIMARY KEY(g)"),
    "an enum": (
        lambda: Column("g", Enum("a", "b", native_enum=False, create_constraint=True)),
        "g IN ('a', 'b')",
    ),
}


@pytest.mark.parametrize("recreate", ["auto", "always"])
@pytest.mark.parametrize("name", ADDED)
def test_a_column_is_added_with_all_that_it_has(
    connection: Connection, name: str, recreate: Recreate
) -> None:
    make, clause = ADDED[name]
    in_batch(connection, lambda batch: batch.add_column(make()), recreate)
    most = 2 if name == "an enum" else 1  # Alembic 1.13 writes its check twice
    assert 1 <= definition(connection).count(clause) <= most
    indexes = {"by_id", "by_both", "by_lower"} | ({"ix_t_g"} if name == "not null" else set())
    assert {index["name"] for index in inspect(connection).get_indexes("t")} == indexes
    assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 2


@pytest.mark.parametrize("recreate", ["auto", "always"])
def test_new_constraints_need_no_names(connection: Connection, recreate: Recreate) -> None:
    no_name: Any = None  # as autogenerate writes it

    def change(batch: BatchOperations) -> None:
        batch.create_unique_constraint(no_name, ["s"])
        batch.create_check_constraint(no_name, "id > 0")
        batch.create_check_constraint(no_name, "id < 9")
        batch.create_foreign_key(no_name, "teams", ["x"], ["id"])

    in_batch(connection, change, recreate)
    made = definition(connection)
    for clause in ("UNIQUE(s)", "(id > 0)", "(id < 9)", "FOREIGN KEY (x) REFERENCES teams(id)"):
        assert clause in made
    assert len(inspect(connection).get_check_constraints("t")) == 3


LOOPS: dict[str, Change] = {
    "a column with a key": lambda batch: batch.add_column(
        Column("up", Integer, ForeignKey("t.id"))
    ),
    "a key": lambda batch: batch.create_foreign_key("fk", "t", ["x"], ["id"]),
    "a key in other letters": lambda batch: batch.create_foreign_key("fk", "T", ["x"], ["id"]),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_key_to_the_table_itself_is_refused_before_anything_happens(
    connection: Connection, name: str
) -> None:
    before = catalog(connection)
    with pytest.raises(InvalidRequestError, match=r"'t' .* foreign key to itself.*foreign_keys=of"):
        in_batch(connection, LOOPS[name])
    assert catalog(connection) == before


def renaming(name: str, new_name: str) -> Change:
    return lambda batch: batch.alter_column(name, new_column_name=new_name)


def test_checks_and_generated_columns_follow_a_renamed_column(connection: Connection) -> None:
    in_batch(connection, renaming("n", "number of it"))
    made = definition(connection)
    assert '("number of it" * 2)' in made
    assert '("number of it" > 0)' in made
    rows = connection.exec_driver_sql('SELECT "number of it", twice FROM t ORDER BY id').all()
    assert rows == [(1, 2), (2, 4)]
    in_batch(connection, renaming("number of it", "n"))
    assert "(n * 2)" in definition(connection)


def test_indexes_follow_a_renamed_column(connection: Connection) -> None:
    in_batch(connection, renaming("id", "number"))
    found = {one["name"]: one["column_names"] for one in inspect(connection).get_indexes("t")}
    assert (found["by_id"], found["by_both"]) == (["number"], ["number", "x"])


def test_columns_change_places_where_nothing_else_names_them(connection: Connection) -> None:
    def change(batch: BatchOperations) -> None:
        batch.alter_column("id", new_column_name="x")
        batch.alter_column("x", new_column_name="id")

    in_batch(connection, change)
    assert connection.exec_driver_sql("SELECT x FROM t ORDER BY x").all() == [(1,), (2,)]


def test_plain_indexes_of_a_dropped_column_go_with_it(connection: Connection) -> None:
    in_batch(connection, lambda batch: batch.drop_column("x"))
    names = {index["name"] for index in inspect(connection).get_indexes("t")}
    assert names == {"by_id", "by_lower"}


def both(*changes: Change) -> Change:
    return lambda batch: [change(batch) for change in changes]


REFUSED: dict[str, tuple[Change, str]] = {
    "an index on an expression is left without its column": (
        lambda batch: batch.drop_column("s"),
        "index 'by_lower' needs column 's'.*drop the index",
    ),
    "an index on an expression is left with an old name": (
        renaming("s", "text"),
        "index 'by_lower' needs column 's'.*drop the index",
    ),
    "a check is left without its column": (
        both(lambda batch: batch.drop_column("twice"), lambda batch: batch.drop_column("n")),
        "CHECK .* needs column 'n'.*drop the check 't_n_check'",
    ),
    "a generated column is left without its source": (
        both(
            lambda batch: batch.drop_constraint("t_n_check", type_="check"),
            lambda batch: batch.drop_column("n"),
        ),
        "generated column 'twice' needs column 'n'",
    ),
    "a new check needs the new name of a column that another check names": (
        both(
            renaming("n", "number"), lambda batch: batch.create_check_constraint("c", "number < 9")
        ),
        "CHECK .* needs column 'n'",
    ),
    "columns of a check change places": (
        both(renaming("n", "x"), renaming("x", "n")),
        "CHECK .* needs column 'n'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_before_anything_happens_when(connection: Connection, name: str) -> None:
    change, message = REFUSED[name]
    before = catalog(connection)
    with pytest.raises(InvalidRequestError, match=message):
        in_batch(connection, change)
    assert catalog(connection) == before


def test_a_column_goes_with_the_index_that_needs_it(connection: Connection) -> None:
    def change(batch: BatchOperations) -> None:
        batch.drop_index("by_lower")
        batch.alter_column("s", new_column_name="text", existing_type=String())

    in_batch(connection, change)
    assert connection.exec_driver_sql("SELECT text FROM t ORDER BY id").all() == [("a",), ("b",)]
