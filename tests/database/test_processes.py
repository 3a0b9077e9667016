"""Several processes and one file: locks, forks and kills."""

from __future__ import annotations

import multiprocessing
import os
import random
from pathlib import Path

import pytest

from mixpanel_data import DatabaseLockedError, StorageEngine, TableNotFoundError
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, make_events

posix_only = pytest.mark.skipif(os.name == "nt", reason="processes as POSIX has them")

HOLD = """
with StorageEngine(sys.argv[1], read_only="read" in sys.argv) as storage:
    say("open")
    sys.stdin.readline()
say("closed")
"""


@pytest.fixture
def events_file(path: Path) -> Path:
    """A database file with a table of events."""
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(1000), EVENTS)
    return path


# Locks


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_another_process_writes_is_locked_until_it_closes(
    events_file: Path, read_only: bool
) -> None:
    with PythonProcess(HOLD, events_file) as holder:
        assert holder.read() == "open"
        for opening in (StorageEngine, StorageEngine.open_existing):
            with pytest.raises(DatabaseLockedError, match=f"process {holder.pid}") as caught:
                opening(events_file, read_only=read_only)
            assert isinstance(caught.value, OSError)
            assert caught.value.path == events_file
            assert caught.value.pid == holder.pid
            assert caught.value.details == {"path": str(events_file), "pid": holder.pid}
        holder.write()
        assert holder.read() == "closed"
        with StorageEngine(events_file, read_only=read_only) as storage:
            assert storage.execute_scalar("SELECT count(*) FROM jan") == 1000
        assert holder.wait() == 0


def test_nobody_writes_a_file_that_another_process_reads(events_file: Path) -> None:
    with PythonProcess(HOLD, events_file, "read") as reader:
        assert reader.read() == "open"
        with pytest.raises(DatabaseLockedError, match="read_only=True") as caught:
            StorageEngine(events_file)
        assert caught.value.pid == reader.pid
        with StorageEngine(events_file, read_only=True) as storage:
            assert storage.table_exists("jan")
        reader.write()
        assert reader.wait() == 0
    with StorageEngine(events_file) as storage:
        assert storage.append_events_table("jan", make_events(1001), EVENTS) == 1


@posix_only
def test_the_lock_of_a_killed_process_is_gone(events_file: Path) -> None:
    with PythonProcess(HOLD, events_file) as holder:
        assert holder.read() == "open"
        holder.kill()
        with StorageEngine(events_file) as storage:
            assert storage.append_events_table("jan", make_events(1001), EVENTS) == 1


def test_two_processes_that_create_one_file_at_once_make_one_good_database(path: Path) -> None:
    script = """
say("ready")
sys.stdin.readline()
try:
    with StorageEngine(sys.argv[1]) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    say("done")
except (DatabaseLockedError, TableExistsError) as error:
    say(type(error).__name__)
"""
    with PythonProcess(script, path) as one, PythonProcess(script, path) as other:
        for process in (one, other):
            assert process.read() == "ready"
        for process in (one, other):
            process.write()
        said = [process.read() for process in (one, other)]
    assert "done" in said
    with StorageEngine(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [10]


# Fork

OPENED = """
from sqlalchemy import text
storage = StorageEngine(sys.argv[1]) if len(sys.argv) > 1 else StorageEngine.ephemeral()
storage.create_events_table("jan", make_events(1000), EVENTS)
storage.create_profiles_table("users", make_profiles(10), PROFILES)

def fork(work):
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit(7)
    say("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
AFTERWARDS = """
say(storage.append_events_table("jan", make_events(1005), EVENTS))
say([table.row_count for table in storage.list_tables()], storage.path.exists())
storage.close()
"""
UNTOUCHED = ["exit 7", "5", "[1005, 10] True"]


@posix_only
def test_a_forked_process_is_refused_whatever_it_calls() -> None:
    script = """
calls = [
    lambda: storage.create_events_table("t", make_events(1), EVENTS),
    lambda: storage.create_profiles_table("t", make_profiles(1), PROFILES),
    lambda: storage.append_events_table("jan", make_events(2000), EVENTS),
    lambda: storage.append_profiles_table("users", make_profiles(20), PROFILES),
    lambda: storage.drop_table("jan"),
    lambda: storage.execute("SELECT 1"),
    lambda: storage.execute_df("SELECT 1"),
    lambda: storage.execute_rows("SELECT 1"),
    lambda: storage.execute_scalar("SELECT 1"),
    lambda: storage.list_tables(),
    lambda: storage.table_exists("jan"),
    lambda: storage.get_schema("jan"),
    lambda: storage.get_metadata("jan"),
    lambda: storage.connection,
    lambda: storage.engine,
    lambda: storage.session(),
    lambda: engine.connect(),
    lambda: session.scalar(text("SELECT 1")),
]
engine, session = storage.engine, storage.session()
parent = os.getpid()

def work():
    for number, call in enumerate(calls):
        try:
            call()
        except RuntimeError as error:
            assert type(error) is StorageForkedError and error.pid == parent
        else:
            say("not refused:", number)
    say(storage.path.exists(), storage.read_only, repr(storage) == shown)
    storage.close()
    storage.close()

shown = repr(storage)
fork(work)
"""
    said = run_python(OPENED + script + AFTERWARDS)
    assert said == ["True False True", *UNTOUCHED]


@posix_only
@pytest.mark.parametrize(
    "before",
    [
        "",
        "session = storage.session(); session.execute(text('SELECT * FROM jan')).fetchone()",
        "result = storage.engine.connect().execute(text('SELECT * FROM jan')); result.fetchone()",
        "relation = storage.execute('SELECT * FROM jan'); other = relation.filter('true')",
        "storage.connection.execute('SELECT * FROM jan, users').fetchone()",
        "other = StorageEngine.memory(); other.create_events_table('t', make_events(10), EVENTS)",
    ],
    ids=["nothing", "session", "connection", "relation", "duckdb", "memory"],
)
@pytest.mark.parametrize("file", [True, False], ids=["file", "ephemeral"])
def test_a_forked_process_can_end_in_any_way_whatever_is_open(
    path: Path, before: str, file: bool
) -> None:
    script = OPENED + before + "\nfork(lambda: None)" + AFTERWARDS
    assert run_python(script, *[path] * file) == UNTOUCHED


@posix_only
def test_the_block_around_a_fork_ends_in_both_processes(path: Path) -> None:
    script = """
with storage, storage.session() as session:
    session.execute(text("DELETE FROM users"))
    if (pid := os.fork()) == 0:
        sys.exit(7)
    say("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    session.commit()
    say([table.row_count for table in storage.list_tables()])
"""
    assert run_python(OPENED + script, path) == ["exit 7", "[1000, 0]"]


@posix_only
def test_the_transaction_of_the_parent_survives_a_fork(path: Path) -> None:
    script = """
session = storage.session()
session.execute(text("DELETE FROM users WHERE distinct_id = 'user-1'"))
storage.connection.begin()
storage.connection.execute("DELETE FROM jan")
fork(lambda: None)
session.commit()
storage.connection.rollback()
say([table.row_count for table in storage.list_tables()])
storage.close()
"""
    assert run_python(OPENED + script, path) == ["exit 7", "[1000, 9]"]
    with StorageEngine(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [1000, 9]


@posix_only
@pytest.mark.parametrize("call", ["execute(text('DELETE FROM jan'))", "commit()"])
def test_a_session_of_the_parent_writes_nothing_in_a_forked_process(path: Path, call: str) -> None:
    script = f"""
session = storage.session()
session.execute(text("DELETE FROM users"))

def work():
    try:
        session.{call}
    except StorageForkedError:
        say("refused")

fork(work)
session.rollback()
"""
    assert run_python(OPENED + script + AFTERWARDS, path) == ["refused", *UNTOUCHED]
    with StorageEngine(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [1005, 10]


@posix_only
@pytest.mark.parametrize("end", ["sys.exit(7)", "os._exit(7)"])
def test_a_load_goes_on_after_a_fork_in_its_iterator(path: Path, end: str) -> None:
    script = f"""
def data():
    for number in range(1000, 21_000):
        if number == 15_000:
            fork(lambda: {end})
        yield make_event(number)

say(storage.append_events_table("jan", data(), EVENTS))
storage.close()
"""
    assert run_python(OPENED + script, path) == ["exit 7", "20000"]
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 21_000


@posix_only
def test_a_fork_while_other_threads_load_and_query_disturbs_nobody(path: Path) -> None:
    script = """
import threading
loading, forked = threading.Event(), threading.Event()
def data():
    yield from make_events(20_000)
    loading.set()
    assert forked.wait(60)
    yield from make_events(5_000, 20_000)
def query():
    while not forked.is_set():
        assert storage.execute_scalar("SELECT sum(i) FROM range(100_000) AS t(i)") == 4999950000
threads = [
    threading.Thread(target=lambda: storage.create_events_table("feb", data(), EVENTS)),
    *(threading.Thread(target=query) for _ in range(2)),
]
for thread in threads:
    thread.start()
loading.wait()
for _ in range(5):
    fork(lambda: None)
forked.set()
for thread in threads:
    thread.join()
say(storage.execute_scalar("SELECT count(*) FROM feb"))
"""
    said = run_python(OPENED + script + AFTERWARDS, path)
    assert said == ["exit 7"] * 5 + ["25000", "5", "[25000, 1005, 10] True"]


@posix_only
def test_a_forked_process_can_open_an_engine_of_its_own(path: Path) -> None:
    script = """
def work():
    with StorageEngine.ephemeral() as own:
        say(own.create_events_table("t", make_events(30), EVENTS))
fork(work)
"""
    assert run_python(OPENED + script + AFTERWARDS, path) == ["30", *UNTOUCHED]


def count_rows(path: Path) -> int:
    """Count in another process."""
    with StorageEngine(path, read_only=True) as storage:
        return int(storage.execute_scalar("SELECT count(*) FROM jan"))


def test_spawned_processes_read_a_file_by_its_path(events_file: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(count_rows, [events_file] * 4) == [1000] * 4
        pool.close()
        pool.join()


# Killed in the middle

ROWS = 40_000
LOAD = f"""
def data():
    for number in range({ROWS}):
        if number % 1000 == 0:
            say(number)
        yield make_event(number, properties={{"number": number, "text": str(number) * 40}})

storage = StorageEngine(sys.argv[1])
"""


def kill_while_loading(path: Path, call: str) -> None:
    """Kill a process at some moment between the first record and the last."""
    last = random.randrange(0, ROWS, 1000)
    with PythonProcess(LOAD + call, path) as process:
        while int(process.read()) < last:
            pass
        process.kill()


@posix_only
@pytest.mark.parametrize("primary_key", [True, False])
def test_a_create_that_is_killed_leaves_no_table(path: Path, primary_key: bool) -> None:
    call = f"storage.create_events_table('feb', data(), EVENTS, primary_key={primary_key})"
    for _ in range(3):
        kill_while_loading(path, call)
        with StorageEngine(path) as storage:
            assert storage.list_tables() == []
            assert not storage.table_exists("feb")
            with pytest.raises(TableNotFoundError):
                storage.get_metadata("feb")
    with StorageEngine(path) as storage:
        assert storage.create_events_table("feb", make_events(100), EVENTS) == 100


@posix_only
@pytest.mark.parametrize("on_conflict", ["ignore", "replace"])
def test_an_append_that_is_killed_leaves_the_table_as_it_was(
    events_file: Path, on_conflict: str
) -> None:
    call = f"storage.append_events_table('jan', data(), EVENTS, on_conflict='{on_conflict}')"
    with StorageEngine(events_file) as storage:
        rows = storage.execute_rows("SELECT * FROM jan")
        tables, metadata = storage.list_tables(), storage.get_metadata("jan")
    for _ in range(3):
        kill_while_loading(events_file, call)
        with StorageEngine(events_file) as storage:
            assert storage.execute_rows("SELECT * FROM jan") == rows
            assert storage.list_tables() == tables
            assert storage.get_metadata("jan") == metadata
    with StorageEngine(events_file) as storage:
        assert storage.append_events_table("jan", make_events(1100), EVENTS) == 100


@posix_only
def test_what_was_loaded_before_the_kill_is_there(path: Path) -> None:
    script = """
storage = StorageEngine(sys.argv[1])
for number in range(1000):
    storage.create_events_table(f"t{number}", make_events(10), EVENTS)
    say(number)
"""
    with PythonProcess(script, path) as process:
        while int(process.read()) < 5:
            pass
        process.kill()
        reported = [int(line) for line in process.read_all()]
    with StorageEngine(path) as storage:
        tables = storage.list_tables()
        # The table after the last one reported may be there as well.
        assert len(tables) - max(reported, default=5) in (1, 2)
        assert {table.row_count for table in tables} == {10}
        storage.drop_table("t0")
        assert storage.append_events_table("t1", make_events(15), EVENTS) == 5
