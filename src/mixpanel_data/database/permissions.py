"""Folders and files that only their owner may read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import duckdb

from mixpanel_data.common.forbidden import forbidden
from mixpanel_data.common.sidecars import temporary_folder_of, wal_of
from mixpanel_data.exceptions import DatabaseFileError


@contextmanager
def private_folder(path: Path) -> Iterator[None]:
    """Create the parent folders of a new file; if the block fails, remove them again.

    Raises:
        DatabaseFileError: They cannot be created.
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
        if (ours := forbidden(path, error)) is not None:
            raise ours from error
        problem = f"its folder cannot be made: {error.strerror}."
        raise DatabaseFileError(path, problem) from error


class SidecarFiles:
    """The WAL and the temporary files of a database, kept private.

    DuckDB creates them with the umask, which belongs to the whole process. But it uses an existing
    empty WAL and folder for temporary files, so both are created before DuckDB needs them.

    Args:
        file: The database file, links resolved.
        log: Whether there will be a WAL.
    """

    def __init__(self, file: Path, *, log: bool) -> None:
        self._file = file
        self._has_log = log
        self._log = wal_of(file)
        self._temporary = temporary_folder_of(file)
        self._make_log = partial(os.open, self._log, os.O_CREAT | os.O_EXCL, 0o600)
        self._make_temporary = partial(os.mkdir, self._temporary, 0o700)

    def keep_private(self) -> None:
        """Create what is missing (DuckDB removes a WAL after use), and make it all private."""
        with suppress(OSError):  # DuckDB will raise an error
            _ensure(self._temporary, self._make_temporary)
            if self._has_log and (log := _ensure(self._log, self._make_log)) is not None:
                os.close(log)

    def remove(self) -> None:
        """Remove what is empty, after the database was closed."""
        with suppress(OSError):
            self._temporary.rmdir()
        # DuckDB removes an empty WAL when it opens a file, safely because it holds its lock.
        with suppress(OSError, duckdb.Error):
            if self._has_log and self._file.exists() and self._log.stat().st_size == 0:
                duckdb.connect(str(self._file)).close()


def find_sidecar_files(path: Path, *, log: bool) -> SidecarFiles | None:
    """Return the files beside a database to keep private, None if there is no need.

    There is if the file is private, but others can enter its folder. On Windows, files inherit the
    access rules of their folder.
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
