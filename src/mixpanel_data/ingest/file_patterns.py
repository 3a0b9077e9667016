"""Files that match a pattern, also where links lead back to a folder above."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path
from typing import NoReturn

_ANY_DEPTH = "**"


def matches(pattern: str) -> Iterator[Path]:
    """Yield what matches a pattern, but nothing hidden. ``**`` is any number of folders.

    Args:
        pattern: As of :func:`glob.glob`. Each folder is looked into once, whatever leads to it.

    Raises:
        OSError: A folder below cannot be read.
    """
    parts = Path(pattern).parts
    if _ANY_DEPTH not in parts:
        # `Path.glob` would go into hidden folders.
        yield from map(Path, glob(pattern))  # noqa: PTH207
        return
    at = parts.index(_ANY_DEPTH)
    inner = Path(*parts[at + 1 :] or "*")
    seen: set[Path] = set()
    for root in filter(Path.is_dir, matches(str(Path(*parts[:at])))):
        for folder in _folders(root, seen):
            yield from matches(str(Path(escape(str(folder))) / inner))


def _folders(root: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield a folder and those in it at any depth, but for those that were seen."""
    for name, inner, _ in os.walk(root, onerror=_raise, followlinks=True):
        folder = Path(name)
        if (real := folder.resolve()) in seen:
            inner.clear()
            continue
        seen.add(real)
        # What a link leads to is called by its own name, if that is found as well.
        inner[:] = [each for each in inner if not each.startswith(".")]
        inner.sort(key=lambda each: ((folder / each).is_symlink(), each))
        yield folder


def _raise(error: OSError) -> NoReturn:
    raise error
