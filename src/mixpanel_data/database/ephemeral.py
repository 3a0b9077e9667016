"""Folders for databases that are removed when their process ends.

Every folder contains a file that its process keeps locked. The operating system releases the lock
when the process dies, however it dies, so whoever gets the lock knows that the owner is gone.

A folder has a hidden name while it is created and while it is removed: one with the final name
always contains the file. A hidden folder without the file was either just created, or about to be
removed by a process that was killed. It cannot be told which, so it is removed, and a process that
has just created it creates another one.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from mixpanel_data.common.signals import DEADLY, ENDING, defer_signals
from mixpanel_data.exceptions import DatabaseFileError

PREFIX = "mixpanel_data-"
LOCK_NAME = "owner.lock"
DATABASE_NAME = "ephemeral.db"

#: How many new folders in a row may be removed as orphans before that is an error.
_ATTEMPTS = 100

_live: set[EphemeralFolder] = set()


class EphemeralFolder:
    """A private folder under the system's temporary folder, for one database.

    Made in a block of :func:`creation_guard`. It is removed by :meth:`remove`, when SIGTERM or
    SIGHUP ends the process (unless the application handles those signals), and, if the process was
    killed otherwise, when the next folder is made.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        remove_orphans()
        try:
            made = next(filter(None, (_make() for _ in range(_ATTEMPTS))), None)
        except OSError as error:
            raise _cannot_be_made(f"{error.strerror}.") from error
        if made is None:
            raise _cannot_be_made("whatever is made is removed at once.")
        self.path, self._lock = made
        self._pid = os.getpid()
        _live.add(self)

    @property
    def database(self) -> Path:
        """The path for the database file."""
        return self.path / DATABASE_NAME

    def remove(self) -> None:
        """Remove the folder with its contents; does nothing in a forked child of the owner."""
        with defer_signals(*DEADLY):
            if os.getpid() == self._pid:
                _remove(self.path)
            self._lock.close()
            _live.discard(self)


def creation_guard() -> AbstractContextManager[None]:
    """Defer signals until the end of the block; deadly ones remove the folders from now on."""
    _handle_signals()
    return defer_signals(signal.SIGINT, *DEADLY)


def remove_orphans() -> None:
    """Remove the folders of this user whose process is dead, and no others."""
    if sys.platform == "win32":  # which has no such locks
        return
    for pattern in (f"{PREFIX}*", f".{PREFIX}*"):
        for folder in Path(tempfile.gettempdir()).glob(pattern):
            with suppress(OSError):  # removed meanwhile, or not ours
                about = folder.lstat()
                if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid():
                    _remove_dead(folder)


def _remove_dead(folder: Path) -> None:
    """Remove a folder unless its owner is alive."""
    try:
        lock = (folder / LOCK_NAME).open("rb")
    except FileNotFoundError:
        if folder.name.startswith("."):
            folder.rmdir()  # fails unless it is empty
        return
    with lock:
        if _try_lock(lock):
            _remove(folder)


def _make() -> tuple[Path, BinaryIO] | None:
    """Make a folder with a locked file in it; return None if it was taken for an orphan."""
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    with ExitStack() as undo, suppress(FileNotFoundError):
        undo.callback(_remove, hidden)
        lock = undo.enter_context((hidden / LOCK_NAME).open("wb"))
        # Only a process with this lock removes the file, so if it exists now, it stays.
        if _try_lock(lock) and os.fstat(lock.fileno()).st_nlink:
            path = hidden.rename(hidden.with_name(hidden.name[1:]))
            undo.pop_all()
            return path, lock
    return None


def _remove(folder: Path) -> None:
    """Remove a folder, its lock file last: until then, the folder can be recognised."""
    hidden = folder.with_name(f".{folder.name.lstrip('.')}")
    with suppress(OSError):  # another thread removes it, or this one did before a signal came
        # From here on, a DuckDB that still runs can create no more files.
        folder.rename(hidden)
    with suppress(OSError):
        for child in hidden.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child, ignore_errors=True)
            elif child.name != LOCK_NAME:
                child.unlink(missing_ok=True)
        (hidden / LOCK_NAME).unlink(missing_ok=True)
        hidden.rmdir()


def _try_lock(file: BinaryIO) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _handle_signals() -> None:
    """Handle the deadly signals that have no handler yet; only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        for number in DEADLY:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _remove_and_die)


def _remove_and_die(number: int, frame: FrameType | None) -> None:
    for folder in list(_live):
        folder.remove()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


ENDING.add(_remove_and_die)


def _cannot_be_made(problem: str) -> DatabaseFileError:
    problem = f"no temporary database can be made here: {problem} Set TMPDIR."
    return DatabaseFileError(Path(tempfile.gettempdir()), problem)
