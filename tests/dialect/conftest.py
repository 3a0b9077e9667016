"""Engines of the dialect without a StorageEngine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a file that is not there yet."""
    return f"duckdb+mixpanel:///{tmp_path / 'application.db'}"


@pytest.fixture(params=["memory", pytest.param("file", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """An engine of the dialect, over memory and a file in turn."""
    made = create_engine("duckdb+mixpanel:///:memory:" if request.param == "memory" else url)
    yield made
    made.dispose()
