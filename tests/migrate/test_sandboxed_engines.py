"""Migrations of an engine with a sandbox: its rules do not apply to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from mixpanel_data import Sandbox, SandboxError, StorageClosedError, StorageEngine, migrate
from tests.records import EVENTS, make_events

SANDBOXES = [True, Sandbox(timeout=0.000_001)]


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_migrations_may_do_what_the_sandbox_refuses(sandbox: bool | Sandbox, path: Path) -> None:
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
        assert [revision.applied for revision in migrate.history(storage)] == [True] * 3
    migrate.check(path)


def test_the_sandbox_still_holds_after_a_migration(path: Path) -> None:
    with StorageEngine(path, sandbox=True) as storage:
        migrate.downgrade(storage, "0001")
        migrate.upgrade(storage)
        with pytest.raises(SandboxError):
            storage.execute_rows("COPY (SELECT 1) TO 'out.csv'")
        with storage.engine.connect() as connection, pytest.raises(SandboxError):
            connection.execute(text("SET threads = 1"))


def test_a_closed_engine_is_not_migrated(path: Path) -> None:
    with StorageEngine(path, sandbox=True) as storage:
        pass
    for migration in (migrate.status, migrate.upgrade, migrate.check):
        with pytest.raises(StorageClosedError):
            migration(storage)


@pytest.mark.parametrize("key", [None, "a key"])
def test_a_database_renamed_in_sql_still_works(key: str | None, path: Path) -> None:
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
