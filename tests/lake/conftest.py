"""Fixtures of the tests of lakes, which need ``python -m tests.lake``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import Lake, StorageEngine
from tests.lake import lakes


@pytest.fixture(autouse=True)
def need_postgres(request: pytest.FixtureRequest) -> None:
    """Skip what is marked with ``lake`` where there is no PostgreSQL."""
    if request.node.get_closest_marker("lake") is not None and lakes.PORT is None:
        pytest.skip("needs PostgreSQL: make test-lake")


@pytest.fixture
def lake(tmp_path: Path, need_postgres: None) -> Iterator[Lake]:
    """A lake that does not exist yet, in an empty database and a folder."""
    name = lakes.new_database()
    yield lakes.lake_in(name, tmp_path / "data")
    lakes.server().sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def storage(lake: Lake) -> Iterator[StorageEngine]:
    """An engine over a new lake."""
    with StorageEngine(lake) as engine:
        yield engine
