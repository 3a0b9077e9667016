"""``kill -9`` at random moments: what was committed is there, and nothing else."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from mixpanel_data import DatabaseWalError, StorageEngine, migrate
from mixpanel_data.cli.wording import in_words_of_the_command
from tests.faults.aftermath import contents_of, reopened
from tests.faults.steps import REJECTS, State, state_of, steps
from tests.faults.test_full_disk import large_events
from tests.processes import PythonProcess
from tests.records import EVENTS, make_event

#: Forks a child for every round, so that Python and its modules are loaded only once. The parent
#: never opens a database: DuckDB does not survive a fork.
FORKING = """
from pathlib import Path
import pandas, pyarrow
from mixpanel_data import migrate
import mixpanel_data.dialect
from mixpanel_data.ingest import runner
from tests.faults.steps import run_until_killed, tell
path = Path(sys.argv[1])
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            work(path, int(line))
        finally:
            os._exit(1)
    say("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
KILLED = f"""
def work(path, seed):
    run_until_killed(path, seed)
{FORKING}
"""


def test_whatever_a_killed_process_was_doing_its_database_is_sound(path: Path, rounds: int) -> None:
    struck: Counter[str] = Counter()
    state: State = {}
    with PythonProcess(KILLED, path) as process:
        for _ in range(rounds):
            verb, state = kill_while_working(process, path, random.getrandbits(30), state)
            struck[verb] += 1
    assert struck.total() == rounds
    beside = {file.name for file in path.parent.parent.glob("rejects*")}
    assert beside <= {REJECTS}  # and no unfinished one
    print(f"Killed while doing: {dict(struck.most_common())}")


def kill_while_working(
    process: PythonProcess, path: Path, seed: int, before: State
) -> tuple[str, State]:
    """Let a process work, kill it, and return what it was doing and what is in the database."""
    said = kill(process, seed, random.uniform(0, 0.8))
    done = said.count("done")
    states = [before, *(step.after for step in islice(steps(seed, before), done))]
    reopened(path)
    with StorageEngine(path) as storage:
        after = state_of(storage)
    # What was reported is there; what was under way is there as a whole, or not at all.
    assert after in states[-2:], f"seed {seed}: {said}"
    return next((line for line in reversed(said) if line != "done"), "nothing"), after


def kill(process: PythonProcess, seed: int, seconds: float) -> list[str]:
    """Let a child of a process work, kill it after some time, and return what it said."""
    process.write(str(seed))
    pid = int(process.read())
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    said = [process.read()]
    while not said[-1].startswith("status"):
        said.append(process.read())
    assert said.pop() == f"status {-signal.SIGKILL}", (seed, process.errors())
    return said


#: Tells its id when it starts to copy the file.
BACKING_UP = f"""
def work(path, _):
    sys.addaudithook(lambda event, _: event == "tempfile.mkdtemp" and tell(os.getpid()))
    migrate.downgrade(path, "0001", backup=True)
    tell("done")
    signal.pause()
{FORKING}
"""


def test_a_copy_that_a_killed_process_made_is_whole(path: Path, rounds: int) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", large_events(10_000), EVENTS)
        before = contents_of(storage)
    original, copy = path.read_bytes(), path.with_name("events.db.backup")
    found: Counter[str] = Counter()
    with PythonProcess(BACKING_UP, path) as process:
        for _ in range(rounds // 4):
            said = kill(process, 0, 0.1 * random.random() ** 3)  # the copy takes 10 ms
            assert copy.exists() >= (said == ["done"])
            found.update(file.name for file in path.parent.iterdir())
            for file in filter(Path.exists, (copy, path)):
                with StorageEngine(file, migrate=True) as storage:
                    assert contents_of(storage) == before
                file.unlink()
            path.write_bytes(original)
    migrate.downgrade(path, "0001", backup=True)
    assert sorted(path.parent.iterdir()) == [path, copy]
    print(f"Left by {rounds // 4} killed processes: {dict(found)}")


#: Kills itself before the step of that number that changes something on the disk or takes a lock.
COMPACTING = f"""
STEPS = ("os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime", "fcntl.")
def work(path, number):
    left = number
    def count(event, _):
        nonlocal left
        left -= is_compacting and event.startswith(STEPS)
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    is_compacting = False
    sys.addaudithook(count)
    with StorageEngine(path) as storage:
        storage.erase("user-1")
        is_compacting = True
        storage.compact()
        is_compacting = False
        tell("done")
        signal.pause()
{FORKING}
"""


def test_a_file_is_whole_at_whichever_step_of_compacting_it_the_process_is_killed(
    path: Path,
) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", large_events(500), EVENTS)
    original = path.read_bytes()
    with StorageEngine(path) as storage:
        storage.erase("user-1")
        after = contents_of(storage)
    found: Counter[str] = Counter()
    with PythonProcess(COMPACTING, path) as process:
        for number in range(1000):
            path.write_bytes(original)
            inode = path.stat().st_ino
            process.write(str(number))
            if process.read() == "done":
                break
            is_new = path.stat().st_ino != inode
            found["new" if is_new else "old"] += 1
            assert reopened(path) == after
            assert is_new == (b"user-1" not in path.read_bytes())
    assert set(found) == {"old", "new"}
    print(f"After each of its steps: {dict(found)}")


COMMITTING = """
storage = StorageEngine(sys.argv[1])
storage.create_events_table("jan", make_events(300), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_log_that_can_only_be_read_by_writing_is_not_to_be_moved(path: Path) -> None:
    with PythonProcess(COMMITTING, path) as process:
        process.wait()
    told = None
    try:
        StorageEngine(path, read_only=True).close()  # DuckDB 2.0 can
    except DatabaseWalError as error:
        told = str(error)
    if told is not None:
        assert "open the database once without read_only=True" in told
        assert "room on the disk" in told
        assert "move the log aside" not in told
        assert "query --write" in in_words_of_the_command(told)
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 300


SPILLING = """
rows = "SELECT hash(i)::VARCHAR AS a FROM range(100_000_000) AS t(i)"
with StorageEngine(sys.argv[1], config={"memory_limit": "40MiB", "threads": 1}) as storage:
    storage.execute_rows(f"SELECT min(a[1]) FROM ({rows} ORDER BY a)")
"""


def test_temporary_files_of_a_killed_process_are_gone_when_the_file_is_opened(
    database_file: Path,
) -> None:
    folder = database_file.with_name("events.db.tmp")
    with PythonProcess(SPILLING, database_file) as process:
        while not any(file.stat().st_size for file in folder.glob("*.tmp")):
            time.sleep(0.01)
        process.kill()
    with StorageEngine(database_file, read_only=True):
        assert folder.exists()  # perhaps another reader uses it
    with StorageEngine(database_file) as storage:
        assert not any(folder.glob("duckdb_temp_*"))
        assert contents_of(storage).keys() == {"jan", "users"}
    assert not folder.exists()


def test_temporary_files_that_are_in_use_stay_when_the_file_is_opened_again(
    database_file: Path,
) -> None:
    folder = database_file.with_name("events.db.tmp")
    config = {"memory_limit": "40MiB", "threads": 1}
    with StorageEngine(database_file, config=config) as storage:
        storage.connection.execute(
            "CREATE TEMPORARY TABLE large AS SELECT md5(i::VARCHAR) AS a FROM range(2000000) t(i)"
        )
        assert any(folder.iterdir())
        with StorageEngine(database_file, config=config):
            found = storage.connection.execute("SELECT count(DISTINCT a) FROM large").fetchone()
            assert found == (2_000_000,)
    assert not folder.exists()


#: Adds columns until it is killed, or drops them if they are there.
ADDING = f"""
def work(path, seed):
    with StorageEngine(path) as storage:
        tell(os.getpid())
        names = ["note", "n", "kind"]
        if storage.property_columns("jan"):
            storage.drop_property_columns("jan", names)
        else:
            storage.add_property_columns("jan", names)
        tell("done")
        signal.pause()
{FORKING}
"""


def test_property_columns_are_there_as_a_whole_or_not_at_all(path: Path, rounds: int) -> None:
    with StorageEngine(path) as storage:
        events = [
            make_event(n, properties={"note": f"{n:0>400}", "n": n, "kind": "a"})
            for n in range(20_000)
        ]
        storage.create_events_table("jan", events, EVENTS)
        before = contents_of(storage)["jan"]
        started = time.monotonic()
        storage.add_property_columns("jan", ["note", "n", "kind"])
        seconds = time.monotonic() - started
        storage.drop_property_columns("jan", ["note", "n", "kind"])
    found: Counter[tuple[bool, bool]] = Counter()
    had = False
    with PythonProcess(ADDING, path) as process:
        for _ in range(rounds // 4):
            said = kill(process, 0, random.uniform(0, 2 * seconds))
            reopened(path)
            migrate.check(path)
            with StorageEngine(path) as storage:
                columns = storage.property_columns("jan")
                assert len(columns) in (0, 3)
                assert [row[:5] for row in contents_of(storage)["jan"]] == before
                has = bool(columns)
            assert has != had or said != ["done"]
            found[said == ["done"], has] += 1
            had = has
    print(f"Killed (done, has columns): {dict(found)}")
