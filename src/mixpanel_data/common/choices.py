"""What options may be, for the library and the command, which loads little."""

import re
from collections.abc import Callable
from typing import Any, Literal

OnConflict = Literal["ignore", "replace", "error"]
OnCollision = Literal["drop", "keep", "error"]
OnError = Literal["raise", "skip"]
IfExists = Literal["fail", "append", "replace"]
TimeUnit = Literal["auto", "s", "ms", "us"]

#: A size in memory or on disk, as DuckDB reads it.
SIZE = re.compile(r"\s*\d+(\.\d+)?\s*(%|([kmgt]i?)?b(ytes?)?)\s*", re.IGNORECASE)


def require(
    name: str,
    value: object,
    kind: type | tuple[type, ...],
    wanted: str,
    is_fit: Callable[[Any], object] = lambda _: True,
) -> None:
    """Make sure that an option is what it may be.

    Args:
        name: Its name.
        value: What was given.
        kind: The classes that it may have. True and False are no numbers.
        wanted: What it may be, for the message.
        is_fit: Tells whether a value of these classes is one.

    Raises:
        TypeError: It has another class.
        ValueError: It does not fit.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {value!r}. Use {wanted}.")
    if not is_fit(value):
        raise ValueError(f"{name} is {value!r}. Use {wanted}.")
