"""Converts Python values to JSON documents and back, without losing anything."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from enum import Enum
from numbers import Integral, Real
from typing import Any

import orjson

from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, levels_of
from mixpanel_data.common.values import is_duration, is_missing, kind_of

# `orjson` reads integers beyond 64 bits as floats. The search for so many digits in a row, all
# digits being the same, spares nearly all documents the search for the pattern, which takes longer
# than to parse them.
_LONG_INTEGER = re.compile(rb"[:\[,]\s*-?\d{19}")
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_DIGITS = b"0" * 19


def document(value: object, *, sort_keys: bool = False) -> bytes:
    """Return a dict as JSON text: what ``orjson`` accepts, and integers of any size and decimals.

    Args:
        value: The dict.
        sort_keys: Sort the keys by their text, at every depth.

    Raises:
        ValueError: The value is not a dict, or contains what JSON cannot represent, such as NaN,
            bytes, a set, or two keys with the same text.
    """
    option = orjson.OPT_SORT_KEYS if sort_keys else None
    if isinstance(value, dict):
        # Ordinary dicts go through C code only, which refuses the others or writes NaN as null.
        with suppress(TypeError, RecursionError):
            text = orjson.dumps(value, jsonable, option)
            nulls = text.count(b"null")
            if not (nulls and _may_hide_number(value, nulls)):
                return text
    elif not isinstance(value, Mapping):
        raise ValueError(f"must be a dict, not {kind_of(value)}.")
    try:
        return orjson.dumps(jsonable(value), option=option)
    except (TypeError, OverflowError, RecursionError) as error:
        too_deep = isinstance(error, RecursionError) or levels_of(value) > MAX_DEPTH
        problem = TOO_DEEP if too_deep else f"cannot become JSON: {error}."
        raise ValueError(problem) from error


def has_long_integer(text: bytes) -> bool:
    """Tell whether JSON text may hold an integer that ``orjson`` would read as a float."""
    has_digits = _LONG_DIGITS in text.translate(_ALL_DIGITS_ZERO)
    return has_digits and _LONG_INTEGER.search(text) is not None


def parse_json(text: bytes) -> Any:
    """Parse JSON without losing anything.

    Integers of any size stay integers. A number out of the range of a float, or beyond Python's
    limit for integers, becomes a ``Decimal``, or if that cannot hold it, an ``orjson.Fragment``.

    Raises:
        ValueError: The text is not JSON. NaN, Infinity and lone surrogates are not JSON.
    """
    if not has_long_integer(text):
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # a number too large for `orjson`, or invalid JSON
    parsed = json.loads(
        text.decode("utf-8-sig"),
        parse_constant=_refuse_constant,
        parse_float=_number,
        parse_int=_integer,
    )
    try:
        json.dumps(parsed, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text is not valid UTF-8: surrogates not allowed") from error
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float | Decimal | orjson.Fragment:
    number = float(text)
    if math.isfinite(number):
        return number
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return orjson.Fragment(text)


def _integer(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:  # more digits than Python parses, see sys.set_int_max_str_digits()
        return Decimal(text)


def _may_hide_number(value: dict[Any, Any], nulls: int) -> bool:
    """Tell whether ``orjson`` may have written NaN or an infinity as ``null``.

    A closer look is needed only where there are more nulls than Nones at the top level.
    """
    nones = len([None for member in value.values() if member is None])
    return nulls != nones and not all_finite(value)


def all_finite(value: object) -> bool:
    """Tell whether a value has no NaN and no infinity where ``orjson`` would write it as null."""
    if isinstance(value, dict):
        return _all_finite(value.values())
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return _all_finite(value)
    if isinstance(value, Enum):
        return all_finite(value.value)
    if _is_dataclass(value):
        return _all_finite(_members_of(value).values())
    return True


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _members_of(value: Any) -> dict[str, Any]:
    """Return what ``orjson`` writes of a dataclass."""
    names = (
        vars(value) if hasattr(value, "__dict__") else (f.name for f in dataclasses.fields(value))
    )
    return {name: getattr(value, name) for name in names if not name.startswith("_")}


def _all_finite(members: Iterable[Any]) -> bool:
    for member in members:
        kind = type(member)
        if kind is float:  # without a call, as all that is ordinary
            if member - member != 0:
                return False
        elif kind not in _CANNOT_BE_NAN and not all_finite(member):
            return False
    return True


def jsonable(value: Any) -> Any:
    """Replace what ``orjson`` refuses or changes, at any depth, by what it writes exactly.

    Raises:
        ValueError: There is nothing that it could be replaced by.
    """
    kind = type(value)
    if kind is int or kind is float:
        return _jsonable_number(value)
    if kind is dict or isinstance(value, Mapping):
        # Ordinary members are told without a call, which would take longer than all the rest.
        members = {
            key if type(key) is str else _key(key): (
                member
                if (kind := type(member)) in _PLAIN
                or (kind is int and _LEAST_INTEGER <= member <= _LARGEST_INTEGER)
                or (kind is float and member - member == 0)
                else jsonable(member)
            )
            for key, member in value.items()
        }
        if len(members) < len(value):
            raise ValueError("cannot become JSON: two of its keys are the same as text.")
        return members
    if isinstance(value, (list, tuple)):
        return [member if type(member) in _PLAIN else jsonable(member) for member in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if is_duration(value):
        raise ValueError("cannot become JSON: it holds a timedelta64. Make a number of it.")
    if isinstance(value, (Decimal, Real)):
        return _jsonable_number(value)
    return _jsonable_of_libraries(value)


#: Types whose values ``orjson`` writes exactly.
_PLAIN = frozenset((str, bool, type(None)))
_CANNOT_BE_NAN = _PLAIN | {int}


def _jsonable_number(value: Decimal | Real) -> Any:
    if isinstance(value, (int, Integral)):
        number = int(value)
        is_written = _LEAST_INTEGER <= number <= _LARGEST_INTEGER
        return number if is_written else orjson.Fragment(str(number))
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise ValueError(f"holds {value}, which JSON has no form for.")
    return orjson.Fragment(str(value)) if isinstance(value, Decimal) else float(value)


#: ``orjson`` refuses integers beyond these.
_LEAST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1


def _jsonable_of_libraries(value: Any) -> Any:
    """Replace values of NumPy and pandas by those of Python."""
    if is_missing(value):
        return None
    if isinstance(value, Enum):
        return jsonable(value.value)
    if _is_dataclass(value):
        return jsonable(_members_of(value))
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        if value.dtype.kind == "M":  # tolist() would make integers of nanoseconds
            value = value.astype("datetime64[us]")
        return jsonable(value.tolist())
    return value


def _key(key: object) -> str:
    if type(key) is int:
        return str(key)
    if key is None or isinstance(key, (bool, Integral, Real)):
        return orjson.dumps(jsonable(key)).decode()
    if not isinstance(key, str):
        raise ValueError(f"cannot become JSON: a key is {kind_of(key)}.")
    return str.__str__(key)
