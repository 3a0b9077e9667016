"""Files that are no database, or cannot be opened, are refused and left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseCorruptError,
    DatabaseFileError,
    StorageEngine,
)
from tests.files import snapshot_of
from tests.storage.helpers import posix_only


@pytest.mark.parametrize("content", [b"", b"hello", b"hello " * 5000, bytes(20_000)])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, content: bytes, read_only: bool
) -> None:
    path.write_bytes(content)
    before = snapshot_of(path.parent)
    with pytest.raises(DatabaseCorruptError) as caught:
        StorageEngine(path, read_only=read_only)
    assert isinstance(caught.value, OSError)
    assert caught.value.path == path
    assert snapshot_of(path.parent) == before


def test_a_damaged_database_is_refused_and_left_alone(database_file: Path) -> None:
    damaged = bytearray(database_file.read_bytes())
    damaged[4096:12288] = bytes(8192)
    database_file.write_bytes(damaged)
    before = snapshot_of(database_file.parent)
    with pytest.raises(DatabaseFileError):
        StorageEngine(database_file)
    assert snapshot_of(database_file.parent) == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_folder_is_no_database(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(DatabaseFileError) as caught:
        StorageEngine(tmp_path, read_only=read_only)
    assert isinstance(caught.value, OSError)
    with pytest.raises(DatabaseFileError):
        StorageEngine.open_existing(tmp_path, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["events.db", "folder/events.db"])
def test_a_folder_that_cannot_be_made_is_an_error_of_the_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / below
    with pytest.raises(DatabaseFileError, match="folder") as caught:
        StorageEngine(path)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.path == path
    assert (tmp_path / "file").read_text() == "mine"


@posix_only
def test_a_file_without_permission_is_an_error_of_the_file(database_file: Path) -> None:
    database_file.chmod(0o400)
    if os.access(database_file, os.W_OK):
        pytest.skip("this user may do everything")
    with pytest.raises(DatabaseFileError) as caught:
        StorageEngine(database_file)
    assert isinstance(caught.value, OSError)
    with StorageEngine(database_file, read_only=True) as storage:
        assert storage.table_exists("jan")
