"""Quotes strings and names for SQL."""

from __future__ import annotations


def quoted(text: str, quote: str = "'") -> str:
    """Return a string literal, or with other quotes a name, for SQL."""
    return quote + text.replace(quote, 2 * quote) + quote
