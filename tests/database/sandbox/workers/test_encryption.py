"""A worker opens an encrypted file, and its key is not exposed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import Sandbox, StorageEngine
from tests.database.sandbox.workers.conftest import workers_of
from tests.database.test_encryption import KEY, open_encrypted


@pytest.mark.parametrize("key", [KEY, "clé 'quoted' \\ 鍵"])
def test_the_key_goes_through_the_pipe_only(tmp_path: Path, key: str) -> None:
    path = tmp_path / "private.db"
    with open_encrypted(path, key) as storage:
        storage.execute_rows("CREATE TABLE numbers AS SELECT 42 AS n")
    sandbox = Sandbox(worker=True)
    with StorageEngine(path, read_only=True, sandbox=sandbox, encryption_key=key) as storage:
        assert storage.execute_scalar("SELECT n FROM numbers") == 42
        (pid,) = workers_of()
        for shown in ("cmdline", "environ"):
            assert key.encode() not in Path(f"/proc/{pid}/{shown}").read_bytes()
        policy: Any = storage._database.policy
        assert repr(key)[1:-1] not in repr(vars(policy.workers))
    assert [file.name for file in tmp_path.iterdir()] == ["private.db"]
