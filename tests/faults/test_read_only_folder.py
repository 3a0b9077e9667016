"""A folder in which nothing can be written, on a file system that is mounted read-only."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseFileError,
    DatabasePermissionError,
    StorageEngine,
    TableNotFoundError,
    migrate,
)
from tests.faults.aftermath import contents_of
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

#: Commits something, and is killed with it in the log.
COMMITTING = """
storage = StorageEngine(sys.argv[1])
storage.append_events_table("jan", make_events(110), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(small_disk: Path) -> Path:
    """A database that is alone on a disk, closed."""
    path = small_disk / "events.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(100), EVENTS)
    return path


def make_read_only(path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True)


def test_a_database_in_a_read_only_folder_can_be_read(path: Path) -> None:
    make_read_only(path)
    with StorageEngine(path, read_only=True) as storage:
        assert len(contents_of(storage)["jan"]) == 100
        with pytest.raises(TableNotFoundError):
            storage.get_schema("feb")
    assert migrate.status(path).state == "current"


def test_what_a_killed_process_left_in_a_read_only_folder_can_be_read(path: Path) -> None:
    with PythonProcess(COMMITTING, path) as process:
        process.wait()
    make_read_only(path)
    with StorageEngine(path, read_only=True) as storage:
        assert len(contents_of(storage)["jan"]) == 110


def test_opening_for_writing_says_how_to_read(path: Path) -> None:
    make_read_only(path)
    with pytest.raises(DatabasePermissionError, match="use read_only=True") as caught:
        StorageEngine(path)
    assert isinstance(caught.value, PermissionError)
    assert caught.value.path == path
    with pytest.raises(DatabasePermissionError):
        migrate.downgrade(path, "0001", backup=True)


@pytest.mark.parametrize("name", ["new.db", "folder/new.db"])
def test_a_new_database_says_what_is_not_writable(name: str, path: Path) -> None:
    make_read_only(path)
    with pytest.raises(DatabaseFileError, match="Read-only file system"):
        StorageEngine(path.parent / name)
    assert list(path.parent.iterdir()) == [path]


def test_an_ephemeral_database_says_where_it_wanted_to_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(path)
    monkeypatch.setattr("tempfile.tempdir", str(path.parent))
    with pytest.raises(DatabaseFileError, match="Set TMPDIR") as caught:
        StorageEngine.ephemeral()
    assert caught.value.path == path.parent
