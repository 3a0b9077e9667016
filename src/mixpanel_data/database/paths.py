"""Paths of database files."""

from __future__ import annotations

import os
from pathlib import Path

from mixpanel_data.exceptions import DatabaseFileError

#: DuckDB's name for a database without a file.
MEMORY = ":memory:"


def exists(path: Path) -> bool:
    """Tell whether there is a file at a path.

    Raises:
        DatabaseFileError: There can be none: the path is too long, for instance, or not UTF-8.
    """
    try:
        str(path).encode()  # DuckDB accepts UTF-8 only
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise DatabaseFileError(path, f"cannot be the path of a database: {error}.") from error
    return True


def path_of(text: str | os.PathLike[str]) -> Path:
    """Return a path with its ``~`` replaced by the user's home folder.

    Raises:
        DatabaseFileError: There is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DatabaseFileError(Path(text), f"cannot be the path of a database: {error}") from error
