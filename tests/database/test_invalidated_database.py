"""After an error that DuckDB cannot undo, every method says that the database has stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mixpanel_data import EncryptionUnavailableError, StorageEngine
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX")

#: A checkpoint that cannot be written is such an error.
STOP = """
import json, resource
from pathlib import Path
from mixpanel_data import migrate

path, key = sys.argv[1], sys.argv[2] or None
export = Path(path).with_name("export.jsonl")
export.write_text('{"event":"A","properties":{"time":1,"distinct_id":"u","$insert_id":"1"}}')
storage = StorageEngine(path, encryption_key=key)
query = "SELECT 1"
calls = {
    "execute_rows": lambda: storage.execute_rows(query),
    "execute_df": lambda: storage.execute_df(query),
    "execute_scalar": lambda: storage.execute_scalar(query),
    "list_tables": lambda: storage.list_tables(),
    "table_exists": lambda: storage.table_exists("old"),
    "get_schema": lambda: storage.get_schema("old"),
    "get_metadata": lambda: storage.get_metadata("old"),
    "schema_revision": lambda: storage.schema_revision,
    "model": lambda: storage.model("old"),
    "create": lambda: storage.create_events_table("new", make_events(3), EVENTS),
    "append": lambda: storage.append_events_table("old", make_events(3), EVENTS),
    "load": lambda: storage.load_events_export("new", export, EVENTS),
    "drop_table": lambda: storage.drop_table("old"),
    "status": lambda: migrate.status(storage),
    "check": lambda: migrate.check(storage),
    "upgrade": lambda: migrate.upgrade(storage),
    "downgrade": lambda: migrate.downgrade(storage, "0001"),
}
storage.connection.execute("CREATE TABLE big AS SELECT range AS a FROM range(300000)")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
try:
    storage.connection.execute("FORCE CHECKPOINT")
except Exception as error:
    stopped = "invalidated" in str(error) or type(error).__name__ == "FatalException"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
found = {}
for name, call in calls.items():
    try:
        call()
        found[name] = "nothing"
    except Exception as error:
        found[name] = type(error).__name__
storage.close()
say(json.dumps([stopped, found]))
"""


@pytest.mark.parametrize("key", ["", "a key"])
def test_every_method_says_that_the_database_has_stopped(key: str, path: Path) -> None:
    try:
        StorageEngine(path, encryption_key=key or None).close()
    except EncryptionUnavailableError:
        pytest.skip("DuckDB cannot encrypt here")
    with StorageEngine(path, encryption_key=key or None) as storage:
        storage.create_events_table("old", make_events(3), EVENTS)
    with PythonProcess(STOP, path, key) as process:
        stopped, found = json.loads(process.read())
        process.wait()
    assert stopped
    assert found == dict.fromkeys(found, "DatabaseInvalidatedError")
    with StorageEngine(path, encryption_key=key or None) as storage:
        assert storage.list_tables()[0].row_count == 3
