"""Processes, threads and forks that compete, and clocks that step back."""

from __future__ import annotations

import threading
from pathlib import Path

from mixpanel_data import StorageEngine
from tests.faults.aftermath import contents_of, reopened
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, make_events

#: Appends events of its own again and again, waiting for the file each time.
FIGHTING = """
own = int(sys.argv[2])
for number in range(8):
    with StorageEngine(sys.argv[1], lock_timeout=50) as storage:
        start = 100_000 * own + 100 * number
        say(storage.append_events_table("jan", make_events(100, start), EVENTS))
"""

#: A clock that steps back by an hour every time it is asked.
CLOCK = """
import time
behind = 0.0
def backwards(real):
    def clock():
        global behind
        behind += 3600
        return real() - behind
    return clock
time.time = backwards(time.time)
"""


def test_processes_that_compete_for_a_file_all_get_their_turn(database_file: Path) -> None:
    with (
        PythonProcess(FIGHTING, database_file, 1) as one,
        PythonProcess(FIGHTING, database_file, 2) as other,
    ):
        for process in (one, other):
            assert process.read_all() == ["100"] * 8
            assert process.wait() == 0, process.errors()
    assert len(reopened(database_file)["jan"]) == 3000 + 2 * 8 * 100


def test_the_other_goes_on_when_one_of_two_competing_processes_is_killed(
    database_file: Path,
) -> None:
    with (
        PythonProcess(FIGHTING, database_file, 1) as one,
        PythonProcess(FIGHTING, database_file, 2) as other,
    ):
        one.read()
        one.kill()
        assert other.read_all() == ["100"] * 8
        assert other.wait() == 0, other.errors()
    assert len(reopened(database_file)["jan"]) % 100 == 0


def test_a_clock_that_steps_back_changes_nothing(database_file: Path) -> None:
    script = f"""{CLOCK}
with StorageEngine(sys.argv[1], lock_timeout=1) as storage:
    storage.append_events_table("jan", make_events(3100), EVENTS)
with StorageEngine.ephemeral() as storage:
    say(storage.create_events_table("jan", make_events(100), EVENTS))
"""
    assert run_python(script, database_file) == ["100"]
    assert len(reopened(database_file)["jan"]) == 3100


def test_waiting_for_a_lock_ends_though_the_clock_steps_back(database_file: Path) -> None:
    script = f"""{CLOCK}
try:
    StorageEngine(sys.argv[1], lock_timeout=0.2)
except DatabaseLockedError as error:
    say(error.pid)
"""
    with PythonProcess(
        f"storage = StorageEngine({str(database_file)!r})\nsay(1)\ninput()"
    ) as holder:
        holder.read()
        assert run_python(script, database_file) == [str(holder.pid)]


def test_a_process_that_forks_while_threads_load_can_be_killed(database_file: Path) -> None:
    script = """
import threading
storage = StorageEngine(sys.argv[1])
def load(name):
    while True:
        storage.create_events_table(name, make_events(500), EVENTS)
        storage.drop_table(name)
for name in ("feb", "mar"):
    threading.Thread(target=load, args=(name,), daemon=True).start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        try:
            storage.list_tables()
        except StorageForkedError:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
say("forked")
os.kill(os.getpid(), signal.SIGKILL)
"""
    with PythonProcess(script, database_file) as process:
        assert process.read_all() == ["forked"], process.errors()
    found = reopened(database_file)
    assert len(found.pop("jan")) == 3000
    assert len(found.pop("users")) == 300
    assert [len(rows) for rows in found.values()] == [500] * len(found)


def test_threads_that_load_when_the_engine_is_closed_leave_whole_tables(
    database_file: Path,
) -> None:
    storage = StorageEngine(database_file)
    started = threading.Barrier(4)

    def load(name: str) -> None:
        started.wait()
        try:
            for number in range(100):
                storage.create_events_table(f"{name}_{number}", make_events(300), EVENTS)
        except RuntimeError:  # closed
            return

    threads = [threading.Thread(target=load, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    started.wait()
    while len(storage.list_tables()) < 6:
        pass
    storage.close()
    for thread in threads:
        thread.join()
    with StorageEngine(database_file) as storage:
        sizes = {name: len(rows) for name, rows in contents_of(storage).items()}
    assert sizes.pop("jan") == 3000
    assert sizes.pop("users") == 300
    assert set(sizes.values()) == {300}
