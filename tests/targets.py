"""The kinds of databases that the fixture ``storage`` opens, and what a lake cannot do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mixpanel_data import StorageEngine
from tests.lake import lakes

TARGETS: dict[str, Callable[[Path], StorageEngine]] = {
    "memory": lambda folder: StorageEngine.memory(),
    "ephemeral": lambda folder: StorageEngine.ephemeral(),
    "file": lambda folder: StorageEngine(folder / "storage.db"),
}

#: With a lake where there is a PostgreSQL for it: ``python -m tests.lake tests/query``.
ALL_TARGETS = [*TARGETS, *(["lake"] if lakes.PORT is not None else [])]

#: What a lake lacks, with the reason. A test that needs it says so, ``@pytest.mark.needs("keys")``,
#: and has to fail over a lake.
LAKE_LACKS = {
    "backups": "A lake has no file to copy: its snapshots keep what was.",
    "checkpoint": "CHECKPOINT is DuckLake's maintenance, for which there is maintain().",
    "cursor": "connection.cursor() starts outside of the lake, until SQL says USE lake.",
    "keys": "None is checked. Reflection has the one that loads keep unique, in every table.",
    "loads without staging": "Rows are staged before the lock of their table is taken.",
    "one record of a table": "The metadata is a log: each load adds a row, which nobody changes.",
    "order of rows": "The files of an events table are sorted by time, and so are its rows.",
    "sequences": "A column of the application cannot count by itself.",
}


def open_target(target: str, folder: Path) -> AbstractContextManager[StorageEngine]:
    """Open a new database, or lend a lake without tables."""
    return lakes.lent_engine() if target == "lake" else TARGETS[target](folder)
