"""Checks of a database after a fault."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mixpanel_data import StorageEngine
from tests.processes import PythonProcess

#: The tables by name, with all their rows.
Contents = dict[str, list[tuple[Any, ...]]]

INTERNAL = {"_metadata", "_mixpanel_data_version", "_property_columns", "_stale_columns"}


def contents_of(storage: StorageEngine) -> Contents:
    """Return what is in an open database, which has to be sound."""
    tables = storage.list_tables()
    found: Contents = {}
    for table in tables:
        found[table.name] = storage.execute_rows(f'SELECT * FROM "{table.name}" ORDER BY ALL')
        assert len(found[table.name]) == table.row_count
        keys = storage.execute_rows(
            f'SELECT {"insert_id" if table.type == "events" else "distinct_id"} FROM "{table.name}"'
        )
        assert len(set(keys)) == len(keys)
        assert storage.get_metadata(table.name).type == table.type
    in_catalog = storage.execute_rows(
        "SELECT table_name FROM duckdb_tables() UNION ALL "
        "SELECT view_name FROM duckdb_views() WHERE NOT internal UNION ALL "
        "SELECT function_name FROM duckdb_functions() WHERE NOT internal"
    )
    assert {name for (name,) in in_catalog} - INTERNAL == set(found)
    if storage.schema_revision is not None:
        assert storage.execute_scalar("SELECT count(*) FROM _metadata") == len(found)
    return found


def reopened(path: Path) -> Contents:
    """Open a database that somebody broke, and return what is in it.

    It has to be sound, to take new rows, and to leave nothing beside its file.
    """
    with StorageEngine(path) as storage:
        found = contents_of(storage)
        storage.execute_rows("CREATE TABLE probe AS SELECT 42 AS answer")
        storage.execute_rows("DROP TABLE probe")
    assert list(path.parent.iterdir()) == [path]
    return found


LOOKING = """
import hashlib
from pathlib import Path
from tests.faults.aftermath import contents_of, digest
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            with StorageEngine(line.rstrip("\\n")) as storage:
                said = digest(contents_of(storage))
        except MixpanelDataError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(1, said.replace("\\n", " ").encode() + b"\\n")
        os._exit(0)
    say("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Looker(PythonProcess):
    """A process that looks at databases in children of its own, which DuckDB may crash."""

    def __init__(self) -> None:
        super().__init__(LOOKING)

    def look(self, path: Path) -> str:
        """Return the digest of what is in a database, or the name and message of our error."""
        self.write(str(path))
        said, status = self.read(), self.read()
        assert status == "status 0", self.errors()
        return said


def digest(contents: Contents) -> str:
    """Return what tells one contents from another."""
    return hashlib.sha256(repr(contents).encode()).hexdigest()
