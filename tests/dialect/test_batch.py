"""Batch mode keeps everything of a table that it recreates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from tests.engines import alembic_connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with alembic_connection(
        "CREATE TABLE teams (id INTEGER PRIMARY KEY)",
        "CREATE SEQUENCE users_id_seq",
        "CREATE TABLE users (id INTEGER DEFAULT nextval('users_id_seq') PRIMARY KEY, "
        "name VARCHAR DEFAULT 'x' UNIQUE, age INTEGER CHECK (age > 0), "
        "twice INTEGER GENERATED ALWAYS AS (age * 2), team INTEGER REFERENCES teams (id))",
        "COMMENT ON TABLE users IS 'people'",
        "COMMENT ON COLUMN users.age IS 'years'",
        "CREATE INDEX by_age ON users (age)",
        "CREATE INDEX by_lower ON users (lower(name))",
        "INSERT INTO users (name, age) VALUES ('a', 1), ('b', 2)",
    ) as connection:
        yield connection


def operations(connection: Connection) -> Operations:
    return Operations(MigrationContext.configure(connection))


def facts(connection: Connection) -> dict[str, Any]:
    """What a rebuild has to keep."""
    inspector = inspect(connection)
    return {
        "columns": [
            {key: str(value) for key, value in column.items() if key != "type"}
            for column in inspector.get_columns("users")
        ],
        "key": inspector.get_pk_constraint("users"),
        "unique": inspector.get_unique_constraints("users"),
        "checks": inspector.get_check_constraints("users"),
        "foreign": inspector.get_foreign_keys("users"),
        "indexes": sorted(inspector.get_indexes("users"), key=lambda index: str(index["name"])),
        "comment": inspector.get_table_comment("users"),
        "sequences": inspector.get_sequence_names(),
        "rows": connection.execute(text("SELECT * FROM users ORDER BY id")).all(),
    }


def test_a_rebuild_keeps_all_of_a_table_and_counts_on(connection: Connection) -> None:
    before = facts(connection)
    with operations(connection).batch_alter_table("users", recreate="always"):
        pass
    assert facts(connection) == before
    made = connection.scalar(text("INSERT INTO users (name, age) VALUES ('c', 3) RETURNING id"))
    assert made == 3


def test_what_duckdb_refuses_is_done_by_a_rebuild_without_being_told(
    connection: Connection,
) -> None:
    with operations(connection).batch_alter_table("users") as batch:
        batch.alter_column("name", type_=String(9), nullable=False, existing_type=String())
    (name,) = [c for c in inspect(connection).get_columns("users") if c["name"] == "name"]
    assert not name["nullable"]


def test_a_table_that_others_refer_to_is_refused_before_anything_happens(
    connection: Connection,
) -> None:
    with (
        pytest.raises(InvalidRequestError, match="foreign keys of users"),
        operations(connection).batch_alter_table("teams", recreate="always"),
    ):
        pass
    assert "_alembic_tmp_teams" not in inspect(connection).get_table_names()


def drop_age(connection: Connection) -> None:
    with operations(connection).batch_alter_table("users", recreate="always") as batch:
        batch.drop_index("by_age")
        batch.drop_column("age")


def test_a_column_of_a_check_stays(connection: Connection) -> None:
    with pytest.raises(InvalidRequestError, match=r"CHECK .* needs column 'age'"):
        drop_age(connection)


def constraints(connection: Connection) -> set[str]:
    """The constraints of a table, but for its key."""
    table = Table("sales", MetaData(), autoload_with=connection)
    return {
        f"{type(one).__name__.removesuffix('Constraint')} "
        + (str(one.sqltext) if isinstance(one, CheckConstraint) else ", ".join(one.columns.keys()))
        for one in table.constraints
        if isinstance(one, CheckConstraint | UniqueConstraint | ForeignKeyConstraint)
    }


SALES = {
    "Unique shop",
    "Unique shop, slot",
    "ForeignKey shop",
    "ForeignKey seller",
    "Check slot > 0",
    "Check shop < slot",
    "Check seller > 3",
    "Check seller > 5",
}
TOKENS = {
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
DECLARED = MetaData()
Table(
    "sales",
    DECLARED,
    Column("shop", Integer),
    Column("slot", Integer),
    UniqueConstraint("shop", "slot", name="once_a_slot"),
)


@pytest.fixture
def sales(connection: Connection) -> Connection:
    """A table with several constraints of each kind."""
    connection.exec_driver_sql(
        "CREATE TABLE sales (id INTEGER PRIMARY KEY, shop INTEGER UNIQUE REFERENCES teams (id), "
        "slot INTEGER CHECK (slot > 0), seller INTEGER REFERENCES teams (id), UNIQUE (shop, slot), "
        "CHECK (shop < slot), CHECK (seller > 3), CHECK (seller > 5))"
    )
    return connection


@pytest.mark.parametrize(
    ("name", "kind", "models", "gone"),
    [
        ("sales_shop_key", "unique", None, "Unique shop"),
        ("sales_shop_slot_key", None, None, "Unique shop, slot"),
        ("sales_seller_teams_fkey", "foreignkey", None, "ForeignKey seller"),
        ("sales_slot_check", "check", None, "Check slot > 0"),
        ("sales_check", "check", MetaData(naming_convention=TOKENS), "Check shop < slot"),
        ("uq_sales_shop", "unique", MetaData(naming_convention=TOKENS), "Unique shop"),
        ("fk_sales_shop", "foreignkey", [MetaData(naming_convention=TOKENS)], "ForeignKey shop"),
        ("once_a_slot", "unique", DECLARED, "Unique shop, slot"),
    ],
)
def test_a_constraint_is_dropped_by_the_name_of_a_convention_or_a_model(
    sales: Connection, name: str, kind: Any, models: Any, gone: str
) -> None:
    options = {} if models is None else {"target_metadata": models}
    op = Operations(MigrationContext.configure(sales, opts=options))
    with op.batch_alter_table("sales") as batch:
        batch.drop_constraint(name, type_=kind)
    assert constraints(sales) == SALES - {gone}
    assert inspect(sales).get_pk_constraint("sales")["constrained_columns"] == ["id"]


@pytest.mark.parametrize("name", ["uq_sales_shop", "sales_slot_check"])
def test_a_batch_can_have_the_convention(sales: Connection, name: str) -> None:
    kind: Any = "unique" if name.startswith("uq") else "check"
    with operations(sales).batch_alter_table("sales", naming_convention=TOKENS) as batch:
        batch.drop_constraint(name, type_=kind)
    assert len(constraints(sales)) == len(SALES) - 1


@pytest.mark.parametrize("kind", ["unique", "foreignkey", "check", "primary"])
@pytest.mark.parametrize("name", ["any", None])
def test_the_only_constraint_of_a_kind_needs_no_name(
    connection: Connection, kind: Any, name: Any
) -> None:
    with operations(connection).batch_alter_table("users") as batch:
        batch.drop_constraint(name, type_=kind)
    inspector = inspect(connection)
    left = {
        "unique": len(inspector.get_unique_constraints("users")),
        "foreignkey": len(inspector.get_foreign_keys("users")),
        "check": len(inspector.get_check_constraints("users")),
        "primary": len(inspector.get_pk_constraint("users")["constrained_columns"]),
    }
    assert left == dict.fromkeys(left, 1) | {kind: 0}


@pytest.mark.parametrize("kind", ["unique", "foreignkey", "check", None])
@pytest.mark.parametrize("name", ["other", None])
def test_what_is_not_known_is_refused_with_the_names_that_are(
    sales: Connection, name: Any, kind: Any
) -> None:
    with (
        pytest.raises(InvalidRequestError, match=r"DuckDB keeps no names.* Write 'sales_\w+' for"),
        operations(sales).batch_alter_table("sales") as batch,
    ):
        batch.drop_constraint(name, type_=kind)
    assert constraints(sales) == SALES


def test_a_constraint_that_no_table_has_is_refused(connection: Connection) -> None:
    with (
        pytest.raises(InvalidRequestError, match="'teams' has no unique constraint"),
        operations(connection).batch_alter_table("teams") as batch,
    ):
        batch.drop_constraint("uq", type_="unique")


def test_a_column_goes_with_its_check(connection: Connection) -> None:
    with operations(connection).batch_alter_table("users") as batch:
        batch.drop_constraint("users_age_check", type_="check")
        batch.drop_index("by_age")
        batch.drop_column("twice")
        batch.drop_column("age")
    assert "age" not in [column["name"] for column in inspect(connection).get_columns("users")]


def test_a_convention_with_one_name_for_two_constraints_is_refused(sales: Connection) -> None:
    convention = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
    with (
        pytest.raises(InvalidRequestError, match="one name, 'uq_sales_shop', for several"),
        operations(sales).batch_alter_table("sales", naming_convention=convention) as batch,
    ):
        batch.drop_constraint("uq_sales_shop", type_="unique")
    assert constraints(sales) == SALES


REFUSED: dict[str, Callable[[Operations], object]] = {
    "not null": lambda op: op.alter_column("users", "name", nullable=False),
    "a new name": lambda op: op.alter_column("users", "name", new_column_name="called"),
    "a new type": lambda op: op.alter_column("users", "name", type_=Integer()),
    "a unique constraint": lambda op: op.create_unique_constraint("u", "users", ["age"]),
    "a check": lambda op: op.create_check_constraint("c", "users", "age < 200"),
    "a foreign key": lambda op: op.create_foreign_key("f", "users", "teams", ["age"], ["id"]),
    "no check": lambda op: op.drop_constraint("users_age_check", "users", type_="check"),
    "a required column": lambda op: op.add_column(
        "users", Column("n", Integer, nullable=False, server_default="1")
    ),
    "one column less": lambda op: op.drop_column("users", "name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_alter_that_duckdb_refuses_points_at_batches(connection: Connection, name: str) -> None:
    with pytest.raises(DBAPIError, match=r"Use op\.batch_alter_table\(\).*render_as_batch=True"):
        REFUSED[name](operations(connection))


@pytest.mark.parametrize(("table", "column"), [("users", "missing"), ("missing", "name")])
def test_other_errors_do_not_point_at_batches(
    connection: Connection, table: str, column: str
) -> None:
    with pytest.raises(DBAPIError) as caught:
        operations(connection).alter_column(table, column, nullable=False)
    assert "batch" not in str(caught.value)


def test_comments_are_set_and_dropped(connection: Connection) -> None:
    op = operations(connection)
    op.alter_column("users", "age", comment="it's: years")
    op.create_table_comment("users", "all of them")
    assert inspect(connection).get_table_comment("users") == {"text": "all of them"}
    comments = {c["name"]: c["comment"] for c in inspect(connection).get_columns("users")}
    assert comments["age"] == "it's: years"
    op.alter_column("users", "age", comment=None, existing_type=Integer())
    op.drop_table_comment("users")
    assert inspect(connection).get_table_comment("users") == {"text": None}
    comments = {c["name"]: c["comment"] for c in inspect(connection).get_columns("users")}
    assert comments["age"] is None


@pytest.mark.parametrize("recreate", ["always", "never", "auto"])
def test_the_comment_of_a_table_is_set_and_dropped_in_a_batch(
    connection: Connection, recreate: Literal["always", "never", "auto"]
) -> None:
    op = operations(connection)
    with op.batch_alter_table("users", recreate=recreate) as batch:
        batch.create_table_comment("it's: all", existing_comment="people")
    assert inspect(connection).get_table_comment("users") == {"text": "it's: all"}
    with op.batch_alter_table("users", recreate=recreate) as batch:
        batch.drop_table_comment(existing_comment="it's: all")
    assert inspect(connection).get_table_comment("users") == {"text": None}


def test_a_table_that_refers_to_itself_is_refused_before_anything_happens(
    connection: Connection,
) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES nodes (id), x TEXT)"
    )
    connection.exec_driver_sql("INSERT INTO nodes VALUES (1, NULL, 'a')")
    op = operations(connection)
    with (
        pytest.raises(InvalidRequestError, match="'nodes' cannot be recreated while a foreign key"),
        op.batch_alter_table("nodes", recreate="always"),
    ):
        pass
    with op.batch_alter_table("nodes", recreate="never") as batch:
        batch.drop_column("x")
    assert connection.exec_driver_sql("FROM nodes").all() == [(1, None)]


def test_tables_of_other_schemas_do_not_count(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE SCHEMA other")
    connection.exec_driver_sql("CREATE TABLE other.teams (id INTEGER PRIMARY KEY)")
    op = operations(connection)
    with op.batch_alter_table("teams", schema="other", recreate="always") as batch:
        batch.alter_column("id", new_column_name="number")
    names = [column["name"] for column in inspect(connection).get_columns("teams", "other")]
    assert names == ["number"]
