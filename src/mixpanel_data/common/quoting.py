"""Texts and names as SQL has them."""

from __future__ import annotations


def quoted(text: str, quote: str = "'") -> str:
    """Return a text, or with other quotes a name, as SQL has it."""
    return quote + text.replace(quote, 2 * quote) + quote
