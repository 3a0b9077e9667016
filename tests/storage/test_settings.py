"""``config=`` passes settings to DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    MixpanelDataError,
    StorageEngine,
)
from tests.storage.helpers import fill


def test_settings_reach_duckdb(tmp_path: Path) -> None:
    config = {"threads": 1, "memory_limit": "123MiB"}
    with StorageEngine(tmp_path / "a.db", config=config):
        pass
    for storage in (
        StorageEngine.open_existing(tmp_path / "a.db", config=config),
        StorageEngine.ephemeral(config=config),
        StorageEngine.memory(config=config),
    ):
        with storage:
            settings = "SELECT current_setting('threads'), current_setting('memory_limit')"
            assert storage.execute_rows(settings) == [(1, "123.0 MiB")]
            assert storage.connection.execute(settings).fetchall() == [(1, "123.0 MiB")]


@pytest.mark.parametrize(
    "config", [{"no_such_setting": 1}, {"memory_limit": "a lot"}, {"threads": -1}]
)
def test_a_bad_setting_is_a_typed_error_and_leaves_nothing_behind(
    path: Path, config: dict[str, Any]
) -> None:
    for make in (
        StorageEngine.memory,
        StorageEngine.ephemeral,
        lambda config: StorageEngine(path, config=config),
    ):
        with pytest.raises(MixpanelDataError):
            make(config=config)
    assert list(path.parent.iterdir()) == []
    with StorageEngine(path) as storage:
        fill(storage)
