"""Names that no file can have."""

from __future__ import annotations

import os
from pathlib import Path


def problem_of(path: Path) -> str | None:
    r"""Return why no file can have a path, None where one can.

    Example:
        >>> problem_of(Path("a\0.csv"))
        'no file can have this name: embedded null byte.'
    """
    try:
        os.lstat(path)
    except OSError:
        return None
    except ValueError as error:
        return f"no file can have this name: {error}."
    return None
