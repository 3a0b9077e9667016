"""Files to open, and a home folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpanel_data import (
    StorageEngine,
)
from tests.storage.helpers import fill


@pytest.fixture
def database_file(path: Path) -> Path:
    """A database file with a table of each kind."""
    with StorageEngine(path) as storage:
        fill(storage)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder of the user."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    return folder
