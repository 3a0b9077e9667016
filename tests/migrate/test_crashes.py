"""``kill -9`` at any moment of a migration: the file opens, at the old or the new revision."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.databases import make_database
from tests.processes import run_python
from tests.records import EVENTS, make_events
from tests.revisions import DIRECT, REBUILDING

ROUNDS = 30

#: So many processes share the rounds, each with a timeout of its own.
PROCESSES = 3

#: Forks a child for every round, so that Python and its modules are loaded only once. The parent
#: never opens a database: DuckDB does not survive a fork.
KILLING = """
import hashlib, json, shutil, time
from pathlib import Path
import duckdb
from alembic import autogenerate, command
from sqlalchemy import create_engine
from mixpanel_data.database import engines
from mixpanel_data.schema import alembic_operations, alembic_runner, versions
from mixpanel_data.dialect.driver.connection import Connection
from tests.databases import facts
from tests.revisions import config_with, go

base, folder, moments = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
config = config_with(folder / "versions", *json.loads(sys.argv[4]))
path = folder / "work.db"

def migrate():
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    go(engine, config, "head")
    engines.checkpoint(engine)
    engine.dispose()

def look():
    try:
        found = repr(sorted(facts(path).items()))
    except duckdb.Error as error:
        found = f"It does not open: {error}"
    (folder / "seen").write_text(hashlib.sha256(found.encode()).hexdigest() + found[:300])

def fork(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return pid

def seen():
    assert os.waitpid(fork(look), 0)[1] == 0
    return (folder / "seen").read_text()

def restore():
    for file in folder.glob("work.db*"):  # a log that was left behind belongs to another file
        file.unlink()
    shutil.copy(base, path)

def start():
    restore()
    return fork(migrate)

restore()
old = seen()
started = time.perf_counter()
assert os.waitpid(start(), 0)[1] == 0
duration = time.perf_counter() - started
new = seen()
assert old != new
for moment in moments:
    pid = start()
    time.sleep(duration * moment)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    outcome = seen()
    say({old: "old", new: "new"}.get(outcome, outcome))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kind", ["adoption", "rebuilding", "direct"])
def test_a_killed_migration_leaves_the_old_or_the_new_revision(
    kind: str, path: Path, tmp_path: Path
) -> None:
    if kind == "adoption":
        make_database("original", path)
    else:
        with StorageEngine(path) as storage:
            for number in range(5):
                storage.create_events_table(f"events_{number}", make_events(300), EVENTS)
    revisions = {"adoption": [], "rebuilding": [REBUILDING], "direct": [DIRECT]}[kind]
    base = tmp_path / "base.db"
    shutil.copy(path, base)
    moments = [number / ROUNDS for number in range(ROUNDS)]
    outcomes = []
    for start in range(0, ROUNDS, ROUNDS // PROCESSES):
        part = json.dumps(moments[start : start + ROUNDS // PROCESSES])
        outcomes += run_python(KILLING, base, tmp_path, part, json.dumps(revisions))
    assert len(outcomes) == ROUNDS
    assert set(outcomes) <= {"old", "new"}
    assert outcomes[0] == "old"
