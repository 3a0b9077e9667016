"""Objects that are still open when an engine is closed fail, and do not lock the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mixpanel_data import (
    MixpanelDataError,
    StorageEngine,
)
from tests.processes import run_python
from tests.storage.helpers import APPEND_TO_JAN, fill


def use_session(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    session.execute(text("INSERT INTO users SELECT 'x', '{}', NULL"))
    return lambda: session.scalar(text("SELECT 1"))


def use_unread_rows(storage: StorageEngine) -> Callable[[], object]:
    result = storage.session().execute(text("SELECT * FROM range(100000)"))
    result.fetchone()
    return result.fetchall


def use_connection_with_unread_rows(storage: StorageEngine) -> Callable[[], object]:
    connection = storage.engine.connect()
    connection.execute(text("SELECT * FROM range(100000)")).fetchone()
    return lambda: connection.execute(text("SELECT 1"))


def use_commit(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    session.execute(text("DELETE FROM users"))
    return session.commit


def use_engine(storage: StorageEngine) -> Callable[[], object]:
    engine = storage.engine
    return lambda: engine.connect()


def use_new_session(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    return lambda: session.scalar(text("SELECT 1"))


def use_relation(storage: StorageEngine) -> Callable[[], object]:
    return storage.execute("SELECT * FROM jan").fetchall


def use_filtered_relation(storage: StorageEngine) -> Callable[[], object]:
    relation = storage.execute("SELECT * FROM jan")
    relation.df()
    return lambda: relation.filter("distinct_id = 'user-1'").df()


def use_duckdb_connection(storage: StorageEngine) -> Callable[[], object]:
    connection = storage.connection
    return lambda: connection.execute("SELECT 1")


def use_duckdb_cursor(storage: StorageEngine) -> Callable[[], object]:
    cursor = storage.connection.cursor()
    cursor.begin()
    cursor.execute("DELETE FROM users")
    return cursor.commit


@pytest.mark.parametrize(
    "use",
    [
        use_engine,
        use_new_session,
        use_session,
        use_commit,
        use_unread_rows,
        use_connection_with_unread_rows,
        use_relation,
        use_filtered_relation,
        use_duckdb_connection,
        use_duckdb_cursor,
    ],
)
def test_objects_left_open_fail_and_do_not_lock_the_file(
    path: Path, use: Callable[[StorageEngine], Callable[[], object]]
) -> None:
    storage = StorageEngine(path)
    fill(storage)
    left_open = use(storage)
    storage.close()
    assert run_python(APPEND_TO_JAN, path) == ["10"]
    with pytest.raises((MixpanelDataError, SQLAlchemyError, duckdb.Error), match=r"(?i)closed"):
        left_open()
    with StorageEngine(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [30, 5]


def test_objects_left_open_can_be_closed_afterwards(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    fill(storage)
    with storage.session() as session, storage.engine.connect() as connection:
        session.execute(text("DELETE FROM users"))
        connection.execute(text("SELECT * FROM jan")).fetchone()
        storage.close()
    assert caplog.records == []
