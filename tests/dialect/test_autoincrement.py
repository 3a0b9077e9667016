"""Autoincrement keys and their sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Table,
    create_engine,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.schema import CreateTable

from mixpanel_data.dialect.alembic.altering import alter_tables
from mixpanel_data.dialect.alembic.changes import Changes
from tests.engines import open_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database in a file."""
    with open_engine(tmp_path / "app.db") as engine:
        yield engine


def sequences(connection: Connection) -> list[str]:
    return list(connection.scalars(text("SELECT sequence_name FROM duckdb_sequences() ORDER BY 1")))


def users(*columns: Column[Any], name: str = "users", **options: Any) -> Table:
    return Table(name, MetaData(), *columns, Column("name", String), **options)


@pytest.mark.parametrize("kind", [Integer, BigInteger, SmallInteger])
def test_an_integer_key_counts_from_one(connection: Connection, kind: type) -> None:
    table = users(Column("id", kind, primary_key=True))
    table.create(connection)
    first = connection.execute(insert(table).values(name="Ada"))
    assert first.inserted_primary_key == (1,)
    connection.execute(insert(table), [{"name": "Bob"}, {"name": "Cyd"}])
    assert connection.scalars(select(table.c.id).order_by(table.c.id)).all() == [1, 2, 3]


def test_values_that_are_given_are_kept(connection: Connection) -> None:
    table = users(Column("id", Integer, primary_key=True))
    table.create(connection)
    connection.execute(insert(table), [{"id": 7, "name": "Ada"}])
    assert connection.execute(insert(table).values(name="Bob")).inserted_primary_key == (1,)


def test_the_sequence_lives_and_dies_with_its_table(connection: Connection) -> None:
    table = users(Column("id", Integer, primary_key=True))
    table.create(connection)
    assert sequences(connection) == ["users_id_seq"]
    table.drop(connection)
    assert sequences(connection) == []
    table.create(connection)
    assert connection.execute(insert(table)).inserted_primary_key == (1,)


def test_a_rolled_back_table_leaves_no_sequence(connection: Connection) -> None:
    users(Column("id", Integer, primary_key=True)).create(connection)
    connection.rollback()
    assert sequences(connection) == []


@pytest.mark.parametrize("schema", [None, "sales", "s x", "it's", "other.main"])
@pytest.mark.parametrize("name", ["users", "Order", "it's", 'q"z', "a.b", "ü" * 80])
def test_any_names_of_table_and_schema_work(
    connection: Connection, name: str, schema: str | None
) -> None:
    connection.exec_driver_sql("ATTACH ':memory:' AS other")
    if schema not in (None, "other.main"):
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    table = users(Column("the id", Integer, primary_key=True), name=name, schema=schema)
    table.create(connection)
    assert connection.execute(insert(table)).inserted_primary_key == (1,)
    reflected = Table(name, MetaData(), schema=schema, autoload_with=connection)
    assert connection.execute(insert(reflected)).inserted_primary_key == (2,)
    reflected.drop(connection)
    assert sequences(connection) == []


def test_a_temporary_table_counts_beside_a_permanent_one(connection: Connection) -> None:
    lasting = users(Column("id", Integer, primary_key=True))
    lasting.create(connection)
    connection.execute(insert(lasting))
    connection.commit()
    passing = users(Column("id", Integer, primary_key=True), name="passing", prefixes=["TEMP"])
    passing.create(connection)
    assert connection.execute(insert(passing)).inserted_primary_key == (1,)
    passing.drop(connection)
    assert sequences(connection) == ["users_id_seq"]


def test_columns_without_autoincrement_have_no_sequence(connection: Connection) -> None:
    metadata = MetaData()
    Table("parents", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
    Table("children", metadata, Column("id", ForeignKey("parents.id"), primary_key=True))
    Table("pairs", metadata, *(Column(name, Integer, primary_key=True) for name in "ab"))
    Table("given", metadata, Column("id", Integer, primary_key=True, server_default="7"))
    metadata.create_all(connection)
    assert sequences(connection) == []


def test_an_identity_counts_as_it_says(connection: Connection) -> None:
    identity = Identity(start=10, increment=-5, minvalue=0, maxvalue=10, cycle=True)
    table = users(Column("id", Integer, identity, primary_key=True))
    table.create(connection)
    counted = [connection.execute(insert(table)).inserted_primary_key for _ in range(3)]
    assert counted == [(10,), (5,), (0,)]
    table.drop(connection)
    assert sequences(connection) == []


def test_an_identity_need_not_be_the_key(connection: Connection) -> None:
    table = users(
        Column("id", Integer, primary_key=True), Column("number", Integer, Identity(start=100))
    )
    table.create(connection)
    row = connection.execute(insert(table).returning(table.c.id, table.c.number)).one()
    assert row == (1, 100)


def test_a_sequence_of_the_application_serves_several_tables(connection: Connection) -> None:
    metadata = MetaData()
    ids = Sequence("ids", start=5, metadata=metadata)
    tables = [
        Table(name, metadata, Column("id", Integer, ids, primary_key=True), Column("x", Integer))
        for name in ("a", "b")
    ]
    metadata.create_all(connection)
    counted = [connection.execute(insert(table)).inserted_primary_key for table in tables]
    assert counted == [(5,), (6,)]
    assert connection.scalar(ids) == 7
    assert connection.scalar(select(ids.next_value())) == 8
    metadata.drop_all(connection)
    assert sequences(connection) == []


def test_keys_are_known_without_returning(connection: Connection) -> None:
    table = users(Column("id", Integer, primary_key=True), implicit_returning=False)
    table.create(connection)
    assert connection.execute(insert(table)).inserted_primary_key == (1,)


def test_a_reflected_table_is_created_elsewhere_and_counts_there(
    connection: Connection, tmp_path: Path
) -> None:
    users(Column("id", Integer, primary_key=True)).create(connection)
    table = Table("users", MetaData(), autoload_with=connection)
    assert inspect(connection).get_columns("users")[0]["autoincrement"] is True
    elsewhere = create_engine(f"duckdb+mixpanel:///{tmp_path / 'elsewhere.db'}")
    with elsewhere.begin() as other:
        table.create(other)
        assert other.execute(insert(table)).inserted_primary_key == (1,)
        table.drop(other)
        assert sequences(other) == []
    elsewhere.dispose()


def test_a_sequence_that_is_not_the_tables_own_is_left_alone(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE SEQUENCE ids")
    connection.exec_driver_sql("CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval('ids'))")
    table = Table("t", MetaData(), autoload_with=connection)
    table.drop(connection)
    assert sequences(connection) == ["ids"]


def test_the_compiled_ddl_has_the_sequence_and_the_table(connection: Connection) -> None:
    table = users(Column("id", Integer, primary_key=True))
    assert str(CreateTable(table).compile(connection)).split(";\n") == [
        "CREATE SEQUENCE IF NOT EXISTS users_id_seq",
        "\nCREATE TABLE users (\n"
        "\tid INTEGER DEFAULT nextval('users_id_seq') NOT NULL, \n"
        "\tname VARCHAR, \n"
        "\tPRIMARY KEY (id)\n)\n\n",
    ]


class Base(DeclarativeBase):
    """Classes of an application."""


class Node(Base):
    """A tree: a row refers to another row of its table."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    children: Mapped[list[Node]] = relationship()


@pytest.mark.parametrize("count", [2, 100])
def test_rows_that_refer_to_each_other_are_added_in_one_flush(engine: Engine, count: int) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        root = Node(children=[Node(children=[Node()]) for _ in range(count)])
        session.add(root)
        session.commit()
        assert len(session.scalars(select(Node)).all()) == 1 + 2 * count
        assert root.children[0].children[0].parent_id == root.children[0].id


def test_rows_that_refer_to_each_other_are_inserted_in_one_call(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    rows = [{"id": n, "parent_id": n - 1 if n > 1 else None} for n in range(1, 101)]
    with engine.begin() as connection:
        connection.execute(insert(Node), rows)
        assert len(connection.execute(select(Node.id)).all()) == 100


OPTIONS = [
    {"start": 100, "increment": 5},
    {"start": 3, "minvalue": 2, "maxvalue": 4, "cycle": True},
    {"start": -1, "increment": -1, "minvalue": -9, "maxvalue": -1},
]


@pytest.mark.parametrize("schema", [None, "s x", "other.main"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_options_of_an_identity_are_reflected(
    connection: Connection, options: dict[str, Any], schema: str | None
) -> None:
    connection.exec_driver_sql("ATTACH ':memory:' AS other")
    connection.exec_driver_sql('CREATE SCHEMA "s x"')
    connection.commit()
    users(Column("id", Integer, Identity(**options), primary_key=True), schema=schema).create(
        connection
    )
    reflected = Table("users", MetaData(), schema=schema, autoload_with=connection)
    identity = reflected.c.id.identity
    assert identity is not None
    assert {name: getattr(identity, name) for name in options} == options
    first = connection.execute(insert(reflected)).inserted_primary_key
    assert first == (options["start"],)
    reflected.drop(connection)
    assert sequences(connection) == []
    reflected.create(connection)
    assert connection.execute(insert(reflected)).inserted_primary_key == first


def test_a_plain_key_and_a_shared_sequence_are_no_identity(connection: Connection) -> None:
    shared = Sequence("numbers", start=7)
    users(
        Column("id", Integer, primary_key=True),
        Column("number", Integer, shared, server_default=shared.next_value()),
    ).create(connection)
    found = inspect(connection).get_columns("users")
    assert [column.get("identity") for column in found] == [None, None, None]


@pytest.mark.parametrize("filled", ["n + 1", None])
def test_a_table_with_an_identity_is_changed_and_counts_on(
    connection: Connection, filled: str | None
) -> None:
    models = MetaData()
    identity = Identity(start=100, increment=5)
    table = Table("t", models, Column("id", Integer, identity), Column("n", Integer))
    table.create(connection)
    connection.execute(insert(table).values(n=1))
    op = Operations(MigrationContext.configure(connection))
    with op.batch_alter_table("t", recreate="always") as batch:
        batch.add_column(Column("x", Integer))
    changes = Changes()
    changes.add_column(Column("y", Integer, nullable=False, server_default="0"), fill=filled)
    alter_tables(connection, ["t"], changes, set())
    connection.execute(insert(table).values(n=2))
    assert connection.scalars(select(table.c.id)).all() == [100, 105]
    op.rename_table("t", "u")
    connection.exec_driver_sql("INSERT INTO u (n) VALUES (3)")
    assert connection.exec_driver_sql("SELECT max(id) FROM u").scalar() == 110
    assert sequences(connection) == ["u_id_seq"]


@pytest.mark.parametrize("declared", [[], [Identity()], [Identity(start=100)]], ids=str)
def test_autogenerate_leaves_the_options_alone(connection: Connection, declared: Any) -> None:
    users(Column("id", Integer, Identity(start=7), primary_key=True)).create(connection)
    models = MetaData()
    columns: list[Column[Any]] = [
        Column("id", Integer, *declared, primary_key=True),
        Column("name", String),
    ]
    Table("users", models, *columns)
    options = {"compare_server_default": True}
    assert compare_metadata(MigrationContext.configure(connection, opts=options), models) == []
