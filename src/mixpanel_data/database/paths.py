"""Paths of database files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mixpanel_data.common.forbidden import forbidden
from mixpanel_data.common.homes import expanded
from mixpanel_data.common.printable import printable
from mixpanel_data.exceptions import DatabaseFileError

#: DuckDB's name for a database without a file.
MEMORY = ":memory:"

#: How a URL begins, as text or as the path that ``Path`` makes of it. ``C:/`` is none.
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|duckdb(?:\+\w+)?:/", re.IGNORECASE)


def exists(path: Path) -> bool:
    """Tell whether there is a file at a path.

    Raises:
        DatabasePermissionError: A folder on the way may not be entered.
        DatabaseFileError: There can be none: the path is too long, for instance, or not UTF-8.
    """
    try:
        str(path).encode()  # DuckDB accepts UTF-8 only
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except UnicodeEncodeError as error:
        problem = "is not valid UTF-8, which DuckDB needs. Rename it."
        raise DatabaseFileError(printable(str(path)), problem) from error
    except (OSError, ValueError) as error:
        if (ours := forbidden(path, error)) is not None:
            raise ours from error
        raise DatabaseFileError(path, f"cannot be the path of a database: {error}.") from error
    return True


def _without_userinfo(url: str) -> str:
    return re.sub(r"//[^/]*@", "//", url)


def path_of(text: str | os.PathLike[str], example: str = "events.db") -> Path:
    """Return a path with its ``~`` replaced by the user's home folder.

    Args:
        text: The path.
        example: The name of such a file, for the message about an empty one.

    Raises:
        TypeError: It is neither a text nor a path.
        ValueError: It is empty, or a URL.
        DatabaseFileError: There is no such user, or no working directory that it begins in.
    """
    given = os.fspath(text) if isinstance(text, os.PathLike) else text
    if not isinstance(given, str):
        raise TypeError(f"A path is a str or a Path of a file, not {type(text).__name__}.")
    if not given:
        raise ValueError(f"The path is empty. Name a file, such as {example!r}.")
    if _URL.match(given):
        raise ValueError(
            f"{_without_userinfo(given)!r} is a URL, and a path is needed. Use the path of the "
            "file alone; sqlalchemy.create_engine() takes duckdb+mixpanel:///PATH."
        )
    try:
        path = expanded(given)
        path.absolute()
    except RuntimeError as error:
        raise DatabaseFileError(
            given, f"is no path: {str(error).rstrip('.')}. For a name with ~, write ./~."
        ) from error
    except FileNotFoundError as error:
        problem = "begins in the working directory, which was removed. Use an absolute path."
        raise DatabaseFileError(given, problem) from error
    return path
