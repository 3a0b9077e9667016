"""What a database file is, among the files at paths and behind descriptors of this process."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: The identity of a database: device and inode of a file, or the name of an in-memory database.
Key = tuple[int, int] | str

_MEMORY = ":memory:"

#: DuckDB's magic bytes in a database file, also in an encrypted one, and their position.
_MAGIC, _MAGIC_AT = b"DUCK", 8

#: Prefixes that DuckDB allows before the path of a file.
_PREFIX = re.compile(r"duckdb:|file:(//localhost(?=/)|//(?=/))?", re.IGNORECASE)

#: The descriptors of this process, on Linux.
_DESCRIPTORS = Path("/proc/self/fd")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class ForeignFileError(Exception):
    """The file is no DuckDB database; the message is DuckDB's."""

    def __init__(self, path: str) -> None:
        super().__init__(f'The file "{path}" exists, but it is not a valid DuckDB database file!')


class NoFileError(Exception):
    """What is at the path is no file: DuckDB would wait for ever for what comes out of a pipe.

    Attributes:
        problem: What it is, and what to do.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.problem = f"{kind}, and a database is a file. Nothing was opened. Check the path."
        super().__init__(f"{path}: {self.problem}")


def key_of(database: str) -> Key | None:
    """Return the identity of a database, None if there is no such file yet."""
    if database.startswith(_MEMORY):
        return database
    try:
        about = os.stat(database)  # noqa: PTH116 (no Path: DuckDB's texts are not all paths)
    except (OSError, ValueError):
        return None
    return (about.st_dev, about.st_ino) if stat.S_ISREG(about.st_mode) else None


def kind_at(database: str) -> str | None:
    """Return what is at a path, None if that is a file or nothing."""
    if database.startswith(_MEMORY):
        return None
    try:
        mode = os.stat(database).st_mode  # noqa: PTH116 (as above)
    except (OSError, ValueError):
        return None
    return next((kind for is_one, kind in _KINDS if is_one(mode)), None)


def plain_path(database: str) -> str:
    """Return a database's name without the prefixes that DuckDB allows: ``duckdb:``, ``file:``.

    DuckDB would treat the same file with such a prefix as another database, and open it twice.
    """
    while (found := _PREFIX.match(database)) is not None:
        database = database[found.end() :]
    return database


def descriptors() -> Iterator[tuple[int, Key]]:
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


def is_database(fd: int) -> bool:
    """Tell whether a descriptor is one of a DuckDB file, by reading its magic bytes."""
    try:
        return _has_magic(fd, or_nothing=False)
    except OSError:  # open for writing only
        return False


def require_magic(fd: int, path: str, *, or_nothing: bool) -> None:
    """Make sure that a file is a database.

    Args:
        fd: A descriptor of it.
        path: What the error calls it.
        or_nothing: An empty file will do.

    Raises:
        ForeignFileError: It is something else.
        OSError: It cannot be read.
    """
    if not _has_magic(fd, or_nothing=or_nothing):
        raise ForeignFileError(path)


def _has_magic(fd: int, *, or_nothing: bool) -> bool:
    found = os.pread(fd, _MAGIC_AT + len(_MAGIC), 0)
    return found[_MAGIC_AT:] == _MAGIC or (or_nothing and not found)


def written_as(fd: int) -> str | None:
    """Return the path of a database that is open for writing, None for other descriptors."""
    import fcntl

    try:
        may_write = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        return path_of(fd) if may_write and is_database(fd) else None
    except OSError:  # closed meanwhile
        return None


def path_of(fd: int) -> str:
    """Return the path of a descriptor, on Linux."""
    return str((_DESCRIPTORS / str(fd)).readlink())
