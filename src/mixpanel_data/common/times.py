"""Converts Python values to times in UTC.

Each function takes any value and raises ``ValueError`` with a short reason if it is no time. The
reason is the second half of a ``RecordError``'s message.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any

from mixpanel_data.common.values import is_number, kind_of

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


def as_utc(moment: datetime) -> datetime:
    """Return a datetime as aware UTC; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


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
        return in_range(int(given.astype("datetime64[us]").astype(int)), value)
    if isinstance(given, datetime):
        count = (given - (EPOCH if given.tzinfo is None else EPOCH_UTC)) // MICROSECOND
        return in_range(count, value)
    if is_number(given):
        return scaled(given, 1_000_000)
    if isinstance(given, date):
        return in_range((given - EPOCH.date()) // MICROSECOND, value)
    raise ValueError(
        f"must be a datetime, an ISO 8601 string or epoch seconds, not {kind_of(value)}."
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
        return in_range(int(number) * factor, number)
    try:
        # A float of microseconds has fewer digits than one of seconds needs.
        product = number * factor if isinstance(number, Decimal) else float(number) * factor
        return in_range(round(product), number)
    except (OverflowError, ValueError, InvalidOperation) as error:  # too large, or not finite
        raise ValueError(f"is {_short(number)}, which is no time.") from error


def in_range(count: int, value: object) -> int:
    """Return microseconds since 1970-01-01 UTC that a datetime can hold.

    Args:
        count: The microseconds.
        value: What they were given as.

    Raises:
        ValueError: They are not between the years 1 and 9999.
    """
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
