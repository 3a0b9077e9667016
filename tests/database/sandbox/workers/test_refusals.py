"""Where workers are not available, and methods that they cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mixpanel_data import QueryError, Sandbox, SandboxError, StorageEngine
from tests.database.sandbox.workers.conftest import Opener, workers_of

WORKER = Sandbox(worker=True)


@pytest.mark.parametrize(
    "open_",
    [
        lambda file: StorageEngine.memory(sandbox=WORKER),
        lambda file: StorageEngine.ephemeral(sandbox=WORKER),
        lambda file: StorageEngine(file, sandbox=WORKER),
        lambda file: StorageEngine.open_existing(file, sandbox=WORKER),
    ],
)
def test_a_worker_needs_a_file_that_is_only_read(
    file: Path, open_: Callable[[Path], StorageEngine]
) -> None:
    with pytest.raises(ValueError, match="read_only=True"):
        open_(file)


def test_a_worker_needs_linux(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixpanel_data.database.sandbox.worker.pool.sys.platform", "darwin")
    with pytest.raises(ValueError, match="Linux"):
        StorageEngine(file, read_only=True, sandbox=WORKER)


def test_the_memory_limit_must_have_room_for_one_worker(file: Path) -> None:
    with pytest.raises(ValueError, match="max_workers is 0"):
        StorageEngine(file, read_only=True, sandbox=Sandbox(worker=True, max_workers=0))


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.execute("SELECT 1"),
        lambda storage: storage.engine,
        lambda storage: storage.session(),
        lambda storage: storage.model("events_jan"),
        lambda storage: storage.connection,
    ],
)
def test_methods_that_a_worker_cannot_serve_are_refused(
    storage: StorageEngine, use: Callable[[StorageEngine], Any]
) -> None:
    with pytest.raises(SandboxError) as caught:
        use(storage)
    assert caught.value.details["refused"]


def test_tables_are_listed_and_described_without_a_worker(opened: Opener) -> None:
    storage = opened()
    assert [table.row_count for table in storage.list_tables()] == [100]
    assert storage.table_exists("numbers")
    assert storage.get_schema("numbers").columns[0].name == "i"
    assert storage.get_metadata("events_jan").type == "events"
    assert workers_of() == []


@pytest.mark.parametrize(
    "sql",
    [
        "COPY numbers TO '/tmp/numbers.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT 1; SELECT 2",
        "SET threads = 8",
    ],
)
def test_a_worker_refuses_what_the_sandbox_refuses(storage: StorageEngine, sql: str) -> None:
    with pytest.raises(SandboxError) as caught:
        storage.execute_rows(sql)
    assert caught.value.details["query"] == sql


def test_nothing_can_be_written(storage: StorageEngine) -> None:
    for sql in ("DELETE FROM numbers", "CREATE TABLE t (i INTEGER)", "DROP TABLE numbers"):
        with pytest.raises(QueryError):
            storage.execute_rows(sql)


def test_data_cannot_be_registered(storage: StorageEngine) -> None:
    statement = text("register(:name, :data)")
    with pytest.raises(QueryError, match=r"syntax error|statements"):
        storage.execute_rows(statement, {"name": "t", "data": [1]})
