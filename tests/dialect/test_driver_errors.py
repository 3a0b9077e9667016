"""Errors of the driver become the matching errors of SQLAlchemy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import CheckConstraint, Engine, ForeignKey, create_engine, insert, select, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InvalidRequestError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mixpanel_data import DatabaseFileError, StorageEngine
from mixpanel_data.dialect.driver.errors import driver_errors


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email: Mapped[str] = mapped_column(unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    born: Mapped[dt.date | None]
    age: Mapped[int | None]
    __table_args__ = (CheckConstraint("age >= 0"),)


@pytest.fixture
def members(engine: Engine) -> Engine:
    """One team and one member."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Team(id=1))
        session.flush()
        session.add(Member(id=1, email="a@example.com", team_id=1))
        session.commit()
    return engine


BROKEN = {
    "primary key": {"id": 1, "email": "b@example.com"},
    "unique": {"id": 2, "email": "a@example.com"},
    "not null": {"id": 2, "email": None},
    "foreign key": {"id": 2, "email": "b@example.com", "team_id": 99},
    "check": {"id": 2, "email": "b@example.com", "age": -1},
}


@pytest.mark.parametrize("values", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("how", ["flush", "insert", "bulk of one", "bulk of many"])
def test_a_broken_constraint_is_an_integrity_error(
    members: Engine, how: str, values: dict[str, Any]
) -> None:
    good = [{"id": n, "email": f"{n}@example.com"} for n in range(100, 300)]
    row = dict.fromkeys(("id", "email", "team_id", "age")) | values
    many = [dict.fromkeys(("id", "email", "team_id", "age")) | other for other in good]

    def flush(session: Session) -> None:
        session.add(Member(**values))
        session.flush()

    act: dict[str, Callable[[Session], Any]] = {
        "flush": flush,
        "insert": lambda session: session.execute(insert(Member).values(values)),
        "bulk of one": lambda session: session.execute(insert(Member), [row]),
        "bulk of many": lambda session: session.execute(insert(Member), [*many, row]),
    }
    with Session(members) as session:
        with pytest.raises(IntegrityError) as raised:
            act[how](session)
        assert isinstance(raised.value.orig, duckdb.ConstraintException)
        session.rollback()
        assert session.scalars(select(Member.id)).all() == [1]


def test_a_key_that_two_transactions_insert_is_an_integrity_error_at_commit(
    members: Engine,
) -> None:
    with Session(members) as one, Session(members) as other:
        one.add(Team(id=2))
        other.add(Team(id=2))
        one.flush()
        other.flush()
        one.commit()
        with pytest.raises(IntegrityError, match="duplicate key"):
            other.commit()
        other.rollback()
        assert other.scalars(select(Team.id).order_by(Team.id)).all() == [1, 2]


def test_a_row_that_two_transactions_update_is_an_operational_error(members: Engine) -> None:
    update = text("UPDATE members SET age = 1")
    with members.connect() as one, members.connect() as other:
        one.execute(update)
        with pytest.raises(OperationalError, match="Conflict on update"):
            other.execute(update)
        one.commit()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("no SQL at all", ProgrammingError),
        ("SELECT * FROM missing", ProgrammingError),
        ("SELECT missing FROM members", ProgrammingError),
        ("CREATE TABLE members (i INTEGER)", ProgrammingError),
        ("SELECT 'x'::INTEGER", DataError),
        ("SELECT 300::TINYINT", DataError),
        ("SELECT 9223372036854775807 + 1::BIGINT", DataError),
        ("SELECT * FROM read_csv('/no/such/file.csv')", OperationalError),
        ("ATTACH '/no/such/folder/file.db'", OperationalError),
        ("COMMIT; COMMIT", OperationalError),
    ],
)
def test_other_errors_have_the_class_of_their_cause(
    members: Engine, statement: str, kind: type[DBAPIError]
) -> None:
    with members.connect() as connection:
        with pytest.raises(kind) as raised:
            connection.execute(text(statement))
        assert isinstance(raised.value.orig, duckdb.Error)
        assert not raised.value.connection_invalidated


@pytest.mark.parametrize("rows", [1, 200])
def test_a_value_that_does_not_fit_its_column_is_a_data_error(members: Engine, rows: int) -> None:
    values = [{"id": n + 10, "email": f"{n}", "age": 2**40} for n in range(rows)]
    with members.connect() as connection, pytest.raises(DataError):
        connection.execute(insert(Member), values)


@pytest.mark.parametrize("rows", [1, 200])
def test_a_value_of_an_unknown_class_is_a_not_supported_error(members: Engine, rows: int) -> None:
    values = [{"id": n + 10, "email": object()} for n in range(rows)]
    with members.connect() as connection, pytest.raises(NotSupportedError, match="object"):
        connection.execute(insert(Member), values)


def test_an_error_while_reading_has_the_class_of_its_cause(engine: Engine) -> None:
    query = text(
        "SELECT CAST(CASE n WHEN 900000 THEN 'x' ELSE n END AS INTEGER) FROM range(1000000) AS t(n)"
    )
    with engine.connect() as connection, pytest.raises(DataError):
        connection.execute(query).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("INTERRUPT", duckdb.InterruptException),
        ("Conversion", duckdb.ConversionException),
        ("Out of Memory", duckdb.OutOfMemoryException),
        ("No Such", duckdb.InvalidInputException),
    ],
)
def test_what_duckdb_1_5_wraps_while_a_result_streams_has_its_own_class(
    name: str, kind: type[Exception]
) -> None:
    wrapped = f"Attempting to execute an unsuccessful or closed pending query result\nError: {name}"
    with pytest.raises(kind, match="what happened") as caught, driver_errors():
        raise duckdb.InvalidInputException(f"{wrapped} Error: what happened")
    assert type(caught.value) is kind


def test_a_value_that_python_cannot_hold_is_an_error_of_the_database(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DataError, match="cannot hold a value"):
        connection.execute(text("SELECT '-178956970 years'::INTERVAL")).all()


def test_a_message_that_duckdb_cuts_within_a_character_is_still_an_error(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match="bit"):
        connection.execute(text("SELECT 'é𝒳'::BIT")).all()


def test_a_macro_named_current_schema_does_not_break_connecting(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE MACRO current_schema() AS error('asked')")
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.connect() as connected:
        assert connected.scalar(text("SELECT 42")) == 42
    assert engine.dialect.default_schema_name == "main"
    engine.dispose()


@pytest.mark.parametrize("kind", ["list", "dict", "deep"])
def test_an_endlessly_nested_parameter_is_an_error(kind: str, engine: Engine) -> None:
    endless: list[Any] = []
    endless.append(endless)
    looped: dict[str, Any] = {}
    looped["a"] = looped
    deep: list[Any] = [1]
    for _ in range(5000):
        deep = [deep]
    value = {"list": endless, "dict": looped, "deep": deep}[kind]
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.exec_driver_sql("SELECT ?", (value,))
    assert "60 levels" in str(caught.value.orig)  # SQLAlchemy's own text would have the value


ADVICE = {
    "CREATE DATABASE other": "a database is a file",
    "drop database if exists other": "a database is a file",
    "CREATE MATERIALIZED VIEW v AS SELECT 1": "Use CREATE VIEW",
    "DROP MATERIALIZED VIEW v": "Use CREATE VIEW",
    "REFRESH MATERIALIZED VIEW v": "Use CREATE VIEW",
    "SAVEPOINT a": "no savepoints",
    "ROLLBACK TO SAVEPOINT a": "no savepoints",
    "RELEASE a": "no savepoints",
    "PREPARE TRANSACTION 'a'": "no two-phase commit",
    "COMMIT PREPARED 'a'": "no two-phase commit",
}


@pytest.mark.parametrize(("statement", "advice"), ADVICE.items())
def test_what_duckdb_does_not_have_is_said_with_what_to_use(
    engine: Engine, statement: str, advice: str
) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match=advice) as caught:
        connection.exec_driver_sql(statement)
    assert isinstance(caught.value.orig, duckdb.Error)


@pytest.mark.parametrize("change", ["DELETE FROM teams", "UPDATE teams SET id = 2"])
def test_a_parent_that_goes_after_its_children_names_both_ways_out(
    members: Engine, change: str
) -> None:
    with members.connect() as connection:
        connection.execute(text("DELETE FROM members"))
        ways = r"second transaction.*\?foreign_keys=off"
        with pytest.raises(IntegrityError, match=ways):
            connection.execute(text(change))


@pytest.mark.parametrize("change", ["DROP COLUMN b", "RENAME b TO c", "RENAME TO u"])
def test_a_change_of_a_table_with_an_index_says_what_to_drop(engine: Engine, change: str) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER, b INTEGER)"))
        connection.execute(text("CREATE INDEX i ON t (a)"))
        with pytest.raises(DBAPIError, match=r"Drop the index.*op\.batch_alter_table"):
            connection.execute(text(f"ALTER TABLE t {change}"))


def test_an_asynchronous_engine_is_refused_with_what_to_use() -> None:
    pytest.importorskip("greenlet")
    from sqlalchemy.ext.asyncio import create_async_engine

    ways = r"asyncio\.to_thread\(\).*run_sync.*template generic"
    with pytest.raises(InvalidRequestError, match=ways):
        create_async_engine("duckdb+mixpanel:///:memory:")


@pytest.mark.parametrize("setting", ["threads=1", "read_only=true", "access_mode=read_only"])
def test_a_file_that_is_open_with_other_settings_says_what_to_do(path: Path, setting: str) -> None:
    url = f"duckdb+mixpanel:///{path}"
    engine, other = create_engine(url), create_engine(f"{url}?{setting}")
    engine.connect().close()
    with pytest.raises(OperationalError, match=r"Use that engine.*dispose\(\)"):
        other.connect()
    with pytest.raises(DatabaseFileError, match=r"Use that engine.*close\(\)"):
        StorageEngine(path, config={"threads": 1})
    engine.dispose()
    other.connect().close()
    other.dispose()
