"""Lakes for the cases, in the PostgreSQL that ``make bench-lake`` has started.

Everything is imported in the functions: the cases of other sections measure imports.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.case import Run

if TYPE_CHECKING:
    from mixpanel_data import Lake


def lacking() -> str | None:
    """Return what is missing for a lake, None when nothing is."""
    import duckdb
    from tests.lake import lakes

    from mixpanel_data import LakeExtensionError
    from mixpanel_data.dialect.lake.extensions import load_extension

    if lakes.PORT is None:
        return "no PostgreSQL was given. Run: make bench-lake"
    try:
        with duckdb.connect() as connection:
            for name in ("ducklake", "postgres_scanner"):
                load_extension(connection, name)
    except LakeExtensionError as error:
        return str(error).splitlines()[0]
    return None


def new_lake(folder: Path) -> Lake:
    """Return a lake that does not exist yet, whose files will be in a folder."""
    from tests.lake import lakes

    return lakes.lake_in(lakes.new_database(), folder)


def shared_lake(run: Run, name: str) -> Lake:
    """Return a lake that serves many runs, to be made."""
    made = new_lake(run.shared / name)
    _write_note(run, name, made.database, made.data_path)
    return made


def copy_lake(run: Run, name: str, shared_as: str | None = None) -> Lake:
    """Return a copy of a shared lake: the catalog is another one, in the same folder.

    Args:
        run: The run.
        name: Name of the shared lake.
        shared_as: Name of the copy, if that one is to be shared, too.
    """
    from tests.lake import lakes

    original, folder = json.loads(_note(run, name).read_text(encoding="utf-8"))
    copy = f"copy_{uuid4().hex}"
    lakes.server().sql(f"CREATE DATABASE {copy} TEMPLATE {original}")
    if shared_as is not None:
        _write_note(run, shared_as, copy, folder)
    return lakes.lake_in(copy, folder)


def bytes_of(folder: Path) -> int:
    """Return the size of the files of a lake."""
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def _note(run: Run, name: str) -> Path:
    return run.shared / f"{name}.json"


def _write_note(run: Run, name: str, database: str, folder: str) -> None:
    _note(run, name).write_text(json.dumps([database, folder]), encoding="utf-8")
