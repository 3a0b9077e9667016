"""What Python values are, and what text columns store of them.

Each function that converts takes any value and raises ``ValueError`` with a short reason if the
column cannot store it. The reason is the second half of a ``RecordError``'s message.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from numbers import Integral, Real
from typing import TypeGuard
from uuid import UUID


def text(value: object) -> str:
    """Return a string that can be encoded as UTF-8.

    Raises:
        ValueError: The value is not a string, or contains a lone surrogate.
    """
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {kind_of(value)}.")
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
    what = str(value) if is_number(value) else kind_of(value)  # an infinite one
    raise ValueError(f"must be a string or a number, not {what}.")


def is_truth(value: object) -> bool:
    """Tell whether a value is a bool of Python or NumPy."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def is_number(value: object) -> TypeGuard[Real | Decimal]:
    """Tell whether a value is a number, which Python's bools and NumPy's durations claim to be."""
    if type(value) is int:
        return True
    return isinstance(value, (Real, Decimal)) and not (
        isinstance(value, bool) or is_duration(value)
    )


def is_duration(value: object) -> bool:
    """Tell whether a value is NumPy's timedelta64, or an array of them."""
    return getattr(getattr(value, "dtype", None), "kind", None) == "m"


def is_missing(value: object) -> bool:
    """Tell whether a value stands for none: None, NaN, or pandas' ``NA`` and ``NaT``."""
    if type(value) is str:
        return False
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    # NumPy's NaT differs from itself, as NaN does.
    is_scalar = isinstance(value, Real) or type(value).__name__ == "datetime64"
    return is_scalar and bool(value != value)


def kind_of(value: object) -> str:
    """Return what messages call the type of a value."""
    return "None" if value is None else type(value).__name__
