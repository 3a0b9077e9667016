"""``read_only=True`` never creates or changes a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from mixpanel_data import (
    DatabaseFileError,
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    MixpanelDataError,
    StorageEngine,
)
from tests.files import snapshot_of
from tests.processes import PythonProcess
from tests.records import make_events
from tests.storage.helpers import ASKING, WRITING, posix_only


def test_reading_a_file_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "events.db", tmp_path / "folder" / "events.db"):
        with pytest.raises(DatabaseNotFoundError) as caught:
            StorageEngine(path, read_only=True)
        assert caught.value.path == path
    assert list(tmp_path.iterdir()) == []


def test_opening_a_project_without_a_file_read_only_creates_nothing(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StorageEngine(project_id="1", read_only=True)
    assert list(home.iterdir()) == []


def test_several_processes_read_at_once(database_file: Path) -> None:
    script = """
with StorageEngine(sys.argv[1], read_only=True) as storage:
    say(len(storage.list_tables()))
    sys.stdin.readline()
    say(storage.execute_scalar("SELECT count(*) FROM jan"))
"""
    with (
        PythonProcess(script, database_file) as one,
        PythonProcess(script, database_file) as other,
        StorageEngine.open_existing(database_file, read_only=True) as storage,
    ):
        assert [one.read(), other.read()] == ["2", "2"]  # both have the file open now
        assert len(storage.list_tables()) == 2
        for process in (one, other):
            process.write()
            assert process.read() == "20"
            assert process.wait() == 0


@pytest.mark.parametrize("name", WRITING)
def test_writing_to_a_file_opened_for_reading_is_refused_before_anything_is_consumed(
    database_file: Path, name: str
) -> None:
    data = make_events(3)
    with StorageEngine(database_file, read_only=True) as storage:
        assert storage.read_only is True
        with pytest.raises(DatabaseReadOnlyError, match="read_only=True") as caught:
            WRITING[name](storage, data)
        assert isinstance(caught.value, PermissionError)
        assert caught.value.path == database_file
        assert len(list(data)) == 3
        assert [table.name for table in storage.list_tables()] == ["jan", "users"]


def test_writing_sql_to_a_file_opened_for_reading_is_refused(database_file: Path) -> None:
    with StorageEngine(database_file, read_only=True) as storage:
        with pytest.raises(MixpanelDataError):
            storage.execute_rows("DELETE FROM jan")
        with pytest.raises(MixpanelDataError):
            storage.execute_rows("CREATE TABLE other (i INTEGER)")


def test_reading_leaves_the_file_as_it_is_to_the_byte(database_file: Path) -> None:
    before = snapshot_of(database_file.parent)
    with StorageEngine(database_file, read_only=True) as storage:
        for ask in ASKING.values():
            ask(storage)
        with storage.session() as session:
            session.execute(text("SELECT * FROM jan")).all()
            session.commit()
    assert snapshot_of(database_file.parent) == before


@posix_only
def test_reading_what_a_killed_process_left_changes_nothing_either(path: Path) -> None:
    script = """
storage = StorageEngine(sys.argv[1])
storage.create_events_table("jan", make_events(20), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with PythonProcess(script, path) as process:
        process.wait()
    before = snapshot_of(path.parent)
    try:
        with StorageEngine(path, read_only=True) as storage:
            assert storage.execute_scalar("SELECT count(*) FROM jan") == 20
    except DatabaseFileError:
        pass  # DuckDB 1.5 cannot bring such a file up to date without writing
    assert snapshot_of(path.parent) == before
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 20
