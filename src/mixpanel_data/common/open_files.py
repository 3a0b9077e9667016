"""A registry of the database files that this process has open, with a second lock on each.

DuckDB locks its file with POSIX record locks. Two rules of POSIX silently remove that lock:

- Closing *any* descriptor of a file releases all locks of the process on it. So the library never
  opens and closes a file that this process has open as a database: code that reads files calls
  :func:`require_no_database` first, and backups read through :func:`descriptor_of`.
- A child made by ``fork`` inherits DuckDB's table of open databases, but no lock. So a child may
  not open what its parent had open.

A file is identified by device and inode, so a link, a hard link and a relative path are the same
file. In addition to DuckDB's lock, there is one of :mod:`~mixpanel_data.common.file_locks`, on a
descriptor that stays open as long as the database. It excludes other processes that use this
library, but no other programs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mixpanel_data.common import file_locks
from mixpanel_data.common.database_files import (
    Key,
    NoFileError,
    descriptors,
    is_database,
    key_of,
    kind_at,
    path_of,
    require_magic,
    written_as,
)
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.forks import in_forked_children
from mixpanel_data.common.sidecars import file_of_wal, wal_of
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.exceptions import DatabaseFileError, DatabaseMovedError, StorageForkedError

#: For how many seconds, and how often, to try to lock a file that DuckDB has just created: another
#: process that has locked it will soon be refused by DuckDB.
_PATIENCE, _PAUSE = 2.0, 0.005


class _OpenFile:
    """A file that this process has open.

    Attributes:
        key: Its device and inode.
        path: Its path, links resolved.
        users: The number of leases. At 0, the entry stays until closing its descriptor releases
            no lock.
        descriptor: The library's own descriptor, or None.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.path = ""
        self.users = 0
        self.descriptor: int | None = None

    def open(self) -> int:
        """Return the descriptor, opened on first use."""
        if self.descriptor is None:
            self.descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        return self.descriptor

    def others(self) -> Iterator[int]:
        """Iterate over the other descriptors of the file."""
        return (fd for fd, key in descriptors() if key == self.key and fd != self.descriptor)


_files: dict[Key, _OpenFile] = {}
_lock = threading.RLock()
_pid = os.getpid()

#: The id of the parent process that had a file open when it forked, by key and by path.
_inherited: dict[Key, int] = {}


class Lease:
    """The registration of one open database, or of one connection to it.

    It is taken before DuckDB opens a file, confirmed afterwards, and released after DuckDB has
    closed it.

    Args:
        database: Path of the file, or the name of an in-memory database.
        read_only: Let other processes read at the same time.

    Raises:
        DatabaseMovedError: This process has the file open that was at the path before.
        FileLockedError: Another process has the file open, or this one under another name.
        StorageForkedError: The parent process had the file open when it forked this one.
    """

    def __init__(self, database: str, *, read_only: bool) -> None:
        self._database = database
        self._read_only = read_only
        self._file: _OpenFile | None = None
        key = key_of(database)
        self._require_not_inherited(key)
        self._require_not_replaced(key)
        if key is not None:
            self._enter(key)

    def require_database(self) -> None:
        """Make sure that DuckDB will open the file, if there is one, as the database that it is.

        By its ending, DuckDB opens a file of data (JSON, CSV, Parquet) as a database in memory with
        views of it, and one of SQLite with an extension that it downloads.

        Raises:
            ForeignFileError: The file is something else. An empty one may be a database that
                another process is about to create, and passes.
            NoFileError: It is a folder, a pipe or a device.
        """
        if (kind := kind_at(self._database)) is not None:
            raise NoFileError(self._database, kind)
        self._require_magic(or_nothing=True)

    def confirm(self) -> None:
        """Make sure that the lease is for the file that DuckDB opened, which may be a new one.

        Raises:
            FileLockedError: As above.
            ForeignFileError: What DuckDB opened is no database file.
            StorageForkedError: As above.
        """
        self._confirm_file()
        self._require_magic(or_nothing=False)

    def _require_magic(self, *, or_nothing: bool) -> None:
        with _lock:
            file = self._file
            if file is None or isinstance(file.key, str):
                return
            with suppress(OSError):  # DuckDB will raise an error
                require_magic(file.open(), file.path, or_nothing=or_nothing)

    def _confirm_file(self) -> None:
        key = key_of(self._database)
        if key is None or (self._file is not None and self._file.key == key):
            return None
        self.release()
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._enter(key)
            except FileLockedError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def release(self) -> None:
        """Release the file; calling it twice is fine. A lease of a parent process is kept."""
        with defer_keyboard_interrupt(), _lock:
            file, self._file = self._file, None
            if file is not None and _files.get(file.key) is file:
                file.users -= 1
                _sweep()

    def moved_to(self, path: Path) -> None:
        """Note that the file has another path now, and the one that was there has none."""
        with _lock:
            self._database, new = str(path), os.path.realpath(path)
            for file in _files.values():
                if file is self._file or file.path == new:
                    file.path = new if file is self._file else ""

    @property
    def others(self) -> int:
        """How many other leases of this process the file has."""
        with _lock:
            return 0 if self._file is None else self._file.users - 1

    def is_only_use(self) -> bool:
        """Tell whether nothing else of this process has the file open as a database."""
        with _lock:
            file = self._file
            return file is None or (file.users == 1 and not any(map(is_database, file.others())))

    def require_own(self) -> None:
        """Make sure that this process took the lease.

        Raises:
            StorageForkedError: Its parent took it.
        """
        if self._file is not None and (pid := _inherited.get(self._file.key)) is not None:
            raise StorageForkedError(pid)

    def require_in_place(self) -> None:
        """Make sure that the file is still at its path: what is written would be lost otherwise.

        Raises:
            DatabaseMovedError: It was removed, renamed or replaced.
        """
        if (file := self._file) is not None and key_of(file.path) != file.key:
            raise DatabaseMovedError(Path(self._database))

    def _require_not_replaced(self, key: Key | None) -> None:
        """Make sure that DuckDB, which goes by the path, does not return the file before it."""
        with _lock:
            known = {file.path: file.key for file in _files.values() if file.users}
        if known and known.get(os.path.realpath(self._database), key) != key:
            raise DatabaseMovedError(Path(self._database), to="open")

    def _require_not_inherited(self, key: Key | None) -> None:
        """Make sure that DuckDB does not return a database that a parent process has open."""
        if not _inherited:
            return
        path = os.path.realpath(self._database)
        pids = [_inherited.get(known) for known in (key, path) if known is not None]
        if (pid := next(filter(None, pids), None)) is not None:
            raise StorageForkedError(pid, None if isinstance(key, str) else Path(path))

    def _enter(self, key: Key) -> None:
        path = key if isinstance(key, str) else os.path.realpath(self._database)
        with defer_keyboard_interrupt(), _lock:
            file = _files.setdefault(key, _OpenFile(key))
            if file.users and file.path != path:
                raise FileLockedError(_pid)
            file.path = path
            if not file.users and isinstance(key, tuple):
                try:
                    self._lock(file)
                except BaseException:
                    _sweep()
                    raise
            file.users += 1
            self._file = file

    def _lock(self, file: _OpenFile) -> None:
        if any(written_as(fd) not in (None, file.path) for fd in file.others()):
            raise FileLockedError(_pid)  # under another name, without this library
        with suppress(OSError):  # DuckDB will raise an error
            file_locks.lock(file.open(), shared=self._read_only)


def descriptor_of(path: Path) -> int:
    """Return a descriptor for reading an open database file, which must never be closed.

    Args:
        path: The path of a file that has a lease, also where another file is there now.
    """
    named = os.path.realpath(path)
    with _lock:
        return next(file for file in _files.values() if file.users and file.path == named).open()


def is_open(path: Path) -> bool:
    """Tell whether this process has a file open as a database or its WAL, under any name."""
    return bool(open_among([path]))


def open_among(paths: Iterable[Path]) -> set[Path]:
    """Return the files that this process has open as a database or its WAL, under any name."""
    keys = {path: key for path in paths if (key := key_of(str(path))) is not None}
    if not keys:
        return set()
    with _lock:
        ours = [file for file in _files.values() if file.users]
    asked = {*keys.values()}
    found = {key for file in ours for key in (file.key, key_of(str(wal_of(file.path))))}
    found |= {other for fd, other in descriptors() if other in asked and is_database(fd)}
    return {path for path, key in keys.items() if key in found}


def is_database_or_wal(path: Path) -> bool:
    """Tell whether a file is a database of whomever, or has the name of the WAL of one."""
    if is_open(path):
        return True  # reading it would take DuckDB's lock off it
    for file in {path, file_of_wal(path) or path}:
        with suppress(OSError):
            if is_open(file):
                return True
            if key_of(str(file)) is not None:
                with file.open("rb") as opened:
                    if is_database(opened.fileno()):
                        return True
    return False


def require_no_database(path: Path) -> None:
    """Make sure that a file may be opened and closed.

    Raises:
        DatabaseFileError: It is a database that is open in this process.
    """
    if is_open(path):
        raise DatabaseFileError(
            path,
            "a database that is open in this process, or its log. Nothing was read: that would "
            "take DuckDB's lock off it. Check the path.",
        )


def _sweep() -> None:
    """Forget files without leases, unless closing our descriptor would release DuckDB's lock."""
    for file in [file for file in _files.values() if not file.users]:
        if file.descriptor is not None:
            file_locks.unlock(file.descriptor)
            if any(file.others()):
                continue
            os.close(file.descriptor)
        del _files[file.key]


def _after_fork() -> None:
    """Record what the parent has open, and close our descriptors of it, which unlocks nothing."""
    global _lock, _pid
    _lock = threading.RLock()
    parent, _pid = _pid, os.getpid()
    ours: set[Key | None] = set()
    for file in _files.values():
        if file.users:
            ours.update({file.key, key_of(str(wal_of(file.path)))})
            _inherited.update({file.key: parent, file.path: parent})
        if file.descriptor is not None:
            os.close(file.descriptor)
    _files.clear()
    for fd, key in list(descriptors()):
        if is_database(fd):  # also one opened without this library
            _inherited.setdefault(key, parent)
            with suppress(OSError):
                _inherited.setdefault(path_of(fd), parent)
        if key in ours:
            _shut(fd)


def _shut(fd: int) -> None:
    """Redirect a descriptor to the null device: a kept DuckDB connection could write with it."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, fd, inheritable=False)
    os.close(nowhere)


in_forked_children(_after_fork)
