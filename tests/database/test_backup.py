"""A backup is a complete, private copy of a database that stays in use."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine

from mixpanel_data import (
    DatabaseExistsError,
    DatabaseFileError,
    DatabaseWalError,
    DiskFullError,
    QueryError,
    Sandbox,
    SandboxError,
    StorageClosedError,
    StorageEngine,
    TableMetadata,
    migrate,
)
from mixpanel_data.database import backup
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, FETCHED_AT, make_events


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "copy.db"


@pytest.fixture(autouse=True)
def _folder(copy: Path) -> None:
    copy.parent.mkdir()


@pytest.fixture
def file(path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        yield engine


def content_of(path: Path, table: str = "events") -> list[tuple[object, ...]]:
    with StorageEngine(path, read_only=True) as engine:
        return engine.execute_rows(f"FROM {table} ORDER BY ALL")


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.needs("backups")
def test_a_copy_has_everything_that_the_database_has(storage: StorageEngine, copy: Path) -> None:
    storage.create_events_table("events", make_events(5000), EVENTS)
    storage.create_events_table("keyless", make_events(10), EVENTS, primary_key=False)
    for statement in (
        "CREATE SEQUENCE numbers START 5",
        "CREATE TABLE own (id INTEGER PRIMARY KEY DEFAULT nextval('numbers'), name VARCHAR UNIQUE)",
        "INSERT INTO own (name) VALUES ('a'), ('b')",
        "CREATE VIEW seen AS FROM own WHERE id > 5",
        "CREATE MACRO twice(x) AS 2 * x",
        "CREATE INDEX by_name ON own (name)",
    ):
        storage.execute_rows(statement)
    assert storage.backup(copy) == copy
    queries = [
        "SELECT * REPLACE (properties::VARCHAR AS properties) FROM events ORDER BY ALL",
        "FROM own ORDER BY ALL",
        "FROM seen",
        "SELECT twice(21)",
        "SELECT index_name FROM duckdb_indexes()",
        "FROM _metadata ORDER BY ALL",
    ]
    with StorageEngine(copy) as copied:
        for query in queries:
            assert copied.execute_rows(query) == storage.execute_rows(query)
        assert copied.get_schema("events") == storage.get_schema("events")
        assert copied.append_events_table("events", make_events(6000), EVENTS) == 1000
        with pytest.raises(QueryError, match="onstraint"):
            copied.execute_rows("INSERT INTO own VALUES (7, 'a')")
        assert copied.execute_rows("INSERT INTO own (name) VALUES ('c') RETURNING id") == [(7,)]
        migrate.check(copied)


def test_a_copy_is_one_private_file(file: StorageEngine, copy: Path, open_umask: None) -> None:
    file.backup(copy)
    assert names_in(copy.parent) == [copy.name]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_what_is_only_in_the_wal_is_in_the_copy(
    file: StorageEngine, path: Path, copy: Path
) -> None:
    with file.engine.connect() as connection, connection.begin() as transaction:
        # While a transaction has changed something, nothing is checkpointed.
        connection.exec_driver_sql("CREATE TABLE unfinished (a INTEGER)")
        file.append_events_table("events", make_events(5), EVENTS)
        assert path.with_name(f"{path.name}.wal").stat().st_size > 0
        file.backup(copy)
        transaction.rollback()
    assert len(content_of(copy)) == 5
    with StorageEngine(copy) as copied:
        assert not copied.table_exists("unfinished")


def test_a_copy_leaves_no_trace_in_the_database(file: StorageEngine, copy: Path) -> None:
    before = file.execute_rows("FROM duckdb_tables()"), file.execute_rows("FROM events")
    file.backup(copy)
    assert (file.execute_rows("FROM duckdb_tables()"), file.execute_rows("FROM events")) == before
    file.execute_rows("CHECKPOINT")


def test_loads_and_checkpoints_go_on_while_copies_are_made(file: StorageEngine, copy: Path) -> None:
    committed, stopping, failures = [0], threading.Event(), []

    def load() -> None:
        try:
            for number in count(1):
                if stopping.is_set():
                    return
                file.create_events_table(f"t{number}", make_events(2000), EVENTS)
                file.append_events_table("events", make_events(500, number * 500), EVENTS)
                if number % 3:
                    file.drop_table(f"t{number}")
                committed[0] = number
        except Exception as error:
            failures.append(error)

    def checkpoint() -> None:
        while not stopping.wait(0.02):
            try:
                file.execute_rows("CHECKPOINT")
            except QueryError as error:  # somebody is writing
                assert "Cannot CHECKPOINT" in error.message  # noqa: PT017

    threads = [threading.Thread(target=work) for work in (load, checkpoint)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            at_least = committed[0]
            file.backup(copy, overwrite=True)
            with StorageEngine(copy, read_only=True) as copied:
                events = copied.execute_scalar("SELECT count(DISTINCT insert_id) FROM events")
                assert events >= 500 * (at_least + 1) - 500
                for table in copied.list_tables():
                    rows = copied.execute_rows(f"SELECT properties->>'number' FROM {table.name}")
                    assert len(rows) == table.row_count > 0
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_readers_keep_their_copy_when_a_newer_one_takes_its_place(
    file: StorageEngine, copy: Path
) -> None:
    file.backup(copy)
    script = """
with StorageEngine(sys.argv[1], read_only=True) as storage:
    for line in sys.stdin:
        say(storage.execute_scalar("SELECT count(*) FROM events"))
"""
    with PythonProcess(script, copy) as reader:
        reader.write()
        assert reader.read() == "3"
        file.append_events_table("events", make_events(5), EVENTS)
        file.backup(copy, overwrite=True)
        reader.write()
        assert reader.read() == "3"
    assert len(content_of(copy)) == 5


@pytest.mark.parametrize("sandbox", [True, Sandbox(timeout=None)])
def test_a_sandbox_can_be_copied(sandbox: bool | Sandbox, path: Path, copy: Path) -> None:
    with StorageEngine(path, sandbox=sandbox) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        engine.backup(copy)
    assert len(content_of(copy)) == 3


def test_an_in_memory_database_in_a_sandbox_cannot_be_copied(copy: Path) -> None:
    with StorageEngine.memory(sandbox=True) as engine, pytest.raises(SandboxError, match="memory"):
        engine.backup(copy)
    assert names_in(copy.parent) == []


def test_a_database_opened_read_only_can_be_copied(
    file: StorageEngine, path: Path, copy: Path
) -> None:
    file.close()
    with StorageEngine(path, read_only=True) as reading:
        reading.backup(copy)
    assert content_of(copy) == content_of(path)


def test_the_log_of_a_killed_process_is_copied_by_a_reader(path: Path, copy: Path) -> None:
    script = """
import signal
StorageEngine(sys.argv[1]).create_events_table("events", make_events(2), EVENTS)
import gc
gc.collect()
StorageEngine(sys.argv[1]).append_events_table("events", make_events(3), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with PythonProcess(script, path) as process:
        process.wait()
    log = path.with_name(f"{path.name}.wal")
    before = path.read_bytes(), log.read_bytes()
    assert before[1]
    with StorageEngine(path, read_only=True) as reading:
        reading.backup(copy)
    assert (path.read_bytes(), log.read_bytes()) == before
    assert len(content_of(copy)) == 3


def test_a_copy_that_is_there_is_kept_unless_told_otherwise(
    file: StorageEngine, copy: Path
) -> None:
    copy.write_text("precious")
    with pytest.raises(DatabaseExistsError, match="overwrite=True") as caught:
        file.backup(copy)
    assert isinstance(caught.value, FileExistsError)
    assert copy.read_text() == "precious"
    file.backup(copy, overwrite=True)
    assert len(content_of(copy)) == 3


def test_a_target_that_is_no_regular_file_is_never_overwritten(
    file: StorageEngine, copy: Path
) -> None:
    os.mkfifo(copy)
    folder = copy.with_name("folder")
    folder.mkdir()
    for target in (copy, folder):
        with pytest.raises(DatabaseFileError, match="no file"):
            file.backup(target, overwrite=True)
    assert stat.S_ISFIFO(copy.stat().st_mode)


def test_an_open_database_is_never_overwritten(file: StorageEngine, path: Path, copy: Path) -> None:
    link = path.with_name("link.db")
    link.hardlink_to(path)
    with StorageEngine(copy):
        for target in (path, link, copy):
            with pytest.raises(DatabaseFileError, match="open in this process"):
                file.backup(target, overwrite=True)
    assert len(file.execute_rows("FROM events")) == 3


def test_a_copy_that_another_process_writes_to_is_not_overwritten(
    file: StorageEngine, copy: Path
) -> None:
    file.backup(copy)
    script = "storage = StorageEngine(sys.argv[1])\nsay('open')\nsys.stdin.read()"
    with PythonProcess(script, copy) as process:
        process.read()
        with pytest.raises(DatabaseFileError, match="written by another process") as caught:
            file.backup(copy, overwrite=True)
        assert caught.value.details["pid"] == process.pid
    assert not [name for name in names_in(copy.parent) if ".part-" in name]


def test_a_wal_beside_the_target_is_an_error(file: StorageEngine, copy: Path) -> None:
    log = copy.with_name(f"{copy.name}.wal")
    log.write_text("of an older copy")
    with pytest.raises(DatabaseWalError) as caught:
        file.backup(copy)
    assert caught.value.log == log
    assert names_in(copy.parent) == [log.name]


@pytest.mark.parametrize("name", ["missing/copy.db", "x" * 300, "a\0b"])
def test_where_no_copy_can_be_made_nothing_is_left(
    name: str, file: StorageEngine, copy: Path
) -> None:
    with pytest.raises(DatabaseFileError):
        file.backup(copy.parent / name)
    assert names_in(copy.parent) == []
    assert len(file.execute_rows("FROM events")) == 3


def test_a_full_disk_leaves_nothing(
    file: StorageEngine, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_CHUNK", 4096)
    real, left = os.pread, [5]

    def fill(descriptor: int, size: int, offset: int) -> bytes:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", fill)
    with pytest.raises(DiskFullError) as caught:
        file.backup(copy)
    assert caught.value.folder == copy.parent
    assert names_in(copy.parent) == []


def test_the_next_copy_removes_what_a_killed_process_left(
    file: StorageEngine, path: Path, copy: Path
) -> None:
    script = """
from mixpanel_data.database import backup
backup.sync = lambda path: os._exit(9)
StorageEngine.memory().backup(sys.argv[1])
"""
    with PythonProcess(script, copy) as process:
        assert process.wait() == 9
    (left,) = copy.parent.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    link = copy.parent / f"{left.name}-link"
    link.symlink_to(path.parent)
    file.backup(copy)
    assert names_in(copy.parent) == sorted([copy.name, link.name])
    assert path.exists()


def test_a_copy_that_is_being_made_is_left_alone(file: StorageEngine, copy: Path) -> None:
    script = """
from mixpanel_data.database import backup
def wait(path):
    if path.name != "copies":
        say("copying")
        sys.stdin.readline()
backup.sync = wait
say(StorageEngine.memory().backup(sys.argv[1], overwrite=True).name)
"""
    with PythonProcess(script, copy) as process:
        process.read()
        file.backup(copy)
        process.write()
        assert process.read() == copy.name
    assert names_in(copy.parent) == [copy.name]


def test_a_closed_engine_makes_no_copy(file: StorageEngine, copy: Path) -> None:
    file.close()
    with pytest.raises(StorageClosedError):
        file.backup(copy)


def test_a_tilde_in_the_target_is_the_home_folder(
    file: StorageEngine, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(copy.parent))
    assert file.backup("~/copy.db") == copy


def test_an_engine_in_autocommit_mode_is_copied_in_a_transaction(path: Path, copy: Path) -> None:
    with StorageEngine(path):
        pass
    engine = create_engine(f"duckdb+mixpanel:///{path}", isolation_level="AUTOCOMMIT")
    backup.copy_database(engine, copy, read_only=False)
    engine.dispose()
    for file in (path, copy):
        with duckdb.connect(str(file)) as connection:
            found = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert sorted(found) == [
            ("_metadata",),
            ("_mixpanel_data_version",),
            ("_property_columns",),
            ("_stale_columns",),
        ]


def test_a_checkpoint_during_a_copy_starts_it_again(
    file: StorageEngine, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_keep_checkpoints_off", lambda connection: None)
    real = backup._copy_bytes
    disturbed: list[Path] = []

    def disturb(original: int, target: Path) -> None:
        real(original, target)
        if len(disturbed) < 2:
            disturbed.append(target)
            file.append_events_table("events", make_events(5000, 1000 * len(disturbed)), EVENTS)
            file.execute_rows("CHECKPOINT")

    monkeypatch.setattr(backup, "_copy_bytes", disturb)
    file.backup(copy)
    assert len(disturbed) == 2
    assert content_of(copy) == file.execute_rows("FROM events ORDER BY ALL")
    monkeypatch.setattr(backup, "_ATTEMPTS", 1)
    disturbed.clear()
    with pytest.raises(DatabaseFileError, match="checkpointed all the time"):
        file.backup(copy, overwrite=True)


def test_ephemeral_databases_can_be_kept(copy: Path) -> None:
    with StorageEngine.ephemeral() as storage:
        storage.create_profiles_table(
            "users", [{"distinct_id": "a", "properties": {}}], TableMetadata("profiles", FETCHED_AT)
        )
        storage.backup(copy)
    lines = run_python("say(StorageEngine(sys.argv[1]).list_tables()[0].name)", copy)
    assert lines == ["users"]
