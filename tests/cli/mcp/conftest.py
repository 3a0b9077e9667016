"""A database that agents ask, and agents for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.cli.mcp.agent import Agent, agent, agent_within
from tests.records import EVENTS, PROFILES, make_events, make_profiles

pytest.importorskip("mcp")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 300 events and five profiles, which nothing changes."""
    path = tmp_path_factory.mktemp("served") / "events of 2025.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(300), EVENTS)
        storage.create_profiles_table("users", make_profiles(5), PROFILES)
        storage.create_table_as("orders", "SELECT 1 AS id, 9.99 AS price")
    return path


@pytest.fixture(scope="module")
def asking(database: Path) -> Iterator[Agent]:
    """An agent whose server is in this process."""
    with agent_within(database) as connected:
        yield connected


@pytest.fixture(scope="module")
def served(database: Path) -> Iterator[Agent]:
    """An agent whose server is a process of its own."""
    with agent(database) as connected:
        yield connected
