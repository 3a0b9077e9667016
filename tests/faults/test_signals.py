"""SIGTERM, SIGINT and SIGHUP at random moments: as after a kill, and nothing temporary is left."""

from __future__ import annotations

import json
import random
import signal
import time
from itertools import islice
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.faults.aftermath import reopened
from tests.faults.steps import line_of, state_of, steps
from tests.processes import PythonProcess, run_python
from tests.records import make_events

#: Works on a file, or on an ephemeral database, until a signal comes. It starts with modules that
#: the first load would import: a signal while Python imports pyarrow is none of our stages.
WORKING = """
import pandas, pyarrow
from pathlib import Path
import mixpanel_data.dialect
from mixpanel_data.ingest import runner
from tests.faults.steps import run_until_killed
run_until_killed(Path(sys.argv[1]), int(sys.argv[2]))
"""
EPHEMERAL = """
import pandas, pyarrow
import mixpanel_data.dialect
from mixpanel_data.ingest import runner
from tests.faults.steps import tell
tell("ready")
while True:
    with StorageEngine.ephemeral() as storage:
        storage.create_events_table("jan", make_events(3000), EVENTS)
        storage.append_events_table("jan", make_events(3000, 2000), EVENTS)
        storage.drop_table("jan")
"""
#: An application that handles signals itself.
EXITING = """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(5))
"""
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_was_committed_before_a_signal_is_there_and_nothing_else(
    number: signal.Signals, path: Path, rounds: int
) -> None:
    for _ in range(max(1, rounds // 20)):
        seed = random.getrandbits(30)
        before = state_of_file(path) if path.exists() else {}
        with PythonProcess(WORKING, path, seed) as process:
            process.read()
            time.sleep(random.uniform(0, 0.8))
            process.send(number)
            said = process.read_all()
            assert process.wait() == -number
        states = [before, *(step.after for step in islice(steps(seed, before), said.count("done")))]
        reopened(path)
        assert state_of_file(path) in states[-2:], f"seed {seed}: {said}"


@pytest.mark.parametrize("handler", ["", EXITING], ids=["default", "exiting"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_ephemeral_database_is_gone_whenever_the_signal_came(
    number: signal.Signals, handler: str, rounds: int, nothing_leaks: Path
) -> None:
    for _ in range(max(1, rounds // 20)):
        with PythonProcess(handler + EPHEMERAL) as process:
            process.read()
            time.sleep(random.uniform(0, 0.8))
            process.send(number)
            # DuckDB forgets what a handler raised in a query: all it tells is an interrupt.
            assert process.wait() in ([5, -signal.SIGINT] if handler else [-number])
        assert list(nothing_leaks.iterdir()) == []


def test_an_ephemeral_database_is_gone_though_its_closing_was_cut_short() -> None:
    script = """
import threading
storage = StorageEngine.ephemeral(config={"checkpoint_threshold": "1GB"})
storage.execute_rows("CREATE TABLE a AS SELECT md5(i::VARCHAR) FROM range(3_000_000) AS t(i)")
threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    storage.close()
finally:
    say(storage.path.parent.exists())
"""
    with PythonProcess(EXITING + script) as process:
        assert process.read_all() == ["False"], process.errors()


def test_ctrl_c_in_a_load_from_files_is_never_lost(tmp_path: Path, rounds: int) -> None:
    export = tmp_path / "export"
    export.write_text("\n".join(json.dumps(line_of(event)) for event in make_events(30_000)))
    script = """
from mixpanel_data.ingest import runner
import random
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
# In a callback of a weak reference, of which `threading` has some, Python itself loses it.
sys.unraisablehook = lambda _: signal.setitimer(signal.ITIMER_REAL, 0.01)
with StorageEngine.memory() as storage:
    storage.load_events_export("jan", sys.argv[1], EVENTS)
    for _ in range(int(sys.argv[2])):
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.15))
        try:
            while True:
                storage.load_events_export("feb", sys.argv[1], EVENTS)
                storage.drop_table("feb")
        except KeyboardInterrupt:
            if storage.table_exists("feb"):
                storage.drop_table("feb")
            say("interrupted")
"""
    assert run_python(script, export, rounds // 2) == ["interrupted"] * (rounds // 2)


def test_ctrl_c_while_duckdb_stores_the_last_rows_is_ctrl_c(path: Path, rounds: int) -> None:
    script = """
def data():
    for number in range(4000):
        yield make_event(number, properties={"text": str(number) * 1000})
    signal.setitimer(signal.ITIMER_REAL, 0.002)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
with StorageEngine(sys.argv[1], config={"threads": 1}) as storage:
    for _ in range(int(sys.argv[2])):
        try:
            storage.create_events_table("jan", data(), EVENTS)
        except KeyboardInterrupt:
            say(storage.table_exists("jan"))
"""
    assert run_python(script, path, rounds) == ["False"] * rounds


def test_ctrl_c_while_the_first_database_is_opened_is_ctrl_c(rounds: int) -> None:
    script = """
import random
from mixpanel_data.dialect.identifiers import reserved_words
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
for _ in range(int(sys.argv[1])):
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.01))
    try:
        while True:
            reserved_words.cache_clear()
            reserved_words()
    except KeyboardInterrupt:
        say("interrupted")
"""
    assert run_python(script, rounds) == ["interrupted"] * rounds


def test_a_second_ctrl_c_is_never_lost_while_the_first_is_handled() -> None:
    script = """
import threading, mixpanel_data
PACKAGE = os.path.dirname(mixpanel_data.__file__)

def pressed_again_at(call):
    "Yield events; press Ctrl-C, and again as soon as functions of ours were called that often."
    yield from make_events(3000)
    def watch(frame, what, _):
        nonlocal call
        if what == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            call -= 1
            if call == 0:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)
    sys.setprofile(watch)
    raise KeyboardInterrupt

with StorageEngine.memory() as storage:
    calls, pressed_twice = 0, True
    while pressed_twice:
        calls += 1
        try:
            storage.create_events_table("jan", pressed_again_at(calls), EVENTS, batch_size=500)
        except KeyboardInterrupt:
            pressed_twice = sys.getprofile() is None
            sys.setprofile(None)
        others = {thread.name for thread in threading.enumerate()[1:]}
        assert others <= {"mixpanel_data-signals"}
        assert storage.create_events_table("jan", make_events(1), EVENTS) == 1
        storage.drop_table("jan")
    say(calls > 10)
"""
    assert run_python(script) == ["True"]


def state_of_file(path: Path) -> dict[str, dict[int, int]]:
    with StorageEngine(path) as storage:
        return state_of(storage)
