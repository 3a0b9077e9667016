"""``create_table_as`` saves the result of a query as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, column, select, table, text

from mixpanel_data import (
    DatabaseReadOnlyError,
    QueryError,
    QueryTimeoutError,
    Sandbox,
    SandboxError,
    StorageEngine,
    TableExistsError,
    TableNameError,
)
from tests.records import EVENTS, make_events

NUMBERS = "SELECT n, n * 2 AS twice FROM range(10) AS t(n)"


@pytest.fixture(params=[True, False], ids=["sandbox", "free"])
def storage(request: pytest.FixtureRequest, path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path, sandbox=request.param) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        yield engine


def names(storage: StorageEngine) -> list[str]:
    found = storage.execute_rows("SELECT table_name FROM duckdb_tables() ORDER BY ALL")
    return [name for (name,) in found]


def test_the_rows_of_the_query_are_in_the_table(storage: StorageEngine) -> None:
    assert storage.create_table_as("numbers", NUMBERS) == 10
    assert storage.execute_rows("SELECT * FROM numbers WHERE n > 7") == [(8, 16), (9, 18)]
    assert storage.create_table_as("none", "SELECT 1 AS a LIMIT 0") == 0


def test_the_table_is_not_managed(storage: StorageEngine) -> None:
    storage.create_table_as("numbers", NUMBERS)
    assert [found.name for found in storage.list_tables()] == ["events"]
    assert storage.table_exists("numbers")
    assert [found.name for found in storage.get_schema("numbers").columns] == ["n", "twice"]
    storage.drop_table("numbers")
    assert not storage.table_exists("numbers")


@pytest.mark.parametrize(
    "sql",
    [
        "FROM events -- a comment",
        "FROM events;",
        "VALUES (1), (2), (3)",
        "WITH a AS (FROM events) FROM a",
        "(SELECT 1 UNION ALL SELECT 2) UNION ALL SELECT 3",
        "/* a */ SELECT 1 FROM range(3)",
    ],
)
def test_every_form_of_a_query_can_be_kept(sql: str, storage: StorageEngine) -> None:
    assert storage.create_table_as("kept", sql) == 3


def test_parameters_and_statements_of_sqlalchemy_work(storage: StorageEngine) -> None:
    storage.create_table_as("numbers", NUMBERS)
    numbers = table("numbers", column("n"))
    few = select(numbers).where(numbers.c.n.in_([1, 2, 3]), numbers.c.n > bindparam("low"))
    assert storage.create_table_as("a", "FROM numbers WHERE n > ?", [5]) == 4
    assert storage.create_table_as("b", "FROM numbers WHERE n > $low", {"low": 5}) == 4
    assert storage.create_table_as("c", few, {"low": 1}) == 2
    assert storage.create_table_as("d", text("FROM numbers WHERE n = :n"), {"n": 3}) == 1
    assert storage.create_table_as("select", "FROM numbers") == 10
    assert storage.execute_scalar('SELECT count(*) FROM "select"') == 10


@pytest.mark.parametrize("name", ["events", "EVENTS", "seen"])
def test_an_existing_table_is_not_replaced(name: str, path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
        storage.execute_rows("CREATE VIEW seen AS FROM events")
    with StorageEngine(path, sandbox=True) as storage:
        with pytest.raises(TableExistsError, match="Choose another name") as caught:
            storage.create_table_as(name, NUMBERS)
        assert caught.value.table_name == name
        assert storage.execute_scalar("SELECT count(*) FROM seen") == 3


@pytest.mark.parametrize("name", ["_metadata", "", "a b", 'a"; DROP TABLE events; --', "é"])
def test_reserved_and_invalid_names_are_refused(name: str, storage: StorageEngine) -> None:
    with pytest.raises(TableNameError):
        storage.create_table_as(name, NUMBERS)
    internal = ["_metadata", "_mixpanel_data_version", "_property_columns", "_stale_columns"]
    assert names(storage) == [*internal, "events"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM missing",
        "SELECT CASE WHEN n > 5000 THEN error('boom') END AS a FROM range(10000) AS t(n)",
        "DELETE FROM events RETURNING *",
        "SELECT 1; DROP TABLE events",
        "SELECT 1) AS a; DROP TABLE events; --",
        "DESCRIBE events; DROP TABLE events",
        "SELECT 1 FROM (",
        "",
    ],
)
def test_what_fails_leaves_nothing(sql: str, storage: StorageEngine) -> None:
    before = names(storage)
    with pytest.raises(QueryError):
        storage.create_table_as("kept", sql)
    assert names(storage) == before
    assert storage.execute_scalar("SELECT count(*) FROM events") == 3


def test_metadata_that_a_dropped_table_left_is_not_that_of_the_new_one(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
        storage.execute_rows("DROP TABLE events")
        storage.create_table_as("events", NUMBERS)
        assert storage.list_tables() == []


def test_in_a_sandbox_the_query_is_checked_and_timed(path: Path) -> None:
    with StorageEngine(path, sandbox=Sandbox(timeout=0.2)) as storage:
        for sql in (f"FROM read_blob('{path}')", f"FROM '{path}'", "SELECT nextval('a')"):
            with pytest.raises(SandboxError):
                storage.create_table_as("kept", sql)
        with pytest.raises(QueryTimeoutError):
            storage.create_table_as(
                "kept", "SELECT sum(a.n * b.n) FROM range(10000000) a(n), range(10000000) b(n)"
            )
        assert not storage.table_exists("kept")
        assert storage.create_table_as("kept", NUMBERS) == 10


def test_a_file_opened_to_be_read_is_not_written(path: Path) -> None:
    StorageEngine(path).close()
    for sandbox in (True, False):
        with (
            StorageEngine(path, read_only=True, sandbox=sandbox) as storage,
            pytest.raises(DatabaseReadOnlyError),
        ):
            storage.create_table_as("kept", NUMBERS)
