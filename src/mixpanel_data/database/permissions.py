"""Folders and files that only their user may read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import duckdb

from mixpanel_data.common.sidecars import temporary_folder_of, wal_of
from mixpanel_data.exceptions import DatabaseFileError


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Make the folders above a new file; when making the file fails, they go again.

    Raises:
        DatabaseFileError: They cannot be made.
    """
    missing = [folder for folder in path.absolute().parents if not folder.is_dir()]
    try:
        _make(missing[::-1], path)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # not made, or no longer empty
                folder.rmdir()
        raise


def _make(folders: list[Path], path: Path) -> None:
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        problem = f"its folder cannot be made: {error.strerror}."
        raise DatabaseFileError(path, problem) from error


class SidecarFiles:
    """The log and the temporary files of a database, which DuckDB makes as the umask says.

    The umask is that of the whole process. But DuckDB goes on with an empty log that is there, and
    with a folder for temporary files, so both are made before DuckDB needs them.

    Args:
        file: The database file, links resolved.
        log: Whether there will be a log.
    """

    def __init__(self, file: Path, *, log: bool) -> None:
        self._file = file
        self._has_log = log
        self._log = wal_of(file)
        self._temporary = temporary_folder_of(file)
        self._make_log = partial(os.open, self._log, os.O_CREAT | os.O_EXCL, 0o600)
        self._make_temporary = partial(os.mkdir, self._temporary, 0o700)

    def keep_private(self) -> None:
        """Make what is missing and private what is not; DuckDB removes a log that it has used."""
        with suppress(OSError):  # DuckDB will say what is wrong
            _ensure(self._temporary, self._make_temporary)
            if self._has_log and (log := _ensure(self._log, self._make_log)) is not None:
                os.close(log)

    def remove(self) -> None:
        """Remove what is empty, when the database has been closed."""
        with suppress(OSError):
            self._temporary.rmdir()
        # DuckDB removes an empty log when it opens a file, and under its lock: nobody else uses it.
        with suppress(OSError, duckdb.Error):
            if self._has_log and self._file.exists() and self._log.stat().st_size == 0:
                duckdb.connect(str(self._file)).close()


def find_sidecar_files(path: Path, *, log: bool) -> SidecarFiles | None:
    """Return what has to be kept private beside a file, None for nothing.

    That is where the file is private, but others can enter its folder. On Windows, what is in a
    folder has the access rules of the folder.
    """
    file = path.resolve()
    others = file.parent.stat().st_mode & 0o011 and not file.stat().st_mode & 0o077
    return SidecarFiles(file, log=log) if others and sys.platform != "win32" else None


def _ensure(path: Path, make: Callable[[], int | None]) -> int | None:
    try:
        return make()
    except FileExistsError:
        mode = path.lstat().st_mode
        if mode & 0o077 and not stat.S_ISLNK(mode):
            path.chmod(mode & 0o700)
        return None
