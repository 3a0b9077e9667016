"""A file with a few tables, and engines over it that run SQL in workers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import Sandbox, StorageEngine
from mixpanel_data.database.sandbox.worker import process
from tests.processes import children_of
from tests.records import EVENTS, make_events

ROWS = 300_000

#: A worker that runs whatever it is given, so that nothing but its limits is left.
PERMISSIVE = """
import sys
sys.path[:] = sys.argv[1:]
from mixpanel_data.database.sandbox.worker.main import main
from tests.database.sandbox.workers.permissive import Permissive
main(Permissive)
"""

Opener = Callable[..., StorageEngine]


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with an events table and others, which nothing writes any more."""
    path = tmp_path_factory.mktemp("worker") / "events.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(100), EVENTS)
        storage.execute_rows("CREATE TYPE mood AS ENUM ('happy', 'sad')")
        storage.execute_rows("CREATE TABLE moods AS SELECT 'sad'::mood AS mood")
        storage.execute_rows(
            "CREATE TABLE numbers AS "
            f"SELECT i, i % 10 AS rest, random() AS r, i::VARCHAR AS s FROM range({ROWS}) t(i)"
        )
    return path


@pytest.fixture
def opened(file: Path) -> Iterator[Opener]:
    """A function that opens the file with workers and limits; closed at the end of the test."""
    engines: list[StorageEngine] = []

    def open_(path: Path | None = None, **limits: Any) -> StorageEngine:
        sandbox = Sandbox(worker=True, **limits)
        engines.append(StorageEngine(path or file, read_only=True, sandbox=sandbox))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.close()


@pytest.fixture(scope="module")
def storage(file: Path) -> Iterator[StorageEngine]:
    """An engine with workers that are kept for the whole module."""
    limits = Sandbox(worker=True, functions=["test_all_types"])
    with StorageEngine(file, read_only=True, sandbox=limits) as engine:
        yield engine


@pytest.fixture
def permissive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers of a test run whatever they are given."""
    monkeypatch.setattr(process, "BOOTSTRAP", PERMISSIVE)


def workers_of(pid: int | None = None) -> list[int]:
    """Return the workers that a process, by default this one, has started, dead ones too."""
    return list(filter(_is_worker, children_of(pid)))


def is_there(pid: int) -> bool:
    """Tell whether there is a process, or what is left of a dead one."""
    return Path(f"/proc/{pid}").exists()


def _is_worker(pid: int) -> bool:
    """Tell whether a process is a worker, or dead: of those nothing more can be told."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not command or b"mixpanel_data.database.sandbox.worker.main" in command


if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]
