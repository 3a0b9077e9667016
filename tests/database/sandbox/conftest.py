"""Fixtures of the tests of the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.records import EVENTS, make_events

SANDBOXES: dict[str, Callable[[Path], StorageEngine]] = {
    "file": lambda path: StorageEngine(path, sandbox=True),
    "ephemeral": lambda path: StorageEngine.ephemeral(sandbox=True),
    "memory": lambda path: StorageEngine.memory(sandbox=True),
}


@pytest.fixture(params=SANDBOXES)
def anywhere(request: pytest.FixtureRequest, path: Path) -> Iterator[StorageEngine]:
    """A sandbox over each kind of database in turn."""
    with SANDBOXES[request.param](path) as engine:
        yield engine


@pytest.fixture
def storage(path: Path) -> Iterator[StorageEngine]:
    """A sandbox over a file with three events."""
    with StorageEngine(path, sandbox=True) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        yield engine
