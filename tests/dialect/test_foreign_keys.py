"""Foreign keys can be left out of the database and kept in the models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import CompileError, DBAPIError, IntegrityError, SAWarning
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.schema import CreateTable

from mixpanel_data.dialect.alembic.impl import register_duckdb

register_duckdb()


class Base(DeclarativeBase):
    """The models."""


class Parent(Base):
    """Has children."""

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    children: Mapped[list[Child]] = relationship(
        back_populates="parent", cascade="all, delete-orphan"
    )


class Child(Base):
    """Has a parent."""

    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))
    parent: Mapped[Parent] = relationship(back_populates="children")


@pytest.fixture(params=["url", "argument"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine without foreign keys, with a parent and two children."""
    url = "duckdb+mixpanel:///:memory:"
    if request.param == "url":
        engine = create_engine(f"{url}?foreign_keys=off&threads=2")
    else:
        engine = create_engine(url, foreign_keys=False)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Parent(id=1, name="a", children=[Child(), Child()]))
    yield engine
    engine.dispose()


def test_the_database_has_none(engine: Engine) -> None:
    assert inspect(engine).get_foreign_keys("children") == []
    assert "FOREIGN KEY" not in str(CreateTable(Base.metadata.tables["children"]).compile(engine))


def test_a_parent_changes_and_goes_with_its_children(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        parent = session.scalars(select(Parent)).one()
        parent.name = "b"
        session.flush()
        session.delete(parent)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Child)) == 0


def test_autogenerate_proposes_none_and_none_can_be_added(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        with pytest.raises(CompileError, match="foreign_keys=off"):
            Operations(context).create_foreign_key(
                "fk", "children", "parents", ["parent_id"], ["id"]
            )


def cyclic(**options: Any) -> MetaData:
    """Two tables that refer to each other, and one that refers to itself."""
    models = MetaData()
    Table("teams", models, Column("id", Integer, primary_key=True), _reference("users", **options))
    Table("users", models, Column("id", Integer, primary_key=True), _reference("teams"))
    Table("nodes", models, Column("id", Integer, primary_key=True), _reference("nodes"))
    return models


def _reference(table: str, **options: Any) -> Column[int]:
    return Column(f"{table}_id", Integer, ForeignKey(f"{table}.id", **options))


@pytest.mark.filterwarnings("ignore:.*unresolvable foreign key dependency:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize(
    "options", [{}, {"name": "fk"}, {"use_alter": True}, {"use_alter": True, "name": "fk"}]
)
def test_tables_that_refer_to_each_other_are_created_and_dropped(
    engine: Engine, options: dict[str, Any]
) -> None:
    models = cyclic(**options)
    tables = set(models.tables)
    for _ in range(2):
        models.create_all(engine)
        assert tables <= set(inspect(engine).get_table_names())
        models.drop_all(engine)
        assert not tables & set(inspect(engine).get_table_names())
    models.tables["teams"].create(engine)
    models.tables["teams"].drop(engine)


@pytest.mark.parametrize("name", [None, "fk"])
def test_a_column_is_added_without_its_key(engine: Engine, name: str | None) -> None:
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        key = ForeignKey("parents.id", name=name)
        operations.add_column("children", Column("other", Integer, key))
        with operations.batch_alter_table("children") as batch:  # Alembic wants a name there
            batch.add_column(Column("third", Integer, ForeignKey("parents.id", name="third_key")))
    names = [column["name"] for column in inspect(engine).get_columns("children")]
    assert names == ["id", "parent_id", "other", "third"]
    assert inspect(engine).get_foreign_keys("children") == []


def test_a_key_that_would_be_added_later_is_refused_with_the_ways_out() -> None:
    engine = create_engine("duckdb+mixpanel:///:memory:")
    ways = r"op\.batch_alter_table.*\?foreign_keys=off"
    with pytest.raises(DBAPIError, match=ways):
        cyclic().create_all(engine)
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with pytest.raises(DBAPIError, match=ways):
            operations.create_foreign_key("fk", "children", "parents", ["parent_id"], ["id"])
        connection.rollback()
        with pytest.raises(DBAPIError, match=ways):
            operations.add_column("children", Column("n", Integer, ForeignKey("parents.id")))
        connection.rollback()
        with pytest.raises(DBAPIError, match=ways):
            connection.execute(text("ALTER TABLE children ADD n INTEGER REFERENCES parents (id)"))
    engine.dispose()


def test_duckdb_checks_them_otherwise() -> None:
    engine = create_engine("duckdb+mixpanel:///:memory:?foreign_keys=on")
    Base.metadata.create_all(engine)
    assert len(inspect(engine).get_foreign_keys("children")) == 1
    with pytest.raises(IntegrityError), Session(engine) as session, session.begin():
        session.add(Child(parent_id=7))
    engine.dispose()


@pytest.mark.parametrize("event", ["ondelete", "onupdate"])
@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "restrict", "NO ACTION"])
def test_actions_that_duckdb_does_not_have_are_left_out_with_a_warning(
    event: str, action: str
) -> None:
    class Models(DeclarativeBase):
        """The models of this test."""

    class Other(Models):
        __tablename__ = "others"
        id: Mapped[int] = mapped_column(primary_key=True)

    class User(Models):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        other: Mapped[int] = mapped_column(ForeignKey("others.id", **{event: action}))  # type: ignore[arg-type]

    engine = create_engine("duckdb+mixpanel:///:memory:")
    if action in ("CASCADE", "SET NULL"):
        wording = f"ON {event[2:].upper()} {action}.*'users'.*passive_deletes"
        with pytest.warns(SAWarning, match=wording):
            Models.metadata.create_all(engine)
    else:
        Models.metadata.create_all(engine)
    assert len(inspect(engine).get_foreign_keys("users")) == 1
    engine.dispose()


@pytest.mark.parametrize("options", [{}, {"read": True}, {"nowait": True, "skip_locked": False}])
def test_rows_are_selected_for_update_without_a_lock(
    engine: Engine, options: dict[str, Any]
) -> None:
    with Session(engine) as session:
        statement = select(Parent).with_for_update(**options)
        assert not re.search("FOR (UPDATE|SHARE)", str(statement.compile(engine)))
        assert session.scalars(statement).one().name == "a"
