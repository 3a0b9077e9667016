"""An engine closed while threads use it raises StorageClosedError in them, and logs nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import duckdb
import pytest
from sqlalchemy import select, text

from mixpanel_data import StorageClosedError, StorageEngine
from tests.records import EVENTS, make_events

COUNT = "SELECT count(*) FROM jan a, jan b WHERE a.event_time < b.event_time"


def pool_records(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("sqlalchemy") and record.levelno > logging.DEBUG
    ]


def users_of(storage: StorageEngine) -> list[Callable[[], object]]:
    model = storage.model("jan")

    def by_session() -> None:
        with storage.session() as session:
            session.scalars(select(model).limit(200)).all()

    def by_writing_session() -> None:
        with storage.session() as session, suppress(duckdb.Error):
            session.execute(text("UPDATE jan SET distinct_id = 'a' WHERE distinct_id = 'user-1'"))
            session.commit()

    def by_engine() -> None:
        with storage.engine.begin() as connection:
            connection.execute(text(COUNT)).all()

    def by_load() -> None:
        storage.append_events_table("jan", make_events(3_000, start=5_000), EVENTS)

    return [
        by_session,
        by_writing_session,
        by_engine,
        by_load,
        lambda: storage.execute_rows(COUNT),
        lambda: storage.execute_df("FROM jan"),
        lambda: storage.execute_scalar("SELECT count(*) FROM jan"),
        lambda: storage.get_schema("jan"),
        storage.list_tables,
    ]


def use_until_it_fails(use: Callable[[], object]) -> type[Exception]:
    while True:
        try:
            use()
        except Exception as error:
            return type(error)


@pytest.mark.parametrize("round_", range(20))
def test_threads_that_query_and_load_get_a_closed_error(
    round_: int, storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    storage.create_events_table("jan", make_events(5_000), EVENTS)
    users = users_of(storage)
    with ThreadPoolExecutor(len(users)) as executor:
        ends = [executor.submit(use_until_it_fails, use) for use in users]
        time.sleep(0.005 * round_)
        storage.close()
    assert [end.result() for end in ends] == [StorageClosedError] * len(users)
    assert pool_records(caplog) == []


def test_a_transaction_whose_driver_connection_was_closed_logs_nothing(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    connection = storage.engine.connect()
    connection.execute(text("SELECT 1"))
    wrapped = connection.connection.dbapi_connection
    assert wrapped is not None
    wrapped.driver.close()  # as closing the database does, at first
    connection.close()
    assert pool_records(caplog) == []
