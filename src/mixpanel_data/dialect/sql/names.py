"""Which names DuckDB takes for the same."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase, ascii_uppercase

# DuckDB ignores the case of ASCII letters in names, and of no others: "Ä" and "ä" are two tables.
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(name: str) -> str:
    """Return a form of a name that is the same for all names that DuckDB takes for the same."""
    return str(name).translate(_FOLD)


def spell(name: str, names: Collection[str]) -> str:
    """Return the one of the names that is the same name to DuckDB."""
    return next(other for other in names if fold(other) == fold(name))
