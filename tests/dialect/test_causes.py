"""What made a transaction fail is what its commit says, and a conflict has a class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import duckdb
import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError

from mixpanel_data.dialect.driver.module import WriteConflictException


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A table with one row."""
    engine = create_engine("duckdb+mixpanel:///:memory:")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT 1 AS n"))
    yield engine
    engine.dispose()


def fail(connection: Connection, sql: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        connection.execute(text(sql))
    return caught.value


def test_a_commit_has_the_first_error_and_its_statement(engine: Engine) -> None:
    with engine.connect() as connection:
        first = fail(connection, "SELECT 'x'::INTEGER")
        fail(connection, "SELECT nope")
        with pytest.raises(DataError, match=r"(?s)Could not convert.*SELECT 'x'") as caught:
            connection.commit()
    assert caught.value.orig is not None
    assert caught.value.orig.__cause__ is first.orig


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("INSERT INTO keyed VALUES (1)", IntegrityError),
        ("SELECT 'x'::INTEGER", DataError),
        ("SELECT nope", ProgrammingError),
    ],
)
def test_a_commit_raises_the_class_of_the_first_error(
    engine: Engine, sql: str, kind: type[DBAPIError]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE keyed AS SELECT 1 AS id"))
        connection.execute(text("ALTER TABLE keyed ADD PRIMARY KEY (id)"))
    with engine.connect() as connection:
        first = fail(connection, sql)
        with pytest.raises(DBAPIError, match="nothing of it was committed") as caught:
            connection.commit()
    assert (type(first), type(caught.value)) == (kind, kind)
    assert type(caught.value.orig) is type(first.orig)


@pytest.mark.parametrize("many", [1, 100])
def test_pandas_raises_what_went_wrong(engine: Engine, many: int) -> None:
    pd = pytest.importorskip("pandas")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE keyed (id INTEGER PRIMARY KEY)"))
    frame = pd.DataFrame({"id": range(many)})
    frame.to_sql("keyed", engine, if_exists="append", index=False)
    with pytest.raises(IntegrityError, match="Duplicate key"):
        frame.to_sql("keyed", engine, if_exists="append", index=False)


def test_an_error_does_not_outlive_its_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        fail(connection, "SELECT 'x'::INTEGER")
        connection.rollback()
        fail(connection, "SELECT nope")
        with pytest.raises(ProgrammingError, match="nope") as caught:
            connection.commit()
    assert "Could not convert" not in str(caught.value)


def test_a_statement_in_a_failed_transaction_names_the_cause(engine: Engine) -> None:
    with engine.connect() as connection:
        first = fail(connection, "SELECT 'x'::INTEGER")
        with suppress(DBAPIError):  # DuckDB 1.5 goes on
            connection.execute(text("SELECT 1"))
            return
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("SELECT 1"))
        assert isinstance(caught.value.orig, duckdb.TransactionException)
        assert caught.value.orig.__cause__ is first.orig


def test_a_write_conflict_has_a_class_and_can_be_retried(engine: Engine) -> None:
    update = text("UPDATE t SET n = n + 1")
    with engine.connect() as one, engine.connect() as two:
        one.execute(update)
        error = fail(two, update.text)
        assert isinstance(error, OperationalError)
        assert isinstance(error.orig, WriteConflictException)
        assert not error.connection_invalidated
        one.commit()
        two.rollback()
        two.execute(update)
        two.commit()
        assert two.scalar(text("SELECT n FROM t")) == 3
