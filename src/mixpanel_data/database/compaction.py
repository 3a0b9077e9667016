"""Compacts an open database: closes it, has its file written anew, and opens it again."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from mixpanel_data.common.open_files import Lease
from mixpanel_data.database import rewriting
from mixpanel_data.database.instance import Instance
from mixpanel_data.database.paths import MEMORY
from mixpanel_data.exceptions import (
    CompactionError,
    DatabaseInUseError,
    DatabaseReadOnlyError,
    DiskFullError,
    LakeError,
    QueryError,
)
from mixpanel_data.types import CompactionResult

#: The databases that are attached to this one.
_ATTACHED = """
    SELECT database_name FROM system.main.duckdb_databases()
    WHERE NOT internal AND database_name <> system.main.current_database()
"""

#: What decides which versions of DuckDB can read the file, and the size of its blocks.
_FORMAT = """
    SELECT tags, block_size
    FROM system.main.duckdb_databases() JOIN system.main.pragma_database_size()
        USING (database_name)
    WHERE database_name = system.main.current_database()
"""

#: Settings under which no other file can be opened.
_CONFINING = {
    *("access_mode", "allowed_directories", "allowed_paths", "enable_external_access"),
    "lock_configuration",
}

_OTHERS = "another engine or connection of this process has it open, too. Close that."


def compact(instance: Instance) -> CompactionResult:
    """Write the file anew, without what was deleted, and put it in the place of the old one.

    Meanwhile the database is closed, and other threads wait. ``instance.raw`` is a new connection
    afterwards.

    Args:
        instance: The open database.

    Raises:
        CompactionError: There is no file, or DuckDB cannot copy something in it.
        DatabaseInUseError: Something of this process uses it.
        DatabaseFileError: It cannot be closed, copied or opened again.
    """
    file = _file_of(instance)
    with instance.replacing(), ExitStack() as leases:
        instance.require_open()
        with instance.guard.writing("", adds_rows=False):
            pass  # raises where the file is not the one that was opened
        rewriting.require_own_name(file)
        lease = Lease(str(file), read_only=False)
        leases.callback(lease.release)
        try:
            _require_unused(instance, file, lease)
        except DiskFullError:  # after which DuckDB refuses to go on
            with instance.closed(file, lease):
                raise
        before = file.stat().st_size
        settings = _settings_of_copy(instance)
        with instance.closed(file, lease):
            new = rewriting.rewrite(file, key=instance.options.key, config=settings)
            leases.callback(new.release)
        return CompactionResult(before, file.stat().st_size)


def _file_of(instance: Instance) -> Path:
    """Return the file of a database, links resolved, or raise where it cannot be compacted."""
    instance.require_open()
    target = instance.target
    if target.is_shared:
        raise LakeError(
            str(target.name),
            "has no file of its own to compact. maintain() deletes what nobody needs.",
        )
    if instance.file is None:
        problem = "it is in memory. backup(path) writes what is in it to a file."
        raise CompactionError(Path(MEMORY), problem)
    if instance.options.read_only:
        raise DatabaseReadOnlyError(target.name)
    return instance.file


def _require_unused(instance: Instance, file: Path, lease: Lease) -> None:
    """Write everything into the file, and raise if something would be lost by closing it."""
    if lease.others > 1:
        raise DatabaseInUseError(file, _OTHERS)
    if instance.count_open():
        gc.collect()  # results that nobody refers to any more
    if count := instance.count_open():
        raise DatabaseInUseError(
            file,
            f"{count} of its connections are open. Close its sessions and the connections of its "
            "SQLAlchemy engine.",
        )
    if attached := [name for (name,) in instance.ask(_ATTACHED)]:
        raise DatabaseInUseError(file, f"{', '.join(attached)} is attached to it. DETACH it.")
    try:
        instance.ask("CHECKPOINT")
    except QueryError as error:
        if not isinstance(error.__cause__, duckdb.TransactionException):
            raise
        raise DatabaseInUseError(file, f"{error.message}. Commit or roll back.") from error


def _settings_of_copy(instance: Instance) -> dict[str, Any]:
    """Return DuckDB's settings for a database in the same format and within the same limits."""
    ((tags, block_size),) = instance.ask(_FORMAT)
    version = tags.get("storage_version", "").rstrip("+")
    resources = instance.resources()
    form = {"default_block_size": block_size, "storage_compatibility_version": version}
    return {
        **{k: v for k, v in instance.options.config.items() if k.lower() not in _CONFINING},
        **{name: value for name, value in form.items() if value},
        "threads": resources.threads,
        "memory_limit": f"{resources.memory}B",
    }
