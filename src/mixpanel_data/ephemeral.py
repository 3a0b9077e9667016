"""Folders for databases that shall not outlive their process.

Every folder holds a file that its process keeps locked. The operating system lets go of the lock
when the process dies, however it dies, so whoever gets the lock knows that the owner is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from mixpanel_data.exceptions import DatabaseFileError

PREFIX = "mixpanel_data-"
LOCK_NAME = "owner.lock"
DATABASE_NAME = "ephemeral.db"

#: Signals that end a process without Python's own clean-up.
_DEADLY = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_live: set[EphemeralFolder] = set()


class EphemeralFolder:
    """A private folder under the system's temporary folder, for one database.

    It is removed by :meth:`remove`, when SIGTERM or SIGHUP ends the process (unless the application
    handles those itself), and, if the process was killed outright, when the next one is made.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        remove_orphans()
        # Under its final name the folder always has a locked file: only then may others judge it.
        try:
            made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
            self._lock = (made / LOCK_NAME).open("wb")
        except OSError as error:
            problem = f"no temporary database can be made here: {error.strerror}. Set TMPDIR."
            raise DatabaseFileError(Path(tempfile.gettempdir()), problem) from error
        _try_lock(self._lock)
        self.path = made.rename(made.with_name(made.name[1:]))
        self._pid = os.getpid()
        _live.add(self)
        _handle_signals()

    @property
    def database(self) -> Path:
        """The path for the database file."""
        return self.path / DATABASE_NAME

    def remove(self) -> None:
        """Remove the folder and all in it; a process forked from the owner's removes nothing."""
        if os.getpid() == self._pid:
            _remove(self.path)
        self._lock.close()
        _live.discard(self)


def remove_orphans() -> None:
    """Remove the folders of this user whose process is dead; leave all others alone."""
    if sys.platform == "win32":  # no lock to ask there
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or none of ours
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid():
                with (folder / LOCK_NAME).open("rb") as lock:
                    if _try_lock(lock):
                        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: while anything is left, the folder can be recognised."""
    with suppress(OSError):
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child, ignore_errors=True)
            elif child.name != LOCK_NAME:
                child.unlink(missing_ok=True)
        (folder / LOCK_NAME).unlink(missing_ok=True)
        folder.rmdir()


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
    """Take over the deadly signals that nobody handles yet; only the main thread may."""
    if threading.current_thread() is threading.main_thread():
        for number in _DEADLY:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _remove_and_die)


def _remove_and_die(number: int, frame: FrameType | None) -> None:
    for folder in list(_live):
        folder.remove()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
