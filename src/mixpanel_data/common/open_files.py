"""The database files that this process has open, and a second lock on each.

DuckDB locks its file with POSIX record locks. Two rules of POSIX make that lock fall silently:

- Closing *any* descriptor of a file takes all locks of the process off it. So nothing of the
  library opens and closes a file that is open here as a database: who reads files asks
  :func:`require_no_database` first, and copies are read through :func:`descriptor_of`.
- A child made by ``fork`` inherits DuckDB's table of open databases, but no lock. So a child may
  not open what its parent had open.

Files are known by device and inode, so a link, a hard link and a relative path are the same file.
Behind DuckDB's lock stands one of :mod:`~mixpanel_data.common.file_locks`, on a descriptor that
stays open as long as the database. It keeps other processes of this library out, and nobody else.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mixpanel_data.common import file_locks
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.forks import in_forked_children
from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.exceptions import DatabaseFileError, StorageForkedError

#: A file is known by device and inode, a database in memory by its name.
Key = tuple[int, int] | str

_MEMORY = ":memory:"

#: What DuckDB writes into a database file, an encrypted one too, and where.
_MAGIC, _MAGIC_AT = b"DUCK", 8

#: What DuckDB allows before the path of a file.
_PREFIX = re.compile(r"duckdb:|file:(//localhost(?=/)|//(?=/))?", re.IGNORECASE)

#: The descriptors of this process, on Linux.
_DESCRIPTORS = Path("/proc/self/fd")

#: For how many seconds, and how often, a lock is asked for on a file that DuckDB has just created:
#: whoever else has it is about to be refused by DuckDB.
_PATIENCE, _PAUSE = 2.0, 0.005


class _OpenFile:
    """A file that this process has open.

    Attributes:
        key: Its device and inode.
        path: Its path, links resolved.
        users: How many leases there are. Without any, the entry waits until closing its descriptor
            takes no lock away.
        descriptor: A descriptor of ours, None for none.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.path = ""
        self.users = 0
        self.descriptor: int | None = None

    def open(self) -> int:
        """Return the descriptor."""
        if self.descriptor is None:
            self.descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        return self.descriptor

    def others(self) -> Iterator[int]:
        """Iterate over the descriptors of the file that are not ours."""
        return (fd for fd, key in _descriptors() if key == self.key and fd != self.descriptor)


_files: dict[Key, _OpenFile] = {}
_lock = threading.RLock()
_pid = os.getpid()

#: What a parent of this process had open when it forked, by key and by path: its process.
_inherited: dict[Key, int] = {}


class Lease:
    """The part that one open database, or one connection to it, has in the registry.

    It is taken before DuckDB opens a file, confirmed afterwards, and released when DuckDB has
    closed it.

    Args:
        database: Path of the file, or the name of a database in memory.
        read_only: Let others read at the same time.

    Raises:
        FileLockedError: Another process has the file open, or this one by another name.
        StorageForkedError: The parent of this process had it open.
    """

    def __init__(self, database: str, *, read_only: bool) -> None:
        self._database = database
        self._read_only = read_only
        self._file: _OpenFile | None = None
        key = key_of(database)
        self._require_not_inherited(key)
        if key is not None:
            self._enter(key)

    def confirm(self) -> None:
        """Make sure that the lease is of the file that DuckDB has opened: it may be a new one.

        Raises:
            FileLockedError: As above.
            StorageForkedError: As above.
        """
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
        """Let go of the file; twice is fine, and what a parent has taken is left alone."""
        with defer_keyboard_interrupt(), _lock:
            file, self._file = self._file, None
            if file is not None and _files.get(file.key) is file:
                file.users -= 1
                _sweep()

    def require_own(self) -> None:
        """Make sure that this process has taken the lease.

        Raises:
            StorageForkedError: Its parent did.
        """
        if self._file is not None and (pid := _inherited.get(self._file.key)) is not None:
            raise StorageForkedError(pid)

    def _require_not_inherited(self, key: Key | None) -> None:
        """Make sure that DuckDB does not give us what it has open for a parent."""
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
        if any(_written_as(fd) not in (None, file.path) for fd in file.others()):
            raise FileLockedError(_pid)  # by another name, with DuckDB alone
        with suppress(OSError):  # DuckDB will say what is wrong
            file_locks.lock(file.open(), shared=self._read_only)


def descriptor_of(path: Path) -> int:
    """Return a descriptor to read an open database file through, which is never to be closed.

    Args:
        path: A file that has a lease.
    """
    with _lock:
        return _files[key_of(str(path)) or ""].open()


def is_open(path: Path) -> bool:
    """Tell whether a file is open here as a database, by whatever name, or is the log of one."""
    key = key_of(str(path))
    if key is None:
        return False
    with _lock:
        ours = [file for file in _files.values() if file.users]
    return any(key in (file.key, key_of(str(wal_of(file.path)))) for file in ours) or any(
        other == key and _is_database(fd) for fd, other in _descriptors()
    )


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


def key_of(database: str) -> Key | None:
    """Return what a database is known by, None when there is no such file yet."""
    if database.startswith(_MEMORY):
        return database
    try:
        about = os.stat(database)  # noqa: PTH116 (no Path: DuckDB's texts are not all paths)
    except (OSError, ValueError):
        return None
    return (about.st_dev, about.st_ino) if stat.S_ISREG(about.st_mode) else None


def plain_path(database: str) -> str:
    """Return a database's name without what DuckDB allows before a path: ``duckdb:``, ``file:``.

    DuckDB would take the same file by such a name for another database, and open it twice.
    """
    while (found := _PREFIX.match(database)) is not None:
        database = database[found.end() :]
    return database


def _sweep() -> None:
    """Forget the files without leases, but for those whose lock would fall with our descriptor."""
    for file in [file for file in _files.values() if not file.users]:
        if file.descriptor is not None:
            file_locks.unlock(file.descriptor)
            if any(file.others()):
                continue
            os.close(file.descriptor)
        del _files[file.key]


def _descriptors() -> Iterator[tuple[int, Key]]:
    """Iterate over the descriptors of regular files of this process, on Linux."""
    try:
        found = [int(link.name) for link in _DESCRIPTORS.iterdir()]
    except OSError:
        return
    for fd in found:
        with suppress(OSError):  # closed meanwhile
            about = os.fstat(fd)
            if stat.S_ISREG(about.st_mode):
                yield fd, (about.st_dev, about.st_ino)


def _is_database(fd: int) -> bool:
    """Tell whether a descriptor is one of a DuckDB file, by reading it in its place."""
    try:
        return os.pread(fd, len(_MAGIC), _MAGIC_AT) == _MAGIC
    except OSError:  # open for writing only
        return False


def _written_as(fd: int) -> str | None:
    """Return the path of a database with a descriptor for writing, None for other descriptors."""
    import fcntl

    try:
        may_write = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        return _path_of(fd) if may_write and _is_database(fd) else None
    except OSError:  # closed meanwhile
        return None


def _path_of(fd: int) -> str:
    return str((_DESCRIPTORS / str(fd)).readlink())


def _after_fork() -> None:
    """Note what the parent has open, and close our descriptors of it, which unlocks nothing."""
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
    for fd, key in list(_descriptors()):
        if _is_database(fd):  # also what was opened with DuckDB alone
            _inherited.setdefault(key, parent)
            with suppress(OSError):
                _inherited.setdefault(_path_of(fd), parent)
        if key in ours:
            _shut(fd)


def _shut(fd: int) -> None:
    """Let a descriptor lead nowhere: a connection of DuckDB that was kept could write with it."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, fd, inheritable=False)
    os.close(nowhere)


in_forked_children(_after_fork)
