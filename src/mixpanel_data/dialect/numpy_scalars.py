"""NumPy's scalars as Python values: DuckDB's client refuses some, and takes times for numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=256)
def _is_scalar(kind: type) -> bool:
    return any(base.__name__ == "generic" and base.__module__ == "numpy" for base in kind.__mro__)


def any_numpy(kinds: Iterable[type]) -> bool:
    """Tell whether one of some types is that of a NumPy scalar."""
    return any(kind.__module__ == "numpy" and _is_scalar(kind) for kind in kinds)


def without_numpy(value: Any) -> Any:
    """Return a value with Python's own numbers, texts and times in place of NumPy's scalars."""
    if isinstance(value, dict):
        return {without_numpy(key): without_numpy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(without_numpy, value))
    return _item(value) if any_numpy([type(value)]) else value


def _item(scalar: Any) -> Any:
    kind = scalar.dtype.kind
    if kind == "f":
        return float(scalar)  # a longdouble is its own item
    item = scalar.item()
    if kind in "mM" and isinstance(item, int):  # nanoseconds
        return scalar.astype(f"{kind}8[us]").item()
    return item
