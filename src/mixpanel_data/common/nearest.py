"""Finds the name that somebody meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like another one, None if none is.

    Case, and the ``$`` before Mixpanel's own names, make no difference.

    Example:
        >>> nearest("Browser", ["$browser", "$browser_version", "city"])
        '$browser'
    """
    known = {_folded(other): other for other in sorted(names) if other != name}
    found = get_close_matches(_folded(name), known, n=1)
    return known[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return advice for a name that may be a typo, ``""`` if there is no similar one.

    Example:
        >>> did_you_mean("thread", ["threads", "memory_limit"])
        'Did you mean threads?'
    """
    alike = get_close_matches(name, sorted(names), n=3)
    return f"Did you mean {' or '.join(alike)}?" if alike else ""


def _folded(name: str) -> str:
    return name.casefold().lstrip("$")
