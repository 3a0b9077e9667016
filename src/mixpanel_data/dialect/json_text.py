"""JSON texts: what Python's ``json`` makes of them, by ``orjson`` where the two agree."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

# `orjson` reads integers beyond 64 bits as floats.
_LONG_INTEGER = re.compile(r"\d{19}")

# What Python's `json` refuses or writes in its own way is left to it.
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def dumps(value: object) -> str:
    """Return a value as JSON text without spaces, the way our own loads write it.

    Raises:
        ValueError: It holds NaN or an infinity, for which JSON has no form.
        TypeError: It holds something else that JSON has no form for.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        text = b"null"
    if b"null" in text:  # None, or the end of a NaN
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.decode()


def loads(text: str) -> Any:
    """Return the value of JSON text; integers of any size stay integers."""
    if not _LONG_INTEGER.search(text):
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # DuckDB takes more for JSON than `orjson`, such as NaN
    return json.loads(text)
