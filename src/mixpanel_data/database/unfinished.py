"""A folder in which a database or another file is made, before it takes its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from mixpanel_data.common import file_locks
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.forbidden import forbidden
from mixpanel_data.common.full_disks import full_disk
from mixpanel_data.exceptions import DatabaseFileError

#: Prefix of the folder in which a file is made. The process that makes it keeps it locked.
_UNFINISHED = ".{name}.part-"


@contextmanager
def unfinished_folder(target: Path) -> Iterator[Path]:
    """Make a private folder beside a file for the block; remove those of killed processes."""
    remove_unfinished(target)
    folder, descriptor = _locked_folder(_UNFINISHED.format(name=target.name), target.parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_unfinished(target: Path) -> None:
    """Remove what killed processes have left of files that were to get a path."""
    prefix = _UNFINISHED.format(name=target.name)
    for left in target.parent.iterdir():
        if left.name.startswith(prefix):
            _remove_stale(left)


@contextmanager
def appearing(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Provide a new private file, which gets its name when the block ends without an error.

    Raises:
        FileExistsError: There is a file of the name, and it is not to be replaced.
        OSError: It cannot be written.
    """
    with unfinished_folder(path) as folder:
        unfinished = folder / path.name
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                yield file
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            unfinished.replace(path)
        else:
            os.link(unfinished, path)


def _locked_folder(prefix: str, parent: Path) -> tuple[Path, int]:
    """Make a folder and lock it, so that no other process removes it as a stale one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError, FileLockedError), ExitStack() as undo:
            descriptor = _open_folder(folder)
            undo.callback(os.close, descriptor)
            file_locks.lock(descriptor, shared=False)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                undo.pop_all()
                return folder, descriptor


def _remove_stale(folder: Path) -> None:
    with suppress(OSError, FileLockedError), ExitStack() as stack:
        descriptor = _open_folder(folder)
        stack.callback(os.close, descriptor)
        if file_locks.lock(descriptor, shared=False):
            shutil.rmtree(folder)


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))


def sync(path: Path) -> None:
    """Flush a file or folder to disk (``fsync``), where the system supports it."""
    with suppress(PermissionError):  # Windows cannot open folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def copy_errors(target: Path) -> Iterator[None]:
    """Turn errors of the system while a copy is made into errors of this library.

    Raises:
        DatabaseFileError: The copy cannot be made.
        DiskFullError: There is no room for it.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, DatabaseFileError):
            raise
        if (full := full_disk(target, error, "The copy cannot be made.")) is not None:
            raise full from error
        if (ours := forbidden(target, error)) is not None:
            raise ours from error
        advice = "" if target.absolute().parent.is_dir() else " Make its folder first."
        problem = f"the copy cannot be made: {error.strerror}.{advice}"
        raise DatabaseFileError(target, problem) from error
