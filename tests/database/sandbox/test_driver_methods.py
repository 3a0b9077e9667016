"""What the driver's connections have beside SQL gives a sandbox's guard nothing to miss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from mixpanel_data import MixpanelDataError, QueryError, StorageEngine
from tests.records import EVENTS, make_events

#: Texts that mean something to the driver without a guard.
CONTROLS = ["COMMIT", "rollback", " END ;", "abort", "register", "register($1, $2)"]


@pytest.fixture
def guarded() -> Iterator[StorageEngine]:
    with StorageEngine.memory(sandbox=True) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        yield storage


@pytest.mark.parametrize("sql", CONTROLS)
def test_a_text_that_is_no_select_is_refused(guarded: StorageEngine, sql: str) -> None:
    with pytest.raises(MixpanelDataError):
        guarded.execute_rows(sql, ["name", [1]] if "$1" in sql else None)
    with guarded.engine.connect() as connection, pytest.raises((MixpanelDataError, DBAPIError)):
        connection.exec_driver_sql(sql)


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("sql", CONTROLS)
def test_no_table_is_made_of_the_end_of_a_transaction(sandbox: bool, sql: str) -> None:
    with StorageEngine.memory(sandbox=sandbox) as storage:
        with pytest.raises(QueryError):
            storage.create_table_as("made", sql)
        assert not storage.table_exists("made")


def test_a_guarded_connection_has_none_of_duckdbs_methods(guarded: StorageEngine) -> None:
    with guarded.engine.connect() as connection:
        dbapi: Any = connection.connection.dbapi_connection
        for name in ("create_function", "from_csv_auto", "read_csv", "install_extension"):
            with pytest.raises(AttributeError):
                getattr(dbapi, name)
        for run in (dbapi.execute, dbapi.sql, lambda sql: dbapi.executemany(sql, [(1,)])):
            with pytest.raises(MixpanelDataError):
                run("COPY (SELECT 1) TO 'out.csv'")
        for fetch in ("df", "pl", "to_arrow_table", "fetchnumpy", "fetchall"):
            cursor = dbapi.execute("SELECT insert_id FROM jan ORDER BY ALL")
            assert len(getattr(cursor, fetch)()) == (1 if fetch == "fetchnumpy" else 3)
