"""Members that occur twice in one object of a JSON document: the last one counts.

DuckDB keeps both. Hardly any document has such members, and nearly all show it by their names: the
last bytes of these are compared for thousands of documents at once, and only documents where two
agree are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_data.common import values
from mixpanel_data.ingest.string_buffers import string_data_and_offsets

#: Bytes of documents that are searched at a time, few enough to stay in the processor's cache.
_BLOCK = 512 * 1024

#: Bytes of a name that are compared, the last ones; as many come before the first document.
_WORD = 8
_BEFORE = 2 * _WORD

_Words = npt.NDArray[np.uint64]

_SEVEN_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_ALL_BYTES = np.uint64(0x0101010101010101)
_BYTE = np.uint64(0xFF)
#: Odd numbers, which spread words and documents over all 64 bits.
_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_APART = np.uint64(0x9E3779B97F4A7C15)


def without_repeated_members(documents: pa.StringArray) -> pa.StringArray:
    """Return JSON documents in which no object has two members of the same name.

    Args:
        documents: The documents, which may be NULL. Nearly all without such members stay the same
            texts.

    Raises:
        ValueError: A document that may have such members is no JSON.

    Example:
        >>> without_repeated_members(pa.array(['{"a": 1}', '{"a": 1, "b": 0, "a": 2}'])).to_pylist()
        ['{"a": 1}', '{"a":2,"b":0}']
    """
    changed = {}
    for position in _suspects(*string_data_and_offsets(documents)):
        text = documents[position].as_py().encode()
        rewritten = _rewritten(text)
        # An escaped colon becomes a plain one, which would stand for one that is lost.
        if rewritten.count(b":") != text.count(b":") or rb"\u003" in text:
            changed[position] = rewritten.decode()
    if not changed:
        return documents
    mask = np.zeros(len(documents), np.bool_)
    mask[[*changed]] = True
    texts = pa.array([changed[position] for position in sorted(changed)], pa.string())
    return pc.replace_with_mask(documents, pa.array(mask), texts)


def _rewritten(text: bytes) -> bytes:
    parsed = values.parse_json(text)
    try:
        return orjson.dumps(parsed)
    except TypeError:  # such as an integer of more than 64 bits
        return values.document(parsed)


def _suspects(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp]) -> Iterator[int]:
    """Yield the positions of all documents that repeat a member, and of few others."""
    first, count = 0, len(starts) - 1
    while first < count:
        fitting = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        last = max(first + 1, fitting)
        inner = starts[first : last + 1] - starts[first]
        for position in _suspects_in(data[starts[first] : starts[last]], inner):
            yield first + position
        first = last


def _suspects_in(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp]) -> list[int]:
    text = np.zeros(_BEFORE + len(data) + _WORD, np.uint8)
    text[_BEFORE : _BEFORE + len(data)] = data
    colons = np.flatnonzero(text == ord(":"))
    before = text[colons - 1]
    ends = colons[before == ord('"')] - 1
    found = [colons[before <= ord(" ")]]  # may follow on a name
    words: _Words = np.ndarray(len(text) - _WORD + 1, np.uint64, text, strides=(1,))
    names = words[ends - _WORD]
    names &= ~_up_to_quote(names)
    escapes = np.flatnonzero(text == ord("\\"))
    if len(escapes) and len(ends):
        following = ends[np.minimum(np.searchsorted(ends, escapes), len(ends) - 1)]
        found.append(following[_have_escape(words, following)])
    counts = np.diff(np.searchsorted(ends - _BEFORE, starts))
    documents = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    keys = (names + documents * _APART) * _SPREAD
    in_order = np.sort(keys)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(repeated):
        found.append(ends[np.isin(keys, repeated)])
    places = np.concatenate(found) - _BEFORE
    return [*map(int, np.unique(np.searchsorted(starts, places, side="right") - 1))]


def _have_escape(words: _Words, ends: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Tell which names have an escape sequence in the bytes that are compared, or a part of one."""
    names = words[ends - _WORD]
    outside = _up_to_quote(names)
    earlier = _find(words[ends - _BEFORE], "\\") * (outside == 0)
    found: _Words = _find(names & ~outside, "\\") | earlier
    return np.not_equal(found, 0)


def _find(words: _Words, character: str) -> _Words:
    """Return words with the highest bit of each byte set that is a character, and no other."""
    # https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord, the form without carries
    others = words ^ (_ALL_BYTES * np.uint64(ord(character)))
    return ~(((others & _SEVEN_BITS) + _SEVEN_BITS) | others | _SEVEN_BITS)


def _up_to_quote(words: _Words) -> _Words:
    """Return masks of the bytes up to the last quotation mark of each word."""
    quotes = _find(words, '"')
    for distance in (8, 16, 32):
        quotes |= quotes >> np.uint64(distance)
    return (quotes >> np.uint64(7)) * _BYTE
