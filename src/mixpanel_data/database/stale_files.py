"""Files beside a database that a killed process left, or that somebody put there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import duckdb

from mixpanel_data.common.sidecars import beside, temporary_folder_of, wal_of
from mixpanel_data.exceptions import DatabaseLinkError, DatabaseWalError

_LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
_TEMPORARY = ".tmp"


def reject_orphaned_wal(path: Path) -> None:
    """Raise if there is a WAL without its database, because DuckDB would delete it.

    Raises:
        DatabaseWalError: There is one, and it is not empty.
    """
    log = wal_of(path)
    # In this order: a process that is creating both creates the database first.
    if log.is_file() and log.stat().st_size and not path.exists():
        raise DatabaseWalError(path, log, "nothing yet; the database file is missing.")


def reject_links(path: Path) -> None:
    """Raise if DuckDB would follow a link beside a database and write somewhere else.

    Args:
        path: The database file. It may be a link itself, and need not exist.

    Raises:
        DatabaseLinkError: There is a link, or anything else but a file with one name.
    """
    file = path.resolve()
    for ending in (*_LOGS, _TEMPORARY):
        other = beside(file, ending)
        try:
            found = other.lstat()
        except OSError:  # there is none, or its name would be too long
            continue
        if kind := _kind_of(found, is_log=ending in _LOGS):
            raise DatabaseLinkError(other, kind)


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
        cursor: A connection to the database, open for writing: no other process has it open, so
            the files are stale or our own.
        path: Its file, links resolved.
    """
    folder = temporary_folder_of(path)
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
