"""A forked child may not open files that its parent had open, but all others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.processes import run_python
from tests.records import EVENTS, make_events

if sys.platform == "win32":
    pytest.skip("There is no fork.", allow_module_level=True)

#: Runs a function in a forked child and prints what it returns, or the name of what it raises.
CHILD = """
import warnings
warnings.simplefilter("ignore")  # Python warns of forks beside threads, which is what we test

def in_child(*functions):
    sys.stdout.flush()
    if (pid := os.fork()) == 0:
        for function in functions:
            try:
                say(function())
            except BaseException as error:
                say(type(error).__name__, *filter(None, [getattr(error, "pid", None)]))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

path, folder = Path(sys.argv[1]), Path(sys.argv[1]).parent
"""


def run_forking(script: str, path: Path) -> list[str]:
    """Run a script that forks; its own process id in what it prints becomes ``PARENT``."""
    script = f"say(os.getpid())\n{CHILD}\n{script}"
    pid, *lines = run_python(script, path)
    return [line.replace(pid, "PARENT") for line in lines]


@pytest.fixture(autouse=True)
def create_events_file(path: Path) -> Path:
    with StorageEngine(path) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
    return path


def test_a_child_may_not_open_what_its_parent_has_open(path: Path) -> None:
    script = """
(folder / "hard.db").hardlink_to(path)
(folder / "soft.db").symlink_to(path)
with StorageEngine(path) as storage:
    in_child(
        lambda: StorageEngine(path),
        lambda: StorageEngine(path, read_only=True),
        lambda: StorageEngine(os.path.relpath(path)),
        lambda: StorageEngine(folder / "hard.db"),
        lambda: StorageEngine(folder / "soft.db"),
        lambda: StorageEngine.open_existing(path),
        lambda: migrate.status(path),
        lambda: migrate.upgrade(path, backup=True),
        lambda: create_engine(f"duckdb+mixpanel:///{path}").connect(),
        lambda: create_engine(f"duckdb+mixpanel:///file:{path}").connect(),
        lambda: create_engine(f"duckdb+mixpanel:///duckdb:{path}").connect(),
        lambda: storage.backup(folder / "copy.db"),
        lambda: storage.execute_rows("SELECT 1"),
    )
    say(storage.append_events_table("events", make_events(1, start=3), EVENTS))
"""
    refused = ["StorageForkedError PARENT"] * 13
    assert run_forking("from sqlalchemy import create_engine\n" + script, path) == [*refused, "1"]
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM events") == 4


def test_the_refusal_says_what_to_do(path: Path) -> None:
    script = """
def refused():
    try:
        StorageEngine(path)
    except StorageForkedError as error:
        return "spawn" in error.message, "Close it before" in error.message, error.path == path

with StorageEngine(path):
    in_child(refused)
"""
    assert run_forking(script, path) == ["(True, True, True)"]


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux shows what DuckDB has open.")
def test_a_file_that_the_parent_has_open_in_plain_duckdb_is_refused(path: Path) -> None:
    script = """
import duckdb
connection = duckdb.connect(str(path))
in_child(lambda: StorageEngine(path))
connection.close()
in_child(lambda: StorageEngine(path).execute_scalar("SELECT count(*) FROM events"))
"""
    assert run_forking(script, path) == ["StorageForkedError PARENT", "3"]


def test_a_child_opens_everything_else(path: Path) -> None:
    script = """
StorageEngine(path).close()
with StorageEngine(folder / "other.db"):
    in_child(
        lambda: StorageEngine(path).execute_scalar("SELECT count(*) FROM events"),
        lambda: StorageEngine(folder / "new.db").list_tables(),
        lambda: StorageEngine.memory().list_tables(),
        lambda: StorageEngine.ephemeral().list_tables(),
    )
"""
    assert run_forking(script, path) == ["3", "[]", "[]", "[]"]


def test_a_plain_duckdb_connection_inherited_by_a_child_cannot_write(path: Path) -> None:
    script = """
with StorageEngine(path) as storage:
    kept = storage.connection

    def write():
        kept.execute("CREATE TABLE planted AS SELECT range AS a FROM range(100000)")
        kept.execute("CHECKPOINT")
        return "written"

    in_child(write)
    say(storage.table_exists("planted"))
    say(storage.append_events_table("events", make_events(1, start=3), EVENTS))
"""
    first, *others = run_forking(script, path)
    assert first.split()[0] != "written"
    assert others == ["False", "1"]
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM events") == 4
        assert not storage.table_exists("planted")


def test_a_new_file_in_the_place_of_the_old_one_is_refused(path: Path) -> None:
    script = """
def replaced():
    path.rename(folder / "moved.db")
    return StorageEngine(path)

with StorageEngine(path):
    in_child(replaced, lambda: StorageEngine(folder / "moved.db"))
"""
    assert run_forking(script, path) == ["StorageForkedError PARENT"] * 2


def test_grandchildren_are_refused_with_the_process_that_has_it_open(path: Path) -> None:
    script = """
with StorageEngine(path):
    in_child(lambda: in_child(lambda: StorageEngine(path)))
"""
    assert run_forking(script, path) == ["StorageForkedError PARENT", "None"]


@pytest.mark.parametrize("url", ["path", ":memory:"])
def test_a_plain_engine_is_not_used_in_a_child(url: str, path: Path) -> None:
    database = path if url == "path" else url
    script = f"""
from sqlalchemy import create_engine, text
engine = create_engine("duckdb+mixpanel:///{database}")
held = engine.connect()
held.execute(text("CREATE TABLE a AS SELECT 1 AS b"))
held.commit()

def asked():
    with engine.connect() as connection:
        return connection.scalar(text("SELECT b FROM a"))

in_child(asked, lambda: held.scalar(text("SELECT b FROM a")), asked)
say(asked())
"""
    first, second, third, last = run_forking(script, path)
    assert {first, third} == {"StorageForkedError PARENT"}
    assert second in ("OperationalError", "StorageForkedError PARENT")
    assert last == "1"


def test_destructors_and_exit_handlers_of_a_child_do_not_touch_the_file(path: Path) -> None:
    script = """
from sqlalchemy import create_engine, text
storage = StorageEngine(path)
engine = create_engine(f"duckdb+mixpanel:///{path}")
connection = engine.connect()
connection.execute(text("CREATE TABLE a AS SELECT 1 AS b"))
if (pid := os.fork()) == 0:
    del connection, engine, storage
    import gc
    gc.collect()
    sys.exit(0)  # runs the destructors and the exit handlers of the child
assert os.waitpid(pid, 0)[1] == 0
connection.commit()
connection.close()
engine.dispose()
storage.close()
say(StorageEngine(path).execute_scalar("SELECT b FROM a"))
"""
    assert run_forking(script, path) == ["1"]


def test_a_running_child_does_not_keep_the_file_locked(path: Path) -> None:
    script = """
import subprocess
storage = StorageEngine(path)
read, write = os.pipe()
if (pid := os.fork()) == 0:
    os.close(write)
    os.read(read, 1)  # until the parent ends
    os._exit(0)
storage.close()
other = "from mixpanel_data import *; print(StorageEngine(sys.argv[1]).list_tables()[0].row_count)"
command = [sys.executable, "-c", "import sys; " + other, str(path)]
say(subprocess.run(command, capture_output=True, text=True).stdout.strip())
"""
    assert run_forking(script, path) == ["3"]


def test_a_child_of_a_killed_parent_does_not_keep_the_file_locked(path: Path) -> None:
    script = """
import signal
storage = StorageEngine(path)
if os.fork() == 0:
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    from tests.processes import PythonProcess

    with PythonProcess(CHILD + script, path) as process:
        process.wait()
        with StorageEngine(path, lock_timeout=30) as storage:
            assert storage.execute_scalar("SELECT count(*) FROM events") == 3


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_processes_of_multiprocessing_lose_nothing(
    method: str, is_open: bool, path: Path, tmp_path: Path
) -> None:
    module = tmp_path / "workers.py"
    module.write_text(
        """
from mixpanel_data import *
from tests.records import *

def load(path, number):
    try:
        with StorageEngine(path, lock_timeout=60) as storage:
            return storage.append_events_table("events", make_events(10, 1000 * number), EVENTS)
    except (DatabaseLockedError, StorageForkedError) as error:
        return type(error).__name__
"""
    )
    script = f"""
import multiprocessing
sys.path.insert(0, {str(tmp_path)!r})
import workers
if __name__ == "__main__":
    multiprocessing.set_start_method({method!r})
    parent = StorageEngine(path) if {is_open} else None
    with multiprocessing.Pool(2) as pool:
        results = pool.starmap_async(workers.load, [(path, number) for number in (1, 2, 3)])
        if parent is not None:
            if {method!r} != "fork":
                time.sleep(0.5)
                say(parent.append_events_table("events", make_events(10, 9000), EVENTS))
                parent.close()
            else:
                say(parent.append_events_table("events", make_events(10, 9000), EVENTS))
        say(results.get(60))
"""
    lines = run_forking("import time\n" + script, path)
    forked = is_open and method == "fork"
    loaded = ["StorageForkedError"] * 3 if forked else [10] * 3
    assert lines == [*(["10"] if is_open else []), str(loaded)]
    rows = 3 + (10 if is_open else 0) + (0 if forked else 30)
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM events") == rows
