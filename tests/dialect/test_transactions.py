"""Transactions: what was committed is there, and a failed one raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import Connection, Engine, create_engine, func, select, text, update
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NotSupportedError,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str | None]


@pytest.fixture
def notes(engine: Engine) -> Engine:
    """A table with the note 1."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Note(id=1, text="first"))
        session.commit()
    return engine


def ids(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Note.id).order_by(Note.id)))


# Failed statements

FAILURES = [
    "SELECT nope",
    "no SQL at all",
    "SELECT * FROM missing",
    "INSERT INTO notes VALUES (1, 'again')",
    "SELECT 'x'::INTEGER",
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_commit_after_a_failed_statement_raises(notes: Engine, failure: str) -> None:
    with notes.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES (2, 'second')"))
        with pytest.raises(DBAPIError):
            connection.execute(text(failure))
        with pytest.raises(DBAPIError, match="nothing of it was committed"):
            connection.commit()
    assert ids(notes) == [1]


def test_after_a_rollback_the_connection_works_again(notes: Engine) -> None:
    with notes.connect() as connection:
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT nope"))
        connection.rollback()
        connection.execute(text("INSERT INTO notes VALUES (2, 'second')"))
        connection.commit()
    assert ids(notes) == [1, 2]


def test_a_block_that_swallows_an_error_still_raises_at_its_end(notes: Engine) -> None:
    def swallow() -> None:
        with notes.begin() as connection:
            connection.execute(text("INSERT INTO notes VALUES (2, 'second')"))
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT nope"))

    with pytest.raises(DBAPIError, match="nothing of it was committed"):
        swallow()
    assert ids(notes) == [1]


def test_a_session_whose_statement_failed_commits_nothing(notes: Engine) -> None:
    with Session(notes) as session:
        session.add(Note(id=2))
        session.flush()
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT nope"))
        with pytest.raises(DBAPIError, match="nothing of it was committed"):
            session.commit()
        session.rollback()
        session.add(Note(id=3))
        session.commit()
    assert ids(notes) == [1, 3]


def test_a_session_whose_flush_failed_waits_for_a_rollback(notes: Engine) -> None:
    with Session(notes) as session:
        session.add(Note(id=1))
        with pytest.raises(DBAPIError):
            session.flush()
        session.rollback()
        session.add_all([Note(id=2), Note(id=3)])
        session.commit()
    assert ids(notes) == [1, 2, 3]


# Nested transactions


def test_a_nested_transaction_is_refused_with_advice_and_the_outer_one_goes_on(
    notes: Engine,
) -> None:
    with notes.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (2, NULL)"))
        with pytest.raises(NotSupportedError, match="in a transaction of its own"):
            connection.begin_nested()
        connection.execute(text("INSERT INTO notes VALUES (3, NULL)"))
    assert ids(notes) == [1, 2, 3]


def test_a_nested_transaction_of_a_session_is_refused_with_advice(notes: Engine) -> None:
    def nest(session: Session) -> None:
        session.begin_nested()
        session.execute(text("SELECT 1"))

    with Session(notes) as session:
        session.add(Note(id=2))
        session.flush()
        with pytest.raises(NotSupportedError, match="Leave begin_nested"):
            nest(session)
        session.rollback()
        session.add(Note(id=3))
        session.commit()
    assert ids(notes) == [1, 3]


def test_a_failure_in_one_session_does_not_affect_another(notes: Engine) -> None:
    with Session(notes) as session, Session(notes) as attempt:
        session.add(Note(id=2))
        session.flush()
        attempt.add(Note(id=1))
        with pytest.raises(DBAPIError):
            attempt.commit()
        session.commit()
    assert ids(notes) == [1, 2]


# Autocommit and what needs it


def test_a_transaction_is_as_isolated_as_it_says(notes: Engine) -> None:
    with notes.connect() as connection, notes.begin() as other:
        assert connection.get_isolation_level() == "SERIALIZABLE"
        assert connection.scalar(select(func.count()).select_from(Note)) == 1
        other.execute(text("INSERT INTO notes VALUES (2, NULL)"))
        other.commit()
        assert connection.scalar(select(func.count()).select_from(Note)) == 1
        connection.commit()
        assert connection.scalar(select(func.count()).select_from(Note)) == 2


def test_in_autocommit_every_statement_is_committed(notes: Engine) -> None:
    with notes.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.get_isolation_level() == "AUTOCOMMIT"
        connection.execute(text("INSERT INTO notes VALUES (2, NULL)"))
        assert ids(notes) == [1, 2]
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT nope"))
        connection.execute(text("INSERT INTO notes VALUES (3, NULL)"))
        connection.rollback()
    assert ids(notes) == [1, 2, 3]


def test_a_whole_engine_can_be_in_autocommit(url: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE notes AS SELECT 1 AS id, NULL AS text"))
    assert ids(engine) == [1]
    engine.dispose()


def test_autocommit_ends_when_the_connection_goes_back(notes: Engine) -> None:
    with notes.connect().execution_options(isolation_level="AUTOCOMMIT"):
        pass
    with notes.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"
        connection.execute(text("INSERT INTO notes VALUES (2, NULL)"))
    assert ids(notes) == [1]


def test_another_isolation_level_is_refused_with_those_there_are(notes: Engine) -> None:
    with notes.connect() as connection, pytest.raises(ArgumentError, match="AUTOCOMMIT"):
        connection.execution_options(isolation_level="READ UNCOMMITTED")


@pytest.mark.parametrize("statement", ["CHECKPOINT", "VACUUM", "VACUUM ANALYZE notes"])
def test_maintenance_runs_in_autocommit(notes: Engine, statement: str) -> None:
    with notes.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    assert ids(notes) == [1]


def test_a_checkpoint_empties_the_log_beside_the_file(url: str, tmp_path: Path) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT * FROM range(1000)"))
    log = tmp_path / "application.db.wal"
    assert log.exists()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
    assert not log.exists()
    engine.dispose()


def test_a_transaction_begun_in_sql_ends_when_the_connection_goes_back(notes: Engine) -> None:
    with notes.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("BEGIN"))
        connection.execute(text("INSERT INTO notes VALUES (2, NULL)"))
    with notes.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (3, NULL)"))
    assert ids(notes) == [1, 3]


# Rows that are gone


@pytest.mark.parametrize("change", ["update", "delete"])
def test_changing_a_row_that_somebody_deleted_is_noticed(notes: Engine, change: str) -> None:
    with Session(notes, expire_on_commit=False) as session:
        note = session.get(Note, 1)
        assert note is not None
        session.commit()
        with notes.begin() as other:
            other.execute(text("DELETE FROM notes"))
        if change == "update":
            note.text = "changed"
            with pytest.raises(StaleDataError, match="0 were matched"):
                session.flush()
        else:
            session.delete(note)
            with pytest.warns(match="expected to delete 1 row"):
                session.flush()


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("change", ["update", "delete"])
def test_changing_rows_one_of_which_somebody_deleted_is_noticed(
    notes: Engine, change: str, count: int
) -> None:
    with Session(notes) as session:
        session.add_all([Note(id=number) for number in range(2, count + 1)])
        session.commit()
        found = session.scalars(select(Note)).all()
        session.execute(text("DELETE FROM notes WHERE id = 2"))
        told = f"expected to {change} {count} row.*; {count - 1} were matched"
        if change == "update":
            for note in found:
                note.text = "changed"
            with pytest.raises(StaleDataError, match=told):
                session.flush()
        else:
            for note in found:
                session.delete(note)
            with pytest.warns(match=told):
                session.flush()


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_bulk_update_of_rows_that_are_not_there_is_noticed(notes: Engine, count: int) -> None:
    rows = [{"id": 100 + number, "text": "changed"} for number in range(count)]
    with Session(notes) as session, pytest.raises(StaleDataError, match="0 were matched"):
        session.execute(update(Note), rows)


def test_deleting_through_the_driver_is_seen_at_once(url: str, tmp_path: Path) -> None:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with duckdb.connect(str(tmp_path / "application.db")) as raw:
        raw.execute("INSERT INTO notes VALUES (1, NULL)")
        assert ids(engine) == [1]
        raw.execute("DELETE FROM notes")
    assert ids(engine) == []
    engine.dispose()


# Two-phase commit


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: connection.begin_twophase(),
        lambda connection: connection.recover_twophase(),
        lambda connection: connection.commit_prepared("x"),
        lambda connection: connection.rollback_prepared("x"),
    ],
)
def test_two_phases_are_refused_with_advice_and_the_connection_goes_on(
    notes: Engine, ask: Callable[[Connection], object]
) -> None:
    with notes.connect() as connection:
        with pytest.raises(NotSupportedError, match=r"no two-phase commit.*one by one"):
            ask(connection)
        connection.rollback()
        connection.execute(text("INSERT INTO notes VALUES (2, NULL)"))
        connection.commit()
    assert ids(notes) == [1, 2]


def test_a_session_of_two_phases_is_refused_with_advice(notes: Engine) -> None:
    with Session(notes, twophase=True) as session:
        session.add(Note(id=2))
        with pytest.raises(NotSupportedError, match=r"Session\(twophase=True\)"):
            session.flush()
    assert ids(notes) == [1]
