"""The user's home folder in paths, as shells have it."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(given: str | os.PathLike[str]) -> Path:
    """Return a path with the ``~`` that its text begins with replaced by the user's home folder.

    What begins otherwise, such as ``./~``, is a name, and absolute then: it stays what it is when
    it is expanded again.

    Raises:
        RuntimeError: There is no such user.

    Example:
        >>> expanded("./~/a.db") == Path.cwd() / "~" / "a.db"
        True
    """
    text, path = os.fspath(given), Path(given)
    if text.startswith("~"):
        return path.expanduser()
    return path.absolute() if str(path).startswith("~") else path


def expanded_if_known(given: str | os.PathLike[str]) -> Path:
    """Return the same, or the path as it is if there is no such user."""
    try:
        return expanded(given)
    except RuntimeError:
        return Path(given)
