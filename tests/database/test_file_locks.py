"""While a database is open, no other process can open it, whatever this one does with the file."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from mixpanel_data import (
    DatabaseFileError,
    DatabaseLockedError,
    StorageEngine,
    migrate,
    read_events_export,
    read_profiles_export,
)
from mixpanel_data.common import file_locks, open_files
from tests.processes import PythonProcess
from tests.records import EVENTS, PROFILES, make_events

linux = pytest.mark.skipif(sys.platform != "linux", reason="There is no second lock elsewhere.")

#: Tries to get into a database, with the library for writing and reading, and with DuckDB alone.
PROBE = """
import duckdb
ways = {
    "writing": lambda path: StorageEngine(path).close(),
    "reading": lambda path: StorageEngine(path, read_only=True).close(),
    "duckdb": lambda path: duckdb.connect(path).close(),
}
say("ready")
for line in sys.stdin:
    got_in = []
    for name, way in ways.items():
        try:
            way(line.rstrip("\\n"))
        except DatabaseLockedError:
            continue
        except SchemaOlderError:
            pass
        except duckdb.IOException as error:
            assert "Could not set lock" in str(error), error
            continue
        got_in.append(name)
    say(*got_in)
"""


@pytest.fixture(scope="module")
def probe() -> Iterator[Callable[[Path], str]]:
    """A function that tells who gets into a database, asked in another process."""
    with PythonProcess(PROBE) as process:
        process.read()

        def ask(path: Path) -> str:
            process.write(str(path))
            return process.read()

        yield ask


@pytest.fixture
def storage(path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        yield engine


@pytest.fixture
def linked(path: Path, storage: StorageEngine) -> Path:
    """A hard link of a database that is open."""
    link = path.with_name("linked.db")
    link.hardlink_to(path)
    return link


def url_of(path: Path) -> str:
    return f"duckdb+mixpanel:///{path}"


def names_of(path: Path) -> dict[str, str | Path]:
    """Return the ways in which an open file can be named."""
    hard, soft = path.with_name("hard.db"), path.with_name("soft.db")
    hard.hardlink_to(path)
    soft.symlink_to(path)
    return {
        "path": path,
        "text": str(path),
        "relative": os.path.relpath(path),
        "roundabout": path.parent / ".." / path.parent.name / path.name,
        "link": soft,
        "hard link": hard,
        "link in another folder": path.parent / "." / soft.name,
    }


def attempt(call: Callable[[], Any]) -> None:
    """Call something that may refuse, and close what it opens."""
    with suppress(DatabaseFileError, ValueError, OperationalError):
        result = call()
        if isinstance(result, StorageEngine):
            result.close()
        elif isinstance(result, Engine):
            with result.connect() as connection:
                connection.execute(text("SELECT 1"))
            result.dispose()


#: Every public call that takes a path, given one of a file that is open.
CALLS: dict[str, Callable[[StorageEngine, Any], Any]] = {
    "StorageEngine": lambda storage, name: StorageEngine(name),
    "StorageEngine(read_only)": lambda storage, name: StorageEngine(name, read_only=True),
    "StorageEngine(sandbox)": lambda storage, name: StorageEngine(name, sandbox=True),
    "StorageEngine(key)": lambda storage, name: StorageEngine(name, encryption_key="a"),
    "StorageEngine(migrate)": lambda storage, name: StorageEngine(name, migrate=True),
    "open_existing": lambda storage, name: StorageEngine.open_existing(name),
    "create_engine": lambda storage, name: create_engine(url_of(name)),
    "create_engine(file:)": lambda storage, name: create_engine(f"duckdb+mixpanel:///file:{name}"),
    "create_engine(file:///)": lambda storage, name: create_engine(
        f"duckdb+mixpanel:///file://{Path(name).absolute()}"
    ),
    "create_engine(duckdb:)": lambda storage, name: create_engine(
        f"duckdb+mixpanel:///duckdb:{name}"
    ),
    "create_engine(NullPool)": lambda storage, name: create_engine(
        url_of(name), poolclass=NullPool
    ),
    "migrate.status": lambda storage, name: migrate.status(name),
    "migrate.status(url)": lambda storage, name: migrate.status(url_of(name)),
    "migrate.check": lambda storage, name: migrate.check(name),
    "migrate.history": lambda storage, name: migrate.history(name),
    "migrate.upgrade": lambda storage, name: migrate.upgrade(name),
    "migrate.upgrade(backup)": lambda storage, name: migrate.upgrade(name, backup=True),
    "migrate.downgrade": lambda storage, name: migrate.downgrade(name, "0001", backup=True),
    "read_events_export": lambda storage, name: list(read_events_export(name)),
    "read_profiles_export": lambda storage, name: list(read_profiles_export(name)),
    "load_events_export": lambda storage, name: storage.load_events_export("new", name, EVENTS),
    "load_profiles_export": lambda storage, name: storage.load_profiles_export(
        "new", [name], PROFILES
    ),
    "load_events_export(folder)": lambda storage, name: storage.load_events_export(
        "new", f"{Path(name).parent}/*.db", EVENTS
    ),
    "replace_range": lambda storage, name: storage.replace_range(
        "events", name, "2025-01-01", "2025-01-31", EVENTS
    ),
    "rejects": lambda storage, name: storage.create_events_table(
        "new", [], EVENTS, on_error="skip", rejects=name
    ),
    "rejects of another database": lambda _, name: StorageEngine.memory().create_events_table(
        "new", [], EVENTS, on_error="skip", rejects=name
    ),
    "rejects of lines": lambda _, name: StorageEngine.memory().load_events_export(
        "new", [b"no"], EVENTS, on_error="skip", rejects=name
    ),
    "backup": lambda storage, name: storage.backup(name, overwrite=True),
    "alembic": lambda storage, name: subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"db={name}", "current"],
        capture_output=True,
        check=False,
    ),
}


@pytest.mark.parametrize(
    "call",
    [pytest.param(call, marks=[pytest.mark.slow] if call == "alembic" else []) for call in CALLS],
)
@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
def test_no_call_lets_another_process_in(
    call: str, read_only: bool, path: Path, probe: Callable[[Path], str]
) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
    inside = "reading" if read_only else ""
    with StorageEngine(path, read_only=read_only) as storage:
        for name in names_of(path).values():
            attempt(lambda name=name: CALLS[call](storage, name))  # type: ignore[misc]
            assert probe(path) == inside, name
        assert storage.execute_scalar("SELECT count(*) FROM events") == 3
    assert probe(path) == "writing reading duckdb"  # nor does any leave something locked


@linux
@pytest.mark.parametrize("open_it", [StorageEngine, lambda path: create_engine(url_of(path))])
def test_a_second_lock_holds_when_that_of_duckdb_is_lost(
    open_it: Callable[[Path], Any], path: Path, probe: Callable[[Path], str]
) -> None:
    opened = open_it(path)
    engine: Engine = getattr(opened, "engine", opened)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (b INTEGER)"))
        path.open("rb").close()  # takes DuckDB's own lock off the file
        assert probe(path) == "duckdb"  # which this library cannot prevent
    engine.dispose()
    if isinstance(opened, StorageEngine):
        opened.close()
    assert probe(path) == "writing reading duckdb"


@linux
def test_readers_share_the_second_lock_and_keep_writers_out(
    storage: StorageEngine, path: Path, probe: Callable[[Path], str]
) -> None:
    storage.close()
    with StorageEngine(path, read_only=True):
        path.open("rb").close()
        assert probe(path) == "reading duckdb"


@linux
def test_an_error_of_the_second_lock_names_the_process(storage: StorageEngine, path: Path) -> None:
    path.open("rb").close()
    script = """
try:
    StorageEngine(sys.argv[1])
except DatabaseLockedError as error:
    say(error.pid)
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
try:
    create_engine("duckdb+mixpanel:///" + sys.argv[1]).connect()
except OperationalError as error:
    say(f"PID {os.getppid()}" in str(error), error.connection_invalidated)
"""
    with PythonProcess(script, path) as process:
        assert process.read_all() == [str(os.getpid()), "True False"]


def test_waiting_for_a_file_waits_for_the_second_lock(storage: StorageEngine, path: Path) -> None:
    path.open("rb").close()
    script = """
say("waiting")
with StorageEngine(sys.argv[1], lock_timeout=60) as storage:
    say(storage.execute_scalar("SELECT count(*) FROM events"))
"""
    with PythonProcess(script, path) as process:
        process.read()
        storage.append_events_table("events", make_events(2, start=3), EVENTS)
        storage.close()
        assert process.read_all() == ["5"]


def test_a_hard_link_of_an_open_file_is_refused(linked: Path) -> None:
    for open_it in (
        lambda: StorageEngine(linked),
        lambda: StorageEngine(linked, read_only=True),
        lambda: migrate.status(linked),
    ):
        with pytest.raises(DatabaseLockedError, match="by another name") as caught:
            open_it()
        assert caught.value.pid == os.getpid()
    with pytest.raises(OperationalError, match="Could not set lock"):
        create_engine(url_of(linked)).connect()


@linux
def test_a_hard_link_of_a_file_open_in_plain_duckdb_is_refused(path: Path) -> None:
    link = path.with_name("linked.db")
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a (b INTEGER)")
        link.hardlink_to(path)
        with pytest.raises(DatabaseLockedError, match="by another name"):
            StorageEngine(link)
    StorageEngine(link).close()


@pytest.mark.parametrize("prefix", ["file:", "file://", "FILE:", "duckdb:", "duckdb:file:"])
def test_a_url_prefix_does_not_make_it_another_file(
    prefix: str, storage: StorageEngine, path: Path, linked: Path
) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{prefix}{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE beside AS SELECT 1 AS a"))
    engine.dispose()
    assert storage.execute_scalar("SELECT a FROM beside") == 1
    with pytest.raises(OperationalError, match="Could not set lock"):
        create_engine(f"duckdb+mixpanel:///{prefix}{linked}").connect()


def test_a_renamed_file_is_still_the_one_that_is_open(storage: StorageEngine, path: Path) -> None:
    renamed = path.rename(path.with_name("renamed.db"))
    with pytest.raises(DatabaseLockedError, match="by another name"):
        StorageEngine(renamed)


@pytest.mark.parametrize("read", [read_events_export, read_profiles_export])
def test_an_open_database_is_not_read_as_an_export(
    read: Callable[[Path], Iterator[object]], storage: StorageEngine, path: Path, linked: Path
) -> None:
    for name in (path, linked, Path(f"{path}.wal")):
        with pytest.raises(DatabaseFileError, match="Nothing was read"):
            next(read(name))
        with pytest.raises(DatabaseFileError, match="Nothing was read"):
            storage.load_events_export("new", [name], EVENTS)
    assert [table.name for table in storage.list_tables()] == ["events"]


@linux
def test_a_file_open_in_plain_duckdb_is_not_read_as_an_export(
    path: Path, probe: Callable[[Path], str]
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a (b INTEGER)")
        with pytest.raises(DatabaseFileError, match="open in this process"):
            next(read_events_export(path))
        assert probe(path) == ""


def test_an_export_that_is_open_as_a_file_is_read(tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    export.write_text('{"event": "a", "properties": {"time": 1735689600, "distinct_id": "b"}}\n')
    with export.open("rb+"):
        assert len(list(read_events_export(export))) == 1


@linux
def test_closing_an_engine_leaves_the_lock_of_duckdb_alone(
    path: Path, probe: Callable[[Path], str]
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a (b INTEGER)")
        for _ in range(3):
            StorageEngine(path).close()
            assert probe(path) == ""
    StorageEngine(path).close()
    assert probe(path) == "writing reading duckdb"


def test_closing_one_of_two_engines_keeps_the_file_locked(
    path: Path, probe: Callable[[Path], str]
) -> None:
    first, second = StorageEngine(path), create_engine(url_of(path))
    with second.connect() as connection:
        connection.execute(text("SELECT 1"))
        first.close()
        assert probe(path) == ""
        connection.execute(text("SELECT 1"))
    second.dispose()
    assert probe(path) == "writing reading duckdb"


def test_an_engine_that_is_garbage_collected_releases_the_file(
    path: Path, probe: Callable[[Path], str]
) -> None:
    create_engine(url_of(path)).connect().close()
    gc.collect()
    assert probe(path) == "writing reading duckdb"


def test_no_descriptor_is_left(path: Path) -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208

    StorageEngine(path).close()
    before = descriptors()
    for _ in range(3):
        with StorageEngine(path) as storage:
            storage.backup(path.with_name("copy.db"), overwrite=True)
        with pytest.raises(DatabaseFileError):
            StorageEngine(path, encryption_key="needless")
        engine = create_engine(url_of(path))
        engine.connect().close()
        engine.dispose()
    assert descriptors() == before
    assert open_files._files == {}


def test_a_new_file_is_locked_as_soon_as_it_is_there(
    path: Path, probe: Callable[[Path], str]
) -> None:
    with StorageEngine(path):
        path.open("rb").close()
        assert probe(path) == ("duckdb" if sys.platform == "linux" else "")


def test_a_path_that_is_no_file_gets_no_lease(tmp_path: Path) -> None:
    for name in ("", "md:database", str(tmp_path), str(tmp_path / "missing"), "\0"):
        lease = open_files.Lease(name, read_only=False)
        lease.confirm()
        lease.require_own()
        lease.release()
    assert open_files._files == {}


# Where there is no second lock


@linux
def test_a_network_file_system_gets_no_second_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    StorageEngine(path).close()
    device = path.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    monkeypatch.setattr(file_locks, "_file_systems", lambda: {place: "nfs4"})
    monkeypatch.setattr(file_locks, "_told", set())
    with caplog.at_level(logging.WARNING, "mixpanel_data"), StorageEngine(path):
        StorageEngine(path).close()
        assert locks_of(path) == ["POSIX"]
    (record,) = caplog.records
    assert "its file system is nfs4" in record.message


def locks_of(path: Path) -> list[str]:
    """Return the kinds of locks on a file."""
    inode = f":{path.stat().st_ino} "
    return [
        line.split()[1] for line in Path("/proc/locks").read_text().splitlines() if inode in line
    ]


@linux
def test_an_open_file_has_both_locks(path: Path) -> None:
    with StorageEngine(path):
        assert sorted(locks_of(path)) == ["FLOCK", "POSIX"]
    assert locks_of(path) == []


@linux
def test_the_file_systems_of_this_machine_are_known() -> None:
    device = Path("/proc").stat().st_dev
    assert file_locks._file_systems()[f"{os.major(device)}:{os.minor(device)}"] == "proc"


@linux
def test_a_system_that_cannot_lock_is_logged_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(file_locks, "_told", set())
    with caplog.at_level(logging.WARNING, "mixpanel_data"):
        monkeypatch.setattr(fcntl, "flock", refuse)
        descriptor = os.open(path.parent, os.O_RDONLY)
        assert not file_locks.lock(descriptor, shared=False)
        assert not file_locks.lock(descriptor, shared=False)
        os.close(descriptor)
    assert ["not supported" in record.message for record in caplog.records] == [True]
