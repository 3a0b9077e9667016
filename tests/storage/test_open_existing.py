"""``open_existing()`` opens an existing file and creates nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseNotFoundError,
    StorageEngine,
)
from tests.records import EVENTS, make_events


@pytest.mark.parametrize("read_only", [False, True])
def test_opening_a_file_that_is_not_there_creates_nothing(tmp_path: Path, read_only: bool) -> None:
    for path in (tmp_path / "events.db", tmp_path / "folder" / "events.db"):
        with pytest.raises(DatabaseNotFoundError) as caught:
            StorageEngine.open_existing(path, read_only=read_only)
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.path == path
    assert list(tmp_path.iterdir()) == []


def test_opening_a_file_that_is_there_gives_its_data(database_file: Path) -> None:
    with StorageEngine.open_existing(str(database_file)) as storage:
        assert storage.append_events_table("jan", make_events(25), EVENTS) == 5
