"""JSON text: the results of Python's ``json``, from ``orjson`` where the two agree."""

from __future__ import annotations

import json
from typing import Any

import orjson

from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, levels_of

# To find integers beyond 64 bits, which `orjson` reads as floats. `re` is slower than `orjson`.
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19

# Leave to Python's `json` what it refuses or writes differently.
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def dumps(value: object) -> str:
    """Return a value as JSON text without spaces, as loads write it.

    Raises:
        ValueError: It contains NaN or an infinity, which JSON lacks, or is nested too deeply.
        TypeError: It contains another value that JSON lacks.
    """
    try:
        text = orjson.dumps(value, _plain, _OPTIONS)
    except TypeError as error:
        text = b"null"
        if levels_of(value) > MAX_DEPTH:
            raise ValueError(f"A document {TOO_DEEP}") from error
    if b"null" in text:  # None, or the end of a NaN
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.decode()


def _plain(value: object) -> object:
    """Return a subclass of dict or list as what `orjson` takes."""
    for kind in (dict, list):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError


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
