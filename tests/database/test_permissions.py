"""Files that the library makes are private to their user, and in the right folder."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from mixpanel_data import DatabaseFileError, SettingsError, StorageEngine, migrate
from tests.files import permissions_of
from tests.processes import run_python
from tests.records import EVENTS, make_events

ROOT = Path(__file__).parents[2]

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


def test_the_next_backup_removes_what_an_interrupted_one_left(path: Path) -> None:
    StorageEngine(path).close()
    left = path.with_name(".events.db.backup.part-abc")
    left.mkdir(mode=0o700)
    (left / "copy.db").write_bytes(b"half")
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


# What DuckDB makes beside a database, in a folder that others can enter


@pytest.fixture
def shared(tmp_path: Path, open_umask: None) -> Path:
    """Where a file may be made, in a folder that everybody can enter."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    return folder / "events.db"


@pytest.fixture
def log(shared: Path) -> Path:
    return shared.with_name("events.db.wal")


@pytest.fixture
def temporary(shared: Path) -> Path:
    return shared.with_name("events.db.tmp")


def test_the_log_is_private_before_anything_is_in_it(shared: Path, log: Path) -> None:
    with StorageEngine(shared) as storage, storage.engine.connect() as connection:
        storage.execute_rows("CHECKPOINT")
        connection.execute(text("CREATE TABLE notes AS SELECT 1 AS id"))
        before = log.stat()
        assert (before.st_size, stat.S_IMODE(before.st_mode)) == (0, 0o600)
        connection.commit()
        after = log.stat()
        assert after.st_size > 0
        assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o600)


def test_the_log_stays_private_whoever_writes(shared: Path, log: Path) -> None:
    with StorageEngine(shared) as storage:
        for number in range(3):
            storage.create_events_table(f"events_{number}", make_events(3), EVENTS)
            assert permissions_of(log) == 0o600
            storage.execute_rows("CHECKPOINT")  # DuckDB removes the log
            storage.execute_rows(f"DELETE FROM events_{number}")
            assert log.stat().st_size > 0
            assert permissions_of(log) == 0o600
            storage.connection.execute("CHECKPOINT")
            with storage.session() as session:
                session.execute(text(f"DROP TABLE events_{number}"))
                session.commit()
            assert log.stat().st_size > 0
            assert permissions_of(log) == 0o600


def test_a_log_that_others_can_read_is_made_private(shared: Path, log: Path) -> None:
    with StorageEngine(shared) as storage:
        storage.execute_rows("CHECKPOINT")
        storage.connection.execute("CHECKPOINT")
        storage.connection.execute("CREATE TABLE notes AS SELECT 1 AS id")
        log.chmod(0o666)
        storage.execute_rows("SELECT 1")
        assert permissions_of(log) == 0o600


def test_temporary_files_are_in_a_private_folder(shared: Path, temporary: Path) -> None:
    with StorageEngine(shared, config={"memory_limit": "60MB", "threads": 1}) as storage:
        storage.connection.execute(
            "CREATE TEMP TABLE big AS SELECT repeat(md5(i::VARCHAR), 10) AS text "
            "FROM range(400_000) AS numbers(i)"
        )
        assert list(temporary.iterdir()) != []
        assert permissions_of(temporary) == 0o700
    assert list(shared.parent.iterdir()) == [shared]


@pytest.mark.parametrize("reads", [True, False])
def test_a_file_that_is_only_read_stays_unchanged_with_nothing_beside_it(
    shared: Path, reads: bool
) -> None:
    with StorageEngine(shared) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    before = shared.read_bytes()
    with StorageEngine(shared) as storage:
        assert not reads or storage.list_tables() != []
    assert shared.read_bytes() == before
    assert list(shared.parent.iterdir()) == [shared]


def test_reading_only_makes_no_log(shared: Path, log: Path, temporary: Path) -> None:
    StorageEngine(shared).close()
    with StorageEngine(shared, read_only=True) as storage, StorageEngine(shared, read_only=True):
        assert storage.list_tables() == []
        assert not log.exists()
        assert permissions_of(temporary) == 0o700
    assert list(shared.parent.iterdir()) == [shared]


def test_a_log_made_private_loses_nothing_of_a_killed_process(shared: Path, log: Path) -> None:
    program = """if True:
        import os, signal, sys
        from mixpanel_data import StorageEngine
        from tests.records import EVENTS, make_events
        storage = StorageEngine(sys.argv[1])
        storage.create_events_table("jan", make_events(3), EVENTS)
        storage.execute_rows("CHECKPOINT")
        storage.append_events_table("jan", make_events(10), EVENTS)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", program, str(shared)], cwd=ROOT, check=False)
    assert log.stat().st_size > 0
    assert permissions_of(log) == 0o600
    with StorageEngine(shared) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 10
    assert list(shared.parent.iterdir()) == [shared]


def test_an_empty_log_that_a_killed_process_has_left_hinders_nobody(
    shared: Path, log: Path
) -> None:
    StorageEngine(shared).close()
    log.touch(mode=0o600)
    with StorageEngine(shared, read_only=True) as storage:
        assert storage.list_tables() == []
    with StorageEngine(shared) as storage:
        assert storage.list_tables() == []
    assert list(shared.parent.iterdir()) == [shared]


def test_the_log_of_a_file_that_is_shared_on_purpose_is_shared_too(shared: Path, log: Path) -> None:
    StorageEngine(shared).close()
    shared.chmod(0o664)
    with StorageEngine(shared) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert permissions_of(log) == 0o666


def test_in_a_private_folder_no_log_is_made_beforehand(shared: Path) -> None:
    shared.parent.chmod(0o700)
    with StorageEngine(shared) as storage:
        assert storage.list_tables() == []
        storage.execute_rows("CHECKPOINT")
        storage.execute_rows("SELECT 1")
        assert list(shared.parent.iterdir()) == [shared]


def test_a_file_opened_by_a_link_has_its_log_beside_the_file_itself(
    shared: Path, log: Path, tmp_path: Path
) -> None:
    StorageEngine(shared).close()
    link = tmp_path / "link.db"
    link.symlink_to(shared)
    with StorageEngine(link) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert permissions_of(log) == 0o600
    assert list(shared.parent.iterdir()) == [shared]


def test_a_link_in_place_of_the_log_changes_nothing_elsewhere(shared: Path, log: Path) -> None:
    foreign = shared.parent.parent / "foreign"
    foreign.touch()
    foreign.chmod(0o644)
    with StorageEngine(shared) as storage:
        log.unlink()
        log.symlink_to(foreign)
        storage.execute_rows("SELECT 1")
        log.unlink()
    assert permissions_of(foreign) == 0o644


def test_a_file_that_the_alembic_command_makes_is_private(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXPANEL_DATA_URL", f"duckdb+mixpanel:///{shared}")
    command.upgrade(Config(ROOT / "alembic.ini"), "head")
    assert permissions_of(shared) == 0o600
    assert list(shared.parent.iterdir()) == [shared]


def test_all_folders_above_a_new_file_are_private(shared: Path) -> None:
    path = shared.with_name("new") / "folder" / "events.db"
    StorageEngine(path).close()
    assert [permissions_of(folder) for folder in (path.parent, path.parent.parent)] == [
        0o700,
        0o700,
    ]


def test_new_folders_are_removed_when_no_file_could_be_made_in_them(shared: Path) -> None:
    with pytest.raises(SettingsError):
        StorageEngine(shared.with_name("new") / "events.db", config={"threads": "many"})
    assert list(shared.parent.iterdir()) == []


#: Says what each use of a path raises for a user who is not root.
AS_ANOTHER_USER = """
from mixpanel_data import migrate
from mixpanel_data.schema import alembic_runner
with StorageEngine.memory() as storage:  # the other user may not be able to import
    pass
if os.geteuid() == 0:
    os.setuid(65534)
folder = Path(sys.argv[1])
uses = {
    "open": lambda: StorageEngine(folder / "a.db"),
    "read": lambda: StorageEngine(folder / "a.db", read_only=True),
    "existing": lambda: StorageEngine.open_existing(folder / "a.db"),
    "new": lambda: StorageEngine(folder / "new.db"),
    "below": lambda: StorageEngine(folder / "sub" / "new.db"),
    "status": lambda: migrate.status(folder / "a.db"),
    "upgrade": lambda: migrate.upgrade(folder / "a.db"),
    "copy": lambda: StorageEngine.memory().backup(folder / "copy.db"),
}
for name, use in uses.items():
    try:
        use()
    except MixpanelDataError as error:
        is_kind = isinstance(error, DatabasePermissionError) and isinstance(error, PermissionError)
        say(name, is_kind and "read_only=True" in str(error) and "ermission denied" in str(error))
    else:
        say(name, "works")
"""


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder with a database, which every user can reach."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    folder = above / "kept"
    folder.mkdir()
    with StorageEngine(folder / "a.db") as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(above)


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_folder_that_is_not_ours_is_a_permission_error_with_advice(kept: Path, mode: int) -> None:
    (kept / "a.db").chmod(0o000)
    kept.chmod(mode)
    found = dict(line.split() for line in run_python(AS_ANOTHER_USER, kept))
    assert found == dict.fromkeys(found, "True")
