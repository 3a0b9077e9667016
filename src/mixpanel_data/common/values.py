"""Converts Python values to what columns store: text, times in UTC, JSON documents.

Each function takes any value and raises ``ValueError`` with a short reason if the column cannot
store it. The reason is the second half of a ``RecordError``'s message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any, TypeGuard
from uuid import UUID

import orjson

from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, levels_of

EPOCH = datetime(1970, 1, 1)
EPOCH_UTC = EPOCH.replace(tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

#: The times a Python datetime can hold, in microseconds since the epoch.
EARLIEST = (datetime.min - EPOCH) // MICROSECOND
LATEST = (datetime.max - EPOCH) // MICROSECOND

# ISO 8601 as databases and APIs write it. `datetime.fromisoformat` parses the result; before
# Python 3.11 it accepts neither "Z" nor fractions of other than three or six digits.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:?\d\d(?::?\d\d)?)(?:[.,](\d+))?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)

# The microseconds that a datetime can hold have up to 18 digits.
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)

# `orjson` reads integers beyond 64 bits as floats.
_LONG_INTEGER = re.compile(rb"[:\[,]\s*-?\d{19}")


def text(value: object) -> str:
    """Return a string that can be encoded as UTF-8.

    Raises:
        ValueError: The value is not a string, or contains a lone surrogate.
    """
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {_kind(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("is not valid UTF-8.") from error
    return str.__str__(value)  # of an enum, str() would give the name


def identifier(value: object) -> str:
    """Return an id as text. Mixpanel's ids are strings, but clients have sent numbers, too.

    Raises:
        ValueError: The value is neither text nor a number, or holds a lone surrogate.

    Example:
        >>> identifier(42), identifier(4.5), identifier(True)
        ('42', '4.5', 'true')
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, UUID) or (isinstance(value, Decimal) and value.is_finite()):
        return str(value)
    if is_truth(value):
        return json.dumps(bool(value))
    if is_number(value) and isinstance(value, Integral):
        return str(int(value))
    if is_number(value) and isinstance(value, Real) and math.isfinite(value):
        return json.dumps(float(value))
    raise ValueError(f"must be a string or a number, not {_kind(value)}.")


def is_truth(value: object) -> bool:
    """Tell whether a value is a bool of Python or NumPy."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def is_number(value: object) -> TypeGuard[Real | Decimal]:
    """Tell whether a value is a number, which Python's bools and NumPy's durations claim to be."""
    return isinstance(value, (Real, Decimal)) and not (
        isinstance(value, bool) or _is_duration(value)
    )


def _is_duration(value: object) -> bool:
    """Tell whether a value is NumPy's timedelta64, or an array of them."""
    return getattr(getattr(value, "dtype", None), "kind", None) == "m"


def is_missing(value: object) -> bool:
    """Tell whether a value stands for none: None, NaN, or pandas' ``NA`` and ``NaT``."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value


def microseconds(value: object) -> int:
    """Return a time as microseconds since 1970-01-01 UTC.

    Args:
        value: A datetime (naive means UTC), a date, an ISO 8601 string (without an offset: UTC),
            or the seconds since the epoch as a number, or as digits.

    Raises:
        ValueError: The value is none of these, or not between the years 1 and 9999.

    Example:
        >>> microseconds("2025-01-31T12:00:00+01:00") == microseconds(1738321200)
        True
    """
    given: Any = time_in(value) if isinstance(value, str) else value
    if getattr(getattr(given, "dtype", None), "kind", None) == "M":  # NumPy's datetime64
        return _in_range(int(given.astype("datetime64[us]").astype(int)), value)
    if isinstance(given, datetime):
        count = (given - (EPOCH if given.tzinfo is None else EPOCH_UTC)) // MICROSECOND
        return _in_range(count, value)
    if is_number(given):
        return scaled(given, 1_000_000)
    if isinstance(given, date):
        return _in_range((given - EPOCH.date()) // MICROSECOND, value)
    raise ValueError(
        f"must be a datetime, an ISO 8601 string or epoch seconds, not {_kind(value)}."
    )


def moment(count: int) -> datetime:
    """Return microseconds since 1970-01-01 UTC as an aware datetime."""
    return EPOCH_UTC + timedelta(microseconds=count)


def scaled(number: Real | Decimal, factor: int) -> int:
    """Return a time that is a number as microseconds since 1970-01-01 UTC.

    Args:
        number: An integer, a float or a decimal.
        factor: Microseconds of its unit.

    Raises:
        ValueError: It is not finite, or not between the years 1 and 9999.
    """
    if isinstance(number, Integral):
        return _in_range(int(number) * factor, number)
    try:
        # A float of microseconds has fewer digits than one of seconds needs.
        product = number * factor if isinstance(number, Decimal) else float(number) * factor
        return _in_range(round(product), number)
    except (OverflowError, ValueError, InvalidOperation) as error:  # too large, or not finite
        raise ValueError(f"is {_short(number)}, which is no time.") from error


def _in_range(count: int, value: object) -> int:
    if not EARLIEST <= count <= LATEST:
        raise ValueError(
            f"is {_short(value)}, which is not between the years 1 and 9999. "
            "Numbers are in seconds, unless time_unit says otherwise."
        )
    return count


def _short(value: object) -> str:
    # Python refuses to convert integers of more than some thousand digits.
    is_long = isinstance(value, int) and value.bit_length() > 1000
    return "a number of many digits" if is_long else str(value)[:40]


def time_in(value: str) -> datetime | int:
    """Return what a text says: a time, naive where it names no zone, or in digits a number.

    Raises:
        ValueError: It is neither ISO 8601 nor digits.
    """
    return int(value) if _DIGITS.fullmatch(value) else _parse(value)


def _parse(value: str) -> datetime:
    match = _ISO.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"is {value[:40]!r}, which is not an ISO 8601 time.")
    day, time, fraction, offset = match.groups()
    normal = day
    if time is not None:
        digits = time.replace(":", "").ljust(6, "0")
        normal += f"T{digits[:2]}:{digits[2:4]}:{digits[4:]}"
    if fraction is not None:
        normal += "." + fraction[:6].ljust(6, "0")
    if offset is not None:
        numbers = offset[1:].replace(":", "").ljust(4, "0")
        normal += "+00:00" if offset in ("Z", "UTC") else f"{offset[0]}{numbers[:2]}:{numbers[2:]}"
    try:
        return datetime.fromisoformat(normal)
    except ValueError as error:
        raise ValueError(f"is {value[:40]!r}, which is not an ISO 8601 time.") from error


def document(value: object, *, sort_keys: bool = False) -> bytes:
    """Return a dict as JSON text: what ``orjson`` accepts, and integers of any size and decimals.

    Args:
        value: The dict.
        sort_keys: Sort the keys by their text, at every depth.

    Raises:
        ValueError: The value is not a dict, or contains what JSON cannot represent, such as NaN,
            bytes, a set, or two keys with the same text.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a dict, not {_kind(value)}.")
    try:
        return orjson.dumps(_jsonable(value), option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except (TypeError, OverflowError, RecursionError) as error:
        too_deep = isinstance(error, RecursionError) or levels_of(value) > MAX_DEPTH
        problem = TOO_DEEP if too_deep else f"cannot become JSON: {error}."
        raise ValueError(problem) from error


def has_long_integer(text: bytes) -> bool:
    """Tell whether JSON text may hold an integer that ``orjson`` would read as a float."""
    return _LONG_INTEGER.search(text) is not None


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


def all_finite(value: object) -> bool:
    """Tell whether a value contains no NaN and no infinity, at any depth of dicts and lists."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(all_finite, value))
    return True


def _jsonable(value: Any) -> Any:
    """Replace what ``orjson`` refuses or changes, at any depth, by what it writes exactly."""
    if isinstance(value, Mapping):
        members = {_key(key): _jsonable(member) for key, member in value.items()}
        if len(members) < len(value):
            raise ValueError("cannot become JSON: two of its keys are the same as text.")
        return members
    if isinstance(value, (list, tuple)):
        return [_jsonable(member) for member in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if _is_duration(value):
        raise ValueError("cannot become JSON: it holds a timedelta64. Make a number of it.")
    if isinstance(value, Integral):
        return orjson.Fragment(str(int(value)))
    if isinstance(value, (Decimal, Real)):
        number = value if isinstance(value, Decimal) else float(value)
        if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
            raise ValueError(f"holds {value}, which JSON has no form for.")
        return orjson.Fragment(str(number)) if isinstance(number, Decimal) else number
    return _jsonable_of_libraries(value)


def _jsonable_of_libraries(value: Any) -> Any:
    """Replace values of NumPy and pandas by those of Python."""
    if is_missing(value):
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        if value.dtype.kind == "M":  # tolist() would make integers of nanoseconds
            value = value.astype("datetime64[us]")
        return _jsonable(value.tolist())
    return value


def _key(key: object) -> str:
    if key is None or isinstance(key, (bool, Integral, Real)):
        return orjson.dumps(_jsonable(key)).decode()
    if not isinstance(key, str):
        raise ValueError(f"cannot become JSON: a key is {_kind(key)}.")
    return str.__str__(key)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
