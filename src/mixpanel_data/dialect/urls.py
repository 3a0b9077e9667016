"""What a URL may say beside DuckDB's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import asbool


def _truth(text: Any) -> bool:
    if not isinstance(text, str):  # several values
        raise TypeError
    return asbool(text)


def _seconds(text: Any) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError
    return seconds


#: The options, what makes a value of a text, and what to write.
_OPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "read_only": (_truth, "true or false"),
    "lock_timeout": (_seconds, "seconds, or 0 not to wait"),
    "foreign_keys": (_truth, "on or off"),
}

OPTIONS = frozenset(_OPTIONS)


def split_options(url: URL) -> tuple[dict[str, Any], URL]:
    """Take the dialect's own options out of a URL.

    Returns:
        Their values, and the URL with the settings of DuckDB only.

    Raises:
        ArgumentError: A value is none, or it asks for a sandbox.
    """
    if "sandbox" in url.query:
        raise ArgumentError(
            "A URL cannot open a sandbox. Use StorageEngine(path, sandbox=True) and its engine."
        )
    found = {}
    for name, (convert, allowed) in _OPTIONS.items():
        if name in url.query:
            try:
                found[name] = convert(url.query[name])
            except (TypeError, ValueError):
                text = url.query[name]
                raise ArgumentError(f"{name} of the URL is {text!r}. Use {allowed}.") from None
    return found, url.difference_update_query(list(_OPTIONS))
