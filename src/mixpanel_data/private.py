"""Folders and files that only their user may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mixpanel_data.exceptions import DatabaseFileError


@contextmanager
def folder_of(path: Path) -> Iterator[None]:
    """Make the folders above a new file; when making the file fails, they go again.

    Raises:
        DatabaseFileError: They cannot be made.
    """
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
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
