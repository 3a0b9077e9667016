"""Compares names as DuckDB does."""

from __future__ import annotations

import re
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


def sequence_name(table: str, column: str) -> str:
    """Return the name of the sequence of an autoincrement column."""
    # DuckDB 1.5 cannot parse doubled quotes in the argument of nextval().
    return f"{table}_{column}_seq".replace('"', "_")


def mentions(expression: str, name: str) -> bool:
    """Tell whether a column may be named in an expression."""
    return re.search(rf"(?<!\w){re.escape(fold(name))}(?!\w)", fold(expression)) is not None
