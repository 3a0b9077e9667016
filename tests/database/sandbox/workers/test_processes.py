"""Workers start when needed, stay for later statements, and end with their engine."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseFileError,
    QueryError,
    Sandbox,
    StorageClosedError,
    StorageEngine,
    StorageForkedError,
    WorkerCrashedError,
)
from mixpanel_data.database.sandbox.worker import process
from tests.database.sandbox.workers.conftest import Opener, is_there, workers_of
from tests.processes import PythonProcess

FOREVER = "SELECT sum(a.r * b.r) FROM numbers a, numbers b"

#: An engine with one worker that has answered, and its process id said.
OPENED = """
from tests.database.sandbox.workers.conftest import workers_of
storage = StorageEngine(sys.argv[1], read_only=True, sandbox=Sandbox(worker=True, timeout=None))
storage.execute_rows("SELECT 1")
say(*workers_of())
"""


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def busy(pid: int) -> bool:
    """Tell whether a process is at work: it has used more of the processors since."""
    times = []
    for _ in range(2):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        times.append(int(fields[11]))
        time.sleep(0.1)
    return times[1] > times[0]


def in_thread(storage: StorageEngine, sql: str, errors: list[Exception]) -> threading.Thread:
    def ask() -> None:
        try:
            storage.execute_rows(sql)
        except (QueryError, StorageClosedError) as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_a_worker_is_started_by_the_first_statement_and_kept(opened: Opener) -> None:
    storage = opened()
    assert workers_of() == []
    storage.execute_scalar("SELECT 1")
    (first,) = workers_of()
    for _ in range(5):
        storage.execute_df("SELECT 1")
    assert workers_of() == [first]


def test_closing_leaves_no_process(opened: Opener) -> None:
    storage = opened()
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    storage.close()
    storage.close()
    assert not is_there(pid)
    with pytest.raises(StorageClosedError):
        storage.execute_scalar("SELECT 1")


def test_an_engine_that_is_garbage_collected_leaves_no_process(file: Path) -> None:
    storage = StorageEngine(file, read_only=True, sandbox=Sandbox(worker=True))
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    del storage
    gc.collect()
    assert not is_there(pid)


def test_a_failed_statement_keeps_the_worker(opened: Opener) -> None:
    storage = opened()
    storage.execute_scalar("SELECT 1")
    before = workers_of()
    with pytest.raises(QueryError):
        storage.execute_scalar("SELECT nothing")
    assert storage.execute_scalar("SELECT 1") == 1
    assert workers_of() == before


def test_an_idle_worker_that_is_killed_is_replaced_without_an_error(opened: Opener) -> None:
    storage = opened()
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert storage.execute_scalar("SELECT 42") == 42
    assert not is_there(pid)


def test_a_worker_that_dies_during_a_statement_is_a_typed_error(opened: Opener) -> None:
    storage = opened(timeout=None)
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    errors: list[Exception] = []
    thread = in_thread(storage, FOREVER, errors)
    until(lambda: busy(pid))
    os.kill(pid, signal.SIGKILL)
    thread.join()
    (error,) = errors
    assert isinstance(error, WorkerCrashedError)
    assert error.reason == "it was killed by SIGKILL"
    assert error.details == {"query": FOREVER, "reason": error.reason}
    assert storage.execute_scalar("SELECT 42") == 42
    assert not is_there(pid)


def test_closing_ends_a_statement_at_work_and_those_that_wait(opened: Opener) -> None:
    storage = opened(timeout=None, max_workers=1)
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    errors: list[Exception] = []
    threads = [in_thread(storage, FOREVER, errors) for _ in range(3)]
    until(lambda: busy(pid))
    storage.close()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in errors] == [StorageClosedError] * 3
    assert not is_there(pid)
    assert workers_of() == []


def test_threads_have_workers_of_their_own_up_to_the_limit(opened: Opener) -> None:
    storage = opened(timeout=None, max_workers=2)
    results: list[int] = []
    numbers: list[int] = []

    def ask(number: int) -> None:
        sql = "SELECT ? + count(*) FROM range(30000000)"
        results.append(storage.execute_scalar(sql, [number]) - 30_000_000)
        numbers.append(len(workers_of()))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(8))
    assert max(numbers) == len(workers_of()) == 2


def test_a_worker_outlives_the_thread_that_started_it(opened: Opener) -> None:
    storage = opened()
    thread = threading.Thread(target=storage.execute_scalar, args=("SELECT 1",))
    thread.start()
    thread.join()
    before = workers_of()
    time.sleep(0.2)
    assert storage.execute_scalar("SELECT 42") == 42
    assert workers_of() == before != []


def test_a_worker_inherits_neither_environment_nor_open_files(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIXPANEL_SECRET", "s3cret")
    (tmp_path / "open").write_text("")
    with (tmp_path / "open").open() as inherited:
        os.set_inheritable(inherited.fileno(), True)
        storage = opened()
        storage.execute_scalar("SELECT 1")
        (pid,) = workers_of()
    assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PATH" not in Path(f"/proc/{pid}/environ").read_bytes()
    files = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    of_system = {each for each in files if each.startswith(("/dev/null", "pipe:", "anon_inode:"))}
    assert files - of_system == {str(storage.path)}


def test_a_worker_that_cannot_open_the_file_says_why(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "moved.db"
    StorageEngine(path).close()
    storage = opened(path)
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(DatabaseFileError, match="A new worker would read another") as caught:
        storage.execute_scalar("SELECT 1")
    assert caught.value.path == path
    assert workers_of() == []
    (tmp_path / "elsewhere.db").rename(path)
    assert storage.execute_scalar("SELECT 1") == 1


def test_a_worker_that_never_gets_ready_is_killed(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "BOOTSTRAP", "import time; time.sleep(60)")
    monkeypatch.setattr(process, "START_SECONDS", 0.2)
    with pytest.raises(WorkerCrashedError, match="not ready after 0"):
        opened().execute_scalar("SELECT 1")
    assert workers_of() == []


def test_a_worker_that_dies_at_its_start_is_a_typed_error(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "BOOTSTRAP", "raise SystemExit(3)")
    with pytest.raises(WorkerCrashedError, match="ended with status 3"):
        opened().execute_scalar("SELECT 1")


# The end of the engine's process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("statement", ["SELECT 1", FOREVER], ids=["idle", "at work"])
def test_workers_die_with_their_engine(file: Path, number: signal.Signals, statement: str) -> None:
    script = OPENED + "storage.execute_rows(sys.argv[2]); say('done'); sys.stdin.readline()"
    with PythonProcess(script, file, statement) as parent:
        pid = int(parent.read())
        if statement == FOREVER:
            until(lambda: busy(pid))
        else:
            parent.read()
        parent.send(number)
        assert parent.wait() == -number
        until(lambda: not is_there(pid))


def test_workers_end_when_the_interpreter_exits(file: Path) -> None:
    with PythonProcess(OPENED, file) as parent:
        pid = int(parent.read())
        assert parent.wait() == 0
        assert not is_there(pid)
        assert parent.errors() == ""


def test_ctrl_c_kills_the_worker_and_the_engine_goes_on(file: Path) -> None:
    script = """
try:
    storage.execute_rows(sys.argv[2])
except KeyboardInterrupt:
    say("interrupted", *workers_of())
say(storage.execute_scalar("SELECT 42"))
"""
    with PythonProcess(OPENED + script, file, FOREVER) as parent:
        pid = int(parent.read())
        until(lambda: busy(pid))
        parent.send(signal.SIGINT)
        assert parent.read() == "interrupted"
        assert parent.read() == "42"
        assert parent.wait() == 0
        assert parent.errors() == ""


def test_ctrl_c_of_a_terminal_does_not_reach_the_workers(opened: Opener) -> None:
    storage = opened()
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    assert os.getpgid(pid) != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    assert storage.execute_scalar("SELECT 42") == 42
    assert workers_of() == [pid]


# Forks


def test_a_fork_neither_uses_nor_ends_the_workers_of_its_parent(opened: Opener) -> None:
    storage = opened()
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                storage.execute_scalar("SELECT 1")
            except StorageForkedError:
                storage.close()
                status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert storage.execute_scalar("SELECT 42") == 42
    assert workers_of() == [pid]


def test_a_fork_does_not_keep_the_workers_of_its_parent_alive(file: Path) -> None:
    script = (
        OPENED
        + """
if os.fork() == 0:
    say("forked")
    time = __import__("time")
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    with PythonProcess(script, file) as parent:
        pid = int(parent.read())
        assert parent.read() == "forked"
        parent.wait()
        until(lambda: not is_there(pid))


def test_a_forked_child_exits_without_output(file: Path) -> None:
    script = (
        OPENED
        + """
child = os.fork()
if child == 0:
    sys.exit(0)
say(os.waitpid(child, 0)[1], storage.execute_scalar("SELECT 42"))
"""
    )
    with PythonProcess("import warnings; warnings.simplefilter('error')" + script, file) as parent:
        parent.read()
        assert parent.read() == "0 42"
        assert parent.wait() == 0
        assert parent.errors() == ""
