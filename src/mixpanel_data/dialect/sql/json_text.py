"""JSON texts: what Python's ``json`` makes of them, by ``orjson`` where the two agree."""

from __future__ import annotations

import json
from typing import Any

import orjson

from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, levels_of

# `orjson` reads integers beyond 64 bits as floats. A search with `re` would take longer than it.
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19

# What Python's `json` refuses or writes in its own way is left to it.
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def dumps(value: object) -> str:
    """Return a value as JSON text without spaces, the way our own loads write it.

    Raises:
        ValueError: It holds NaN or an infinity, for which JSON has no form, or is nested too deep.
        TypeError: It holds something else that JSON has no form for.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        text = b"null"
        if levels_of(value) > MAX_DEPTH:
            raise ValueError(f"A document {TOO_DEEP}") from error
    if b"null" in text:  # None, or the end of a NaN
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.decode()


def loads(text: str) -> Any:
    """Return the value of JSON text; integers of any size stay integers."""
    try:
        encoded = text.encode()
        if _LONG_INTEGER not in encoded.translate(_DIGITS_TO_ZEROS):
            return orjson.loads(encoded)
    except ValueError:
        pass  # DuckDB takes more for JSON than `orjson`, such as NaN
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("A document is nested too deep. Ask for parts of it.") from error
