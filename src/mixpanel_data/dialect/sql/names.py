"""Compares names as DuckDB does."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase, ascii_uppercase

# DuckDB ignores the case of ASCII letters only: "Ä" and "ä" are two tables.
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(name: str) -> str:
    """Return a name with ASCII letters in lower case; equal results are one name to DuckDB."""
    return str(name).translate(_FOLD)


def spell(name: str, names: Collection[str]) -> str:
    """Return the one of ``names`` that DuckDB treats as equal to ``name``."""
    return next(other for other in names if fold(other) == fold(name))
