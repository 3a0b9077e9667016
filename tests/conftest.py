"""Fixtures for all tests: databases of every kind, paths, recorded SQL statements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Connection, Engine, event

from mixpanel_data import StorageEngine
from tests.engines import close_empty_storage
from tests.examples import examples
from tests.lake import lakes
from tests.targets import ALL_TARGETS, LAKE_LACKS, open_target


def pytest_configure() -> None:
    """Set what hypothesis does unless a test says otherwise."""
    settings.register_profile("tests", examples(100))
    settings.load_profile("tests")


#: A module that has one of these starts child processes.
STARTS_PROCESSES = {
    *("Agent", "PythonProcess", "agent", "campaign", "multiprocessing", "run_python", "subprocess"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `make test-fast` leaves out because of their processes."""
    for item in items:
        names = vars(item.module).keys() if isinstance(item, pytest.Function) else set()
        if STARTS_PROCESSES & names or "workers" in item.path.parts:
            item.add_marker("processes")


def param(target: str) -> Any:
    """Return a parameter that `make test-fast` and CI have only for memory."""
    mark = pytest.mark.lake if target == "lake" else pytest.mark.slow
    return target if target == "memory" else pytest.param(target, marks=mark)


@pytest.fixture(params=map(param, ALL_TARGETS))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageEngine]:
    """An open engine, over each kind of database in turn."""
    needed = [name for mark in request.node.iter_markers("needs") for name in mark.args]
    reasons = [LAKE_LACKS[name] for name in needed]
    if reasons and request.param == "lake":
        request.applymarker(pytest.mark.xfail(reason=" ".join(reasons), strict=True))
    with open_target(request.param, tmp_path) as engine:
        yield engine


@pytest.fixture(scope="session", autouse=True)
def remove_lake() -> Iterator[None]:
    """Remove the lake that the tests have shared."""
    yield
    lakes.remove_lent_lake()


@pytest.fixture(scope="module", autouse=True)
def close_lent_engine() -> Iterator[None]:
    """Close the engine that the property tests of a module share."""
    yield
    close_empty_storage()


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
