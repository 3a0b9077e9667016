"""What may lie beside a database file: left by a process that was killed, or put there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import duckdb

from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.exceptions import DatabaseLinkError, DatabaseWalError

_LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
_TEMPORARY = ".tmp"


def reject_orphaned_wal(path: Path) -> None:
    """Raise when there is a write-ahead log without its database: DuckDB would throw it away.

    Raises:
        DatabaseWalError: There is one, and it is not empty.
    """
    log = wal_of(path)
    # In this order: a process that is making both at this moment makes the database first.
    if log.is_file() and log.stat().st_size and not path.exists():
        raise DatabaseWalError(path, log, "nothing yet; the database file is missing.")


def reject_links(path: Path) -> None:
    """Raise when DuckDB would write somewhere else than beside a database.

    Args:
        path: The database file. It may be a link itself, and need not be there.

    Raises:
        DatabaseLinkError: There is a link, or anything else but a file of one name.
    """
    file = path.resolve()
    for ending in (*_LOGS, _TEMPORARY):
        beside = Path(f"{file}{ending}")
        try:
            found = beside.lstat()
        except OSError:  # there is none, nor can there be where the name would be too long
            continue
        if kind := _kind_of(found, is_log=ending in _LOGS):
            raise DatabaseLinkError(beside, kind)


def _kind_of(found: os.stat_result, *, is_log: bool) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        return "a symbolic link"
    if is_log and not stat.S_ISREG(found.st_mode):
        return "no file"
    return "a hard link to another file" if is_log and found.st_nlink > 1 else None


def remove_stale_temp_files(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Remove temporary files of a database whose process was killed.

    DuckDB would leave them, and the rows in them, until it needs temporary files again.

    Args:
        cursor: A connection to the database, open for writing: nobody else has it open, so they
            are dead or our own.
        path: Its file, links resolved.
    """
    folder = path.with_name(f"{path.name}{_TEMPORARY}")
    if folder.is_symlink() or not folder.is_dir():
        return
    found = [file for file in folder.glob("duckdb_temp_*") if file.is_file()]
    in_use = cursor.execute("SELECT 1 FROM system.main.duckdb_temporary_files()").fetchone()
    if found and in_use is None:
        with suppress(OSError):
            for file in found:
                if not file.name.startswith(f"duckdb_temp_{os.getpid()}_"):
                    file.unlink()
            folder.rmdir()
