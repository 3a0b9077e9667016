"""Copies of a database file, made while nobody has it open."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mixpanel_data import opening
from mixpanel_data.exceptions import DatabaseFileError
from mixpanel_data.types import Secret


@dataclass(frozen=True)
class Backup:
    """A copy of a database file.

    Attributes:
        path: The copy.
        original: The file.
        stamp: What tells that the file has not changed since.
    """

    path: Path
    original: Path
    stamp: tuple[int, ...]

    @classmethod
    def make(cls, original: Path, key: Secret | None) -> Backup:
        """Copy a file beside itself, under a name that is free: ``events.db.backup``, then ``-2``.

        The file is not open meanwhile, not even here: closing any handle of a file gives up the
        lock that DuckDB holds on it in this process. Only the user may read the copy, whoever may
        read the file.

        Args:
            original: A database file that nobody has open.
            key: Its key, None when it is not encrypted. The copy has the same one.

        Raises:
            DatabaseFileError: It cannot be opened or copied; the subclass says why.
        """
        # Opening and closing brings what the write-ahead log holds into the file.
        opening.open_database(original, read_only=False, config={}, key=key).close()
        stamp = _stamp(original)
        path = _free_name(original)
        unfinished = path.with_name(f"{path.name}.part")
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=0o600, exist_ok=False)  # private before anything is in it
            shutil.copyfile(original, unfinished)
            with unfinished.open("rb+") as copied:
                os.fsync(copied.fileno())
            unfinished.rename(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise DatabaseFileError(path, f"the copy cannot be made: {error.strerror}.") from error
        return cls(path, original, stamp)

    def require_unchanged(self) -> None:
        """Make sure that the file is what was copied; to be called when it is open again.

        Raises:
            DatabaseFileError: Somebody changed it in between.
        """
        if _stamp(self.original) != self.stamp:
            raise DatabaseFileError(
                self.original,
                f"another process changed it after it was copied to {self.path}. Nothing was "
                "migrated. Stop the other process and try again.",
            )


def _stamp(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return (about.st_ino, about.st_size, about.st_mtime_ns)


def _free_name(path: Path) -> Path:
    names = (f"{path.name}.backup{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(other for other in map(path.with_name, names) if not other.exists())
