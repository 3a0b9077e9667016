"""What the tests share: databases of every kind, and records to fill them with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from mixpanel_data import StorageEngine, TableMetadata

Record = dict[str, Any]
START = datetime(2025, 1, 1, tzinfo=timezone.utc)
FETCHED_AT = datetime(2025, 2, 1, 12, 30, tzinfo=timezone.utc)
EVENTS = TableMetadata("events", FETCHED_AT, from_date="2025-01-01", to_date="2025-01-31")
PROFILES = TableMetadata("profiles", FETCHED_AT)


def pytest_configure() -> None:
    """Let hypothesis measure no time: machines are shared."""
    from hypothesis import settings  # not for the processes that import this module

    settings.register_profile("without deadlines", deadline=None)
    settings.load_profile("without deadlines")


def make_event(number: int = 0, **fields: Any) -> Record:
    """Return a valid event; the same number gives the same event."""
    return {
        "event_name": ("Page View", "Sign Up", "Purchase")[number % 3],
        "event_time": START + timedelta(seconds=number),
        "distinct_id": f"user-{number % 10}",
        "insert_id": hashlib.md5(str(number).encode()).hexdigest(),
        "properties": {"$browser": "Firefox", "plan name": "pro", "number": number},
        **fields,
    }


def make_events(count: int, start: int = 0) -> Iterator[Record]:
    """Yield valid events, all different."""
    return map(make_event, range(start, start + count))


def make_profile(number: int = 0, **fields: Any) -> Record:
    """Return a valid profile; the same number gives the same profile."""
    return {
        "distinct_id": f"user-{number}",
        "properties": {"$city": "Zürich", "number": number},
        "last_seen": START + timedelta(days=number),
        **fields,
    }


def make_profiles(count: int, start: int = 0) -> Iterator[Record]:
    """Yield valid profiles, all different."""
    return map(make_profile, range(start, start + count))


TARGETS: dict[str, Callable[[Path], StorageEngine]] = {
    "memory": lambda folder: StorageEngine.memory(),
    "ephemeral": lambda folder: StorageEngine.ephemeral(),
    "file": lambda folder: StorageEngine(folder / "storage.db"),
}


@pytest.fixture(params=TARGETS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageEngine]:
    """An open engine, over each kind of database in turn."""
    with TARGETS[request.param](tmp_path) as engine:
        yield engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database file may be made."""
    return tmp_path / "events.db"


@pytest.fixture
def statements() -> Callable[[StorageEngine], list[str]]:
    """A function that starts to record the SQL an engine runs through SQLAlchemy."""

    def record(storage: StorageEngine) -> list[str]:
        seen: list[str] = []

        @event.listens_for(storage.engine, "before_cursor_execute")
        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        return seen

    return record


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection of the engine that the module has; what it does is rolled back."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process whose new files anybody may read and write, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)
