"""What is ours on the disk is for its user only, and stays where it belongs."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from mixpanel_data import DatabaseFileError, StorageEngine, migrate
from tests.conftest import EVENTS, make_events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default folder of projects, in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".mixpanel_data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.mark.usefixtures("open_umask")
def test_a_backup_is_private_whatever_the_file_is(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    path.chmod(0o664)
    backup = migrate.downgrade(path, "0001", backup=True).backup
    assert backup is not None
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_what_a_backup_that_was_cut_off_has_left_is_replaced(path: Path) -> None:
    StorageEngine(path).close()
    left = path.with_name("events.db.backup.part")
    left.write_bytes(b"half")
    left.chmod(0o644)
    backup = migrate.downgrade(path, "0001", backup=True).backup
    assert backup is not None
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert not left.exists()


@pytest.mark.parametrize("suffix", ["", ".wal", ".tmp"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_the_default_folder_is_not_followed_out_of_it(
    suffix: str, exists: bool, folder: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    if exists:
        foreign.write_bytes(b"precious")
    (folder / f"1.db{suffix}").symlink_to(foreign)
    with pytest.raises(DatabaseFileError, match="symbolic link") as caught:
        StorageEngine(project_id="1")
    assert caught.value.path == folder / f"1.db{suffix}"
    assert foreign.exists() == exists
    assert not exists or foreign.read_bytes() == b"precious"
    assert [file.name for file in folder.iterdir()] == [f"1.db{suffix}"]


def test_a_link_within_the_default_folder_is_another_name(folder: Path) -> None:
    StorageEngine(project_id="1").close()
    (folder / "alias.db").symlink_to(folder / "1.db")
    with StorageEngine(project_id="alias") as storage:
        assert storage.list_tables() == []


def test_the_default_folder_may_be_somewhere_else(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / "moved")
    folder.symlink_to(moved)
    with StorageEngine(project_id="1") as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    assert (moved / "1.db").exists()


def test_a_path_that_the_caller_gives_may_be_a_link(path: Path, tmp_path: Path) -> None:
    StorageEngine(path).close()
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with StorageEngine(link) as storage:
        assert storage.list_tables() == []
