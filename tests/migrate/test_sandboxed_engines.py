"""Migrations of an engine with a sandbox are what its owner asks for: the sandbox is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from mixpanel_data import Sandbox, SandboxError, StorageClosedError, StorageEngine, migrate
from tests.records import EVENTS, make_events

SANDBOXES = [True, Sandbox(timeout=0.000_001)]


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_migrations_work_whatever_the_sandbox_refuses(sandbox: bool | Sandbox, path: Path) -> None:
    with StorageEngine(path, sandbox=sandbox) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        head = migrate.status(storage).head
        assert migrate.downgrade(storage, "0001").after == "0001"
        assert migrate.status(storage).state == "older"
        assert migrate.upgrade(storage).after == head
        migrate.check(storage)
        assert migrate.downgrade(storage, "base").after is None
        assert migrate.status(storage).unrecorded == ["jan"]
        assert migrate.upgrade(storage).after == head
        assert [revision.applied for revision in migrate.history(storage)] == [True, True]
    migrate.check(path)


def test_the_sandbox_holds_for_everybody_else_afterwards(path: Path) -> None:
    with StorageEngine(path, sandbox=True) as storage:
        migrate.downgrade(storage, "0001")
        migrate.upgrade(storage)
        with pytest.raises(SandboxError):
            storage.execute_rows("COPY (SELECT 1) TO 'out.csv'")
        with storage.engine.connect() as connection, pytest.raises(SandboxError):
            connection.execute(text("SET threads = 1"))


def test_a_closed_engine_is_migrated_no_more(path: Path) -> None:
    with StorageEngine(path, sandbox=True) as storage:
        pass
    for migration in (migrate.status, migrate.upgrade, migrate.check):
        with pytest.raises(StorageClosedError):
            migration(storage)


@pytest.mark.parametrize("key", [None, "a key"])
def test_a_database_that_sql_gives_another_name_stays_in_use(key: str | None, path: Path) -> None:
    try:
        storage = StorageEngine(path, encryption_key=key)
    except OSError:
        pytest.skip("DuckDB cannot encrypt here")
    with storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        storage.execute_rows("ALTER DATABASE events SET ALIAS TO other")
        assert storage.append_events_table("jan", make_events(5), EVENTS) == 2
        assert storage.execute_scalar("SELECT count(*) FROM other.jan") == 5
        assert storage.list_tables()[0].row_count == 5
        migrate.check(storage)
    with StorageEngine(path, encryption_key=key) as storage:
        assert storage.list_tables()[0].row_count == 5
