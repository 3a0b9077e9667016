"""Converts Python values to what columns store: text, times in UTC, JSON documents.

Each function takes any value and raises ``ValueError`` with a short reason if the column cannot
store it. The reason is the second half of a ``RecordError``'s message.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from enum import Enum
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

# `orjson` reads integers beyond 64 bits as floats. The search for so many digits in a row, all
# digits being the same, spares nearly all documents the search for the pattern, which takes longer
# than to parse them.
_LONG_INTEGER = re.compile(rb"[:\[,]\s*-?\d{19}")
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_DIGITS = b"0" * 19


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
    what = str(value) if is_number(value) else _kind(value)  # an infinite one
    raise ValueError(f"must be a string or a number, not {what}.")


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
    # NumPy's NaT differs from itself, as NaN does.
    is_scalar = isinstance(value, Real) or type(value).__name__ == "datetime64"
    return is_scalar and bool(value != value)


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
        return orjson.dumps(jsonable(value), option=orjson.OPT_SORT_KEYS if sort_keys else None)
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


def all_finite(value: object) -> bool:
    """Tell whether a value has no NaN and no infinity where ``orjson`` would write it as null."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return _all_finite(value.values())
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


def _all_finite(members: Iterable[object]) -> bool:
    return all(map(all_finite, [m for m in members if type(m) not in _CANNOT_BE_NAN]))


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
    if _is_duration(value):
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
        raise ValueError(f"cannot become JSON: a key is {_kind(key)}.")
    return str.__str__(key)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
