"""Links that were planted beside a database do not lead DuckDB to other files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mixpanel_data import DatabaseFileError, DatabaseLinkError, StorageEngine, migrate
from tests.records import EVENTS, make_events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")

NAMES = [".wal", ".wal.checkpoint", ".wal.recovery", ".tmp"]
OPENINGS: dict[str, Callable[[Path], object]] = {
    "writable": StorageEngine,
    "read-only": lambda path: StorageEngine(path, read_only=True),
    "existing": StorageEngine.open_existing,
    "migrate": migrate.upgrade,
    "backup": lambda path: migrate.downgrade(path, "0001", backup=True),
    "status": migrate.status,
}


@pytest.fixture
def database(path: Path) -> Path:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    return path


@pytest.mark.parametrize("ending", NAMES)
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("opening", OPENINGS)
def test_no_opening_follows_a_link(
    opening: str, is_there: bool, ending: str, database: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "elsewhere" / "precious"
    foreign.parent.mkdir()
    if is_there:
        foreign.write_bytes(b"precious")
    link = Path(f"{database}{ending}")
    link.symlink_to(foreign)
    before = database.read_bytes()
    with pytest.raises(DatabaseLinkError, match="symbolic link") as caught:
        OPENINGS[opening](database)
    assert caught.value.path == link
    assert foreign.exists() == is_there
    assert not is_there or foreign.read_bytes() == b"precious"
    assert database.read_bytes() == before
    link.unlink()
    with StorageEngine(database) as storage:
        assert storage.list_tables()[0].row_count == 3


@pytest.mark.parametrize("content", [b"", b"precious" * 100])
def test_no_opening_writes_through_a_hard_link_in_place_of_the_log(
    content: bytes, database: Path
) -> None:
    foreign = database.with_name("precious")
    foreign.write_bytes(content)
    os.link(foreign, f"{database}.wal")
    with pytest.raises(DatabaseLinkError, match="hard link"):
        StorageEngine(database)
    assert foreign.read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_pipe_in_place_of_the_log_is_refused(
    make: Callable[[Path], object], database: Path
) -> None:
    make(Path(f"{database}.wal"))
    with pytest.raises(DatabaseLinkError, match="no file"):
        StorageEngine(database)


def test_creating_a_database_follows_no_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / f"{path.name}.wal").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatabaseFileError):
        StorageEngine(path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{path.name}.wal"]


def test_a_database_can_be_opened_by_a_link_to_it(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(database)
    with StorageEngine(link) as storage:
        assert storage.list_tables()[0].row_count == 3


def test_a_link_beside_the_target_of_a_link_is_refused(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(database)
    Path(f"{database}.wal").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatabaseLinkError):
        StorageEngine(link)


def test_a_log_that_a_killed_process_left_is_read(database: Path) -> None:
    Path(f"{database}.wal").touch()
    with StorageEngine(database) as storage:
        assert storage.list_tables()[0].row_count == 3
