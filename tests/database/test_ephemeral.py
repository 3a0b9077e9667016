"""Ephemeral databases are deleted, however their process ends."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir

import pytest
from sqlalchemy import text

from mixpanel_data import MixpanelDataError, StorageClosedError, StorageEngine
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, Record, make_events

posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and locks as POSIX has them")

FILLED = """
storage = StorageEngine.ephemeral()
storage.create_events_table("jan", make_events(5000), EVENTS)
"""
#: Ends only by a signal, whenever that comes.
IDLE = """
import threading
say(storage.path.parent)
while not threading.Event().wait(0.1):
    pass
"""
#: A load that never ends by itself, and is far enough to have stored something.
ENDLESS_LOAD = """
import itertools
def endless():
    for number in itertools.count(10_000):
        if number == 60_000:
            say(storage.path.parent)
        yield make_event(number)
storage.append_events_table("jan", endless(), EVENTS)
"""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A temporary folder of its own for other processes."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def own_temporary(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of its own for this process."""
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return temporary


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# In one process


@posix_only
def test_the_folder_is_private_and_in_the_temporary_folder(own_temporary: Path) -> None:
    with StorageEngine.ephemeral() as storage:
        assert storage.path is not None
        assert storage.path.parent.parent == own_temporary
        assert stat.S_IMODE(storage.path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(storage.path.stat().st_mode) == 0o600
        assert left_in(own_temporary) == [storage.path.parent.name]


def test_the_folder_is_in_the_temporary_folder_of_the_system() -> None:
    with StorageEngine.ephemeral() as storage:
        assert storage.path is not None
        assert storage.path.parent.parent == Path(gettempdir())


def test_nothing_is_left_after_closing(own_temporary: Path) -> None:
    storage = StorageEngine.ephemeral()
    storage.create_events_table("jan", make_events(5000), EVENTS)
    assert len(left_in(own_temporary)) == 1
    storage.close()
    assert left_in(own_temporary) == []
    storage.close()
    with pytest.raises(StorageClosedError):
        storage.list_tables()


def test_nothing_is_left_after_closing_with_much_left_open(own_temporary: Path) -> None:
    storage = StorageEngine.ephemeral()
    storage.create_events_table("jan", make_events(5000), EVENTS)
    session, connection = storage.session(), storage.connection
    session.execute(text("DELETE FROM jan"))
    connection.execute("SELECT * FROM jan").fetchone()
    relation = storage.execute("SELECT * FROM jan")
    storage.close()
    assert left_in(own_temporary) == []
    del relation


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_after_an_exception_in_the_block(
    own_temporary: Path, error: type[BaseException]
) -> None:
    def fail() -> None:
        with StorageEngine.ephemeral() as storage:
            storage.create_events_table("jan", make_events(5000), EVENTS)
            raise error

    with pytest.raises(error):
        fail()
    assert left_in(own_temporary) == []


def test_nothing_is_left_of_a_database_that_could_not_be_opened(own_temporary: Path) -> None:
    with pytest.raises(MixpanelDataError):
        StorageEngine.ephemeral(config={"no_such_setting": 1})
    assert left_in(own_temporary) == []


def test_two_at_once_do_not_disturb_each_other(own_temporary: Path) -> None:
    with StorageEngine.ephemeral() as one:
        with StorageEngine.ephemeral() as other:
            assert one.path != other.path
            one.create_events_table("jan", make_events(20), EVENTS)
            other.create_events_table("jan", make_events(30), EVENTS)
        assert one.append_events_table("jan", make_events(30), EVENTS) == 10
        assert one.path is not None
        assert left_in(own_temporary) == [one.path.parent.name]
    assert left_in(own_temporary) == []


def test_many_are_made_and_closed_at_once(own_temporary: Path) -> None:
    def come_and_go(_: int) -> None:
        for _round in range(5):
            with StorageEngine.ephemeral(config={"threads": 1}) as storage:
                assert storage.execute_scalar("SELECT 42") == 42

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(come_and_go, range(8)))
    assert left_in(own_temporary) == []


def test_one_can_be_made_and_closed_in_any_thread(own_temporary: Path) -> None:
    def work() -> int:
        with StorageEngine.ephemeral() as storage:
            return storage.create_events_table("jan", make_events(20), EVENTS)

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(work).result() == 20
        storage = executor.submit(StorageEngine.ephemeral).result()
    assert storage.create_events_table("jan", make_events(20), EVENTS) == 20
    storage.close()
    assert left_in(own_temporary) == []


def test_what_does_not_fit_into_memory_goes_into_the_folder(
    own_temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = own_temporary.with_name("elsewhere")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with StorageEngine.ephemeral(config={"memory_limit": "50MiB"}) as storage:
        storage.connection.execute(
            "CREATE TEMPORARY TABLE large AS SELECT i, md5(i::VARCHAR) FROM range(3000000) AS t(i)"
        )
        assert storage.path is not None
        folder = storage.path.parent
        assert left_in(own_temporary) == [folder.name]
        spilled = [path for path in folder.rglob("*.tmp") if path.is_file()]
        assert sum(path.stat().st_size for path in spilled) > 1_000_000
        assert left_in(elsewhere) == []
    assert left_in(own_temporary) == []
    assert left_in(elsewhere) == []


# At the end of a process


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise SystemExit", 0),
        ("raise ValueError('nobody catches this')", 1),
        ("open = storage.session().connection(), storage.execute('FROM jan')", 0),
        ("del storage", 0),
    ],
)
def test_nothing_is_left_when_a_process_ends_without_closing(
    temporary: Path, ending: str, status: int
) -> None:
    with PythonProcess(FILLED + ending, TMPDIR=temporary) as process:
        assert process.read_all() == []
        assert process.wait() == status
    assert left_in(temporary) == []


def test_nothing_is_left_when_a_process_ends_in_a_load(temporary: Path) -> None:
    script = """
def data():
    yield from make_events(5000, 10_000)
    sys.exit(4)
storage.append_events_table("jan", data(), EVENTS)
"""
    with PythonProcess(FILLED + script, TMPDIR=temporary) as process:
        assert process.wait() == 4
    assert left_in(temporary) == []


@posix_only
@pytest.mark.parametrize("doing", [IDLE, ENDLESS_LOAD], ids=["idle", "loading"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_nothing_is_left_after_a_signal_and_the_process_dies_of_it(
    temporary: Path, name: str, doing: str
) -> None:
    number = signal.Signals[name]
    with PythonProcess(FILLED + doing, TMPDIR=temporary) as process:
        folder = Path(process.read())
        assert left_in(temporary) == [folder.name]
        process.send(number)
        assert process.wait() == -number
    assert left_in(temporary) == []


@posix_only
def test_after_ctrl_c_in_a_load_everything_is_as_it_was_before(temporary: Path) -> None:
    script = f"""
def load():{ENDLESS_LOAD.replace(chr(10), chr(10) + "    ")}
try:
    load()
except KeyboardInterrupt:
    say(storage.execute_scalar("SELECT count(*) FROM jan"), storage.get_metadata("jan") == EVENTS)
    say(storage.append_events_table("jan", make_events(5001), EVENTS))
"""
    with PythonProcess(FILLED + script, TMPDIR=temporary) as process:
        process.read()
        process.send(signal.SIGINT)
        assert process.read_all() == ["5000 True", "1"]
        assert process.wait() == 0, process.errors()
    assert left_in(temporary) == []


@posix_only
def test_ctrl_c_at_any_moment_of_a_load_leaves_all_of_it_or_nothing(temporary: Path) -> None:
    script = """
import random, threading, time
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))

def load(number):
    storage.create_events_table(f"t{number}", make_events(3000), EVENTS, batch_size=500)

def load_with_ctrl_c(number, seconds):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        load(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

storage = StorageEngine.ephemeral()
load("x")
start = time.perf_counter()
load("y")
duration = time.perf_counter() - start
for number in range(40):
    before = storage.list_tables()
    try:
        load_with_ctrl_c(number, random.uniform(0.0001, duration))
    except BaseException:
        pass
    new = [table.row_count for table in storage.list_tables() if table not in before]
    assert new in ([], [3000]), new
    assert len(storage.list_tables()) == len(before) + len(new)
for thread in threading.enumerate()[1:]:
    if thread.name != "mixpanel_data-signals":  # which hears Ctrl-C until the end
        thread.join(30)
        assert not thread.is_alive()
say("good")
"""
    assert run_python(script, TMPDIR=temporary) == ["good"]
    assert left_in(temporary) == []


@posix_only
def test_a_signal_ends_all_ephemeral_databases_of_a_process(temporary: Path) -> None:
    script = FILLED + "other = StorageEngine.ephemeral()" + IDLE
    with PythonProcess(script, TMPDIR=temporary) as process:
        process.read()
        assert len(left_in(temporary)) == 2
        process.send(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
    assert left_in(temporary) == []


@posix_only
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_signal_handler_of_an_application_stays_in_charge(temporary: Path, when: str) -> None:
    handler = """
def stop(number, frame):
    say("handled", storage.execute_scalar("SELECT count(*) FROM jan"))
    sys.exit(5)
signal.signal(signal.SIGTERM, stop)
"""
    script = handler + FILLED if when == "before" else FILLED + handler
    with PythonProcess(script + IDLE, TMPDIR=temporary) as process:
        process.read()
        process.send(signal.SIGTERM)
        assert process.read() == "handled 5000"
        assert process.wait() == 5
    assert left_in(temporary) == []


@posix_only
def test_a_signal_that_the_application_ignores_stays_ignored(temporary: Path) -> None:
    script = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
storage = StorageEngine.ephemeral()
os.kill(os.getpid(), signal.SIGHUP)
say(storage.execute_scalar("SELECT 42"))
"""
    assert run_python(script, TMPDIR=temporary) == ["42"]
    assert left_in(temporary) == []


@posix_only
def test_other_databases_leave_the_signals_alone() -> None:
    script = """
before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
with StorageEngine.memory() as storage:
    storage.create_events_table("jan", make_events(5), EVENTS)
    now = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
say(now == before)
"""
    assert run_python(script) == ["True"]


@posix_only
def test_one_made_in_another_thread_is_gone_when_the_process_ends(temporary: Path) -> None:
    script = """
import threading
made = []
def work():
    made.append(StorageEngine.ephemeral())
    made[0].create_events_table("jan", make_events(20), EVENTS)
thread = threading.Thread(target=work)
thread.start()
thread.join()
say(made[0].execute_scalar("SELECT count(*) FROM jan"))
"""
    assert run_python(script, TMPDIR=temporary) == ["20"]
    assert left_in(temporary) == []


# What a killed process leaves


MAKE_ONE = "with StorageEngine.ephemeral() as storage: say(storage.path.parent)"


@posix_only
def test_what_a_killed_process_left_is_removed_by_the_next_one(temporary: Path) -> None:
    with PythonProcess(FILLED + IDLE, TMPDIR=temporary) as process:
        orphan = Path(process.read())
        process.kill()
    assert left_in(temporary) == [orphan.name]
    run_python(MAKE_ONE, TMPDIR=temporary)
    assert left_in(temporary) == []


@posix_only
def test_what_a_process_killed_in_a_load_left_is_removed_by_the_next_one(temporary: Path) -> None:
    with PythonProcess(FILLED + ENDLESS_LOAD, TMPDIR=temporary) as process:
        process.read()
        process.kill()
    assert len(left_in(temporary)) == 1
    run_python(MAKE_ONE, TMPDIR=temporary)
    assert left_in(temporary) == []


@posix_only
def test_the_folder_of_a_living_process_is_left_alone(temporary: Path) -> None:
    script = """
say(storage.path.parent)
sys.stdin.readline()
say(storage.append_events_table("jan", make_events(5003), EVENTS))
"""
    with PythonProcess(FILLED + script, TMPDIR=temporary) as process:
        folder = Path(process.read())
        before = sorted(path.name for path in folder.iterdir())
        run_python(MAKE_ONE, TMPDIR=temporary)
        assert sorted(path.name for path in folder.iterdir()) == before
        process.write()
        assert process.read() == "3"
        assert process.wait() == 0
    assert left_in(temporary) == []


@posix_only
def test_processes_that_make_and_remove_folders_at_once_do_not_disturb_each_other(
    temporary: Path,
) -> None:
    script = """
from mixpanel_data.database.ephemeral import EphemeralFolder
say("ready")
sys.stdin.readline()
for _ in range(100):
    folders = [EphemeralFolder() for _ in range(8)]
    for folder in folders:
        assert folder.path.exists()
        folder.remove()
"""
    with (
        PythonProcess(script, TMPDIR=temporary) as one,
        PythonProcess(script, TMPDIR=temporary) as other,
    ):
        for process in (one, other):
            assert process.read() == "ready"
        for process in (one, other):
            process.write()
        for process in (one, other):
            assert process.wait() == 0, process.errors()
    assert left_in(temporary) == []


def make_file(path: Path) -> None:
    path.write_text("mine")


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def make_link_to_orphan(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    for name in ("owner.lock", "ephemeral.db"):
        (path.with_name("elsewhere") / name).write_text("mine")
    path.symlink_to(path.with_name("elsewhere"))


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@posix_only
@pytest.mark.parametrize("name", ["mixpanel_data-1.0", ".mixpanel_data-1.0"])
@pytest.mark.parametrize("make", [make_file, make_folder, make_link_to_orphan, make_dangling_link])
def test_what_is_not_ours_is_left_alone_whatever_its_name(
    own_temporary: Path, make: Callable[[Path], None], name: str
) -> None:
    make(own_temporary / name)
    before = {str(path): path.lstat().st_mode for path in own_temporary.rglob("*")}
    with StorageEngine.ephemeral():
        pass
    assert {str(path): path.lstat().st_mode for path in own_temporary.rglob("*")} == before


# After a fork


@posix_only
def test_a_forked_process_removes_nothing_of_its_parent(temporary: Path) -> None:
    script = """
def fork(end):
    pid = os.fork()
    if pid == 0:
        end()
        sys.exit(6)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)

say(fork(lambda: None), fork(storage.close), fork(terminate))
say(storage.append_events_table("jan", make_events(5003), EVENTS), storage.path.exists())
"""
    said = run_python(FILLED + script, TMPDIR=temporary)
    assert said == [f"6 6 {-signal.SIGTERM}", "3 True"]
    assert left_in(temporary) == []


@posix_only
def test_a_forked_process_that_outlives_its_parent_does_not_keep_the_folder(
    temporary: Path,
) -> None:
    script = """
if os.fork() == 0:
    say(os.getpid())
    sys.stdin.readline()
    os._exit(0)
storage.close()
"""
    with PythonProcess(FILLED + script, TMPDIR=temporary) as process:
        process.read()
        assert process.wait() == 0
        assert left_in(temporary) == []
        process.write()


def test_the_load_of_a_thread_ends_when_the_database_is_closed(own_temporary: Path) -> None:
    storage = StorageEngine.ephemeral()
    under_way, closed = threading.Event(), threading.Event()

    def data() -> Iterator[Record]:
        yield from make_events(10_000)
        under_way.set()
        assert closed.wait(60)
        yield from make_events(10_000, 10_000)

    with ThreadPoolExecutor(1) as executor:
        load = executor.submit(storage.create_events_table, "jan", data(), EVENTS)
        assert under_way.wait(60)
        storage.close()
        assert left_in(own_temporary) == []
        closed.set()
        with pytest.raises(StorageClosedError):
            load.result()
    assert left_in(own_temporary) == []
