"""Where one JSON value ends and the next begins, found with numpy instead of a parser.

Nothing is parsed: brackets outside of strings are counted. So what comes out is balanced, and may
still be no JSON. Values are objects and arrays one after another, and the elements of arrays count
as values of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: "[" and "{" differ in this bit only, and so do "]" and "}".
_FOLD = np.uint8(0x20)

# What stands between two values: a comma, and brackets of arrays that end, begin, or are empty.
_BOM = b"\xef\xbb\xbf"
_GAP = re.compile(rb"\s*(?:\]\s*)?(?:,\s*)?(?:\xef\xbb\xbf)?(?:\[\s*\]\s*,?\s*)*(?:\[\s*)?")
_MAX_GAPS = 1000
_NO_VALUE = b" \t\r\n,[]" + _BOM

_STRING = rb'"(?:[^"\\]|\\.)*"'
# An event may have a property or member of this name, too; a page has only plain members before.
_PAGE = re.compile(
    rb'\s*\{\s*(?:(?!"(?:event|event_name|properties|\$?distinct_id)")'
    + _STRING
    + rb"\s*:\s*(?:"
    + _STRING
    + rb'|[^"\s\[\]{},]+)\s*,\s*)*"results"\s*:\s*\[',
    re.DOTALL,
)

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """The values in a text.

    Attributes:
        values: The complete ones, and what stands between them and is no value at all.
        rest: What is left: the beginning of a value, or what comes after the last one.
        in_array: Whether the rest is in an array.
        complete: Whether the rest is no more than the end of an array, or nothing.
        surplus: Whether the rest begins with a closing bracket that nothing has opened.
    """

    values: list[bytes]
    rest: bytes
    in_array: bool
    complete: bool
    surplus: bool


class Splitter:
    """Splits text at the ends of its values.

    Example:
        >>> Splitter().split(b'[{"a": "}"}, {"b": [1]}]{"c"', in_array=False).values
        [b'{"a": "}"}', b'{"b": [1]}']
    """

    def __init__(self) -> None:
        self._gaps = {b""}

    def split(self, text: bytes, *, in_array: bool) -> Split:
        """Split a text.

        Args:
            text: Begins between two values.
            in_array: Whether these are elements of an array that began before.
        """
        found = _scan(text, 1 if in_array else 0)
        values: list[bytes] = []
        done = 0
        for start, end in zip(found.starts, found.ends, strict=False):
            if text[done:start] not in self._gaps:
                values += self._between(text[done:start])
            values.append(text[start:end])
            done = end
        if found.surplus_at is not None:
            values += self._between(text[done : found.surplus_at])
            return Split(values, text[found.surplus_at :], False, False, True)
        if len(found.starts) > len(found.ends):
            values += self._between(text[done : found.starts[-1]])
            done = found.starts[-1]
        return Split(values, text[done:], found.in_array, found.depth == 0, False)

    def remainder(self, split: Split) -> list[bytes]:
        """Return what the rest of a text has in it, when nothing comes after it any more."""
        return self._between(split.rest) if split.complete else [split.rest.strip()]

    def elements(self, value: bytes) -> list[bytes]:
        """Return the elements of an array, the results of an Engage query page, or the value.

        A value that is cut off gives what is complete in it, and the rest.
        """
        if value.startswith((b"[", _BOM + b"[")):
            split = self.split(value, in_array=False)
        elif b'"results"' in value and (page := _PAGE.match(value)) is not None:
            split = self.split(_results(value, page.end()), in_array=True)
        else:
            return [value]
        return split.values + self.remainder(split)

    def _between(self, gap: bytes) -> list[bytes]:
        """Return what between two values is neither comma nor bracket: numbers, or no JSON."""
        if _GAP.fullmatch(gap):
            if len(self._gaps) < _MAX_GAPS:
                self._gaps.add(gap)
            return []
        return [piece.strip() for piece in gap.strip(_NO_VALUE).split(b",") if piece.strip()]


def first_end(text: bytes) -> int | None:
    """Return where the first value at the top level of a text ends, None if it does not."""
    found = _scan(text, 0, flat=True)
    return found.ends[0] if found.ends else None


def is_page(text: bytes) -> bool:
    """Tell whether a text begins as an Engage query page."""
    return b'"results"' in text and _PAGE.match(text) is not None


def _results(page: bytes, start: int) -> bytes:
    """Return the results of a page, from their first element to the end of their array."""
    found = _scan(page[start:], 1)
    return page[start:] if found.array_end is None else page[start : start + found.array_end]


@dataclass(frozen=True)
class _Scan:
    starts: list[int]
    ends: list[int]
    in_array: bool
    depth: int
    surplus_at: int | None
    array_end: int | None


def _scan(text: bytes, depth: int, *, flat: bool = False) -> _Scan:
    """Find the brackets that begin and end values.

    Args:
        text: What to look at, from a place between two values.
        depth: 1 inside of an array, otherwise 0.
        flat: Take arrays for values, too, and not their elements.
    """
    data = np.frombuffer(_without_escapes(text), np.uint8)
    folded = data | _FOLD
    at = np.flatnonzero((folded == ord("{")) | (folded == ord("}")))
    quotes = np.flatnonzero(data == ord('"'))
    at = at[np.searchsorted(quotes, at) & 1 == 0]
    opening = folded[at] == ord("{")
    depths = depth + np.cumsum(np.where(opening, 1, -1))
    surplus = np.flatnonzero(depths < 0)
    surplus_at = int(at[surplus[0]]) if len(surplus) else None
    if surplus_at is not None:
        at, opening, depths = at[: surplus[0]], opening[: surplus[0]], depths[: surplus[0]]
    # The depth at which values lie: 1 in arrays, 0 elsewhere; the same from one bracket that opens
    # at the top level to the next.
    top = np.flatnonzero(opening & (depths == 1))
    is_array = (data[at[top]] == ord("[")) & (not flat)
    lengths = np.diff(np.concatenate(([0], top, [len(at)])))
    levels = np.repeat(np.concatenate(([depth], is_array.astype(np.intp))), lengths)
    closing = np.flatnonzero(~opening & (depths == levels))
    beginning = np.flatnonzero(opening & (depths == levels + 1))
    edges = beginning if len(beginning) > len(closing) else closing
    array_ends = at[~opening & (depths == 0)]
    now = int(depths[-1]) if len(depths) else depth
    return _Scan(
        starts=at[beginning].tolist(),
        ends=(at[closing] + 1).tolist(),
        in_array=bool(levels[edges[-1]] if len(edges) else depth),
        depth=now,
        surplus_at=surplus_at,
        array_end=int(array_ends[0]) + 1 if len(array_ends) else None,
    )


def _without_escapes(text: bytes) -> bytes:
    """Replace what a backslash escapes, so that every quote begins or ends a string."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
