"""How deeply JSON documents may be nested, wherever they come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

#: The most levels of objects and arrays in a document, itself included: what ``orjson`` writes.
#: Python's ``json`` reads and writes some hundreds more, and DuckDB 1.5 crashes from 100,000 on.
MAX_DEPTH = 254
TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels."

_JSON_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OPENING, _BRACKETS = b"[{", b"[]{}"
_NO_BRACKETS = bytes({*range(256)} - {*_BRACKETS})


def levels_of(value: object) -> float:
    """Return how deeply a Python value is nested, infinity beyond Python's recursion limit."""
    members = value.values() if isinstance(value, Mapping) else value
    if not isinstance(members, Iterable) or isinstance(members, (str, bytes)):
        return 0
    try:
        return 1 + max(map(levels_of, members), default=0)
    except RecursionError:
        return math.inf


def exceeds_depth(text: bytes, limit: int = MAX_DEPTH) -> bool:
    """Tell whether objects and arrays of a JSON text are nested deeper than a limit.

    It is fast for nearly every text, which is too short for that, or has too few brackets.

    Example:
        >>> exceeds_depth(b'{"a": ["}"]}', limit=1)
        True
        >>> exceeds_depth(b'{"a": "[[["}', limit=1)
        False
    """
    if len(text) <= 2 * limit or sum(map(text.count, (b"[", b"{"))) <= limit:
        return False
    depth = 0
    for bracket in _JSON_STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > limit:
            return True
    return False
