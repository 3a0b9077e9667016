"""What is no file is refused as a database at once: DuckDB would wait for ever for a pipe."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from mixpanel_data import DatabaseFileError, Sandbox, StorageEngine, migrate
from tests.storage.helpers import fill, posix_only

pytestmark = posix_only

WAYS: dict[str, Callable[[StorageEngine, Any], object]] = {
    "StorageEngine": lambda _, path: StorageEngine(path),
    "read_only": lambda _, path: StorageEngine(path, read_only=True),
    "open_existing": lambda _, path: StorageEngine.open_existing(path),
    "worker": lambda _, path: StorageEngine(path, read_only=True, sandbox=Sandbox(worker=True)),
    "encrypted": lambda _, path: StorageEngine(path, encryption_key="secret"),
    "migrate.status": lambda _, path: migrate.status(path),
    "migrate.upgrade": lambda _, path: migrate.upgrade(path),
    "copy_table": lambda storage, path: storage.copy_table("jan", path),
    "backup": lambda storage, path: storage.backup(path),
    "backup over it": lambda storage, path: storage.backup(path, overwrite=True),
}

KINDS = {
    "pipe": "a named pipe",
    "link": "a named pipe",
    "folder": "a folder",
    "socket": "a socket",
    "/dev/null": "a device",
    "/dev/zero": "a device",
}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with one of each kind."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    Path("folder").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        yield tmp_path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "kind"), KINDS.items())
@pytest.mark.usefixtures("places")
def test_what_is_no_file_is_no_database(way: str, name: str, kind: str) -> None:
    before = sorted(path.name for path in Path().iterdir())
    with StorageEngine.memory() as storage:
        fill(storage)
        said = "Nothing was written" if way.startswith("backup") else f"{kind}.*Check the path"
        with pytest.raises(DatabaseFileError, match=said):
            WAYS[way](storage, name)
    assert sorted(path.name for path in Path().iterdir()) == before


@pytest.mark.parametrize("options", ["", "?read_only=true", "?lock_timeout=5"])
@pytest.mark.parametrize(("name", "kind"), KINDS.items())
@pytest.mark.usefixtures("places")
def test_an_engine_of_the_dialect_refuses_it_too(name: str, kind: str, options: str) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{name}{options}")
    with pytest.raises(OperationalError, match=f"{kind}.*Check the path"):
        engine.connect()
    engine.dispose()
