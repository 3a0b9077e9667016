"""Members that occur twice in one object of a JSON document: the last one counts.

DuckDB keeps both. Hardly any document has such members, and nearly all show it by their names: the
first and last bytes of these are compared for thousands of documents at once, and where two of a
document agree, the objects that they are in. Only documents where these agree, too, are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_data.common import json_documents
from mixpanel_data.ingest.string_buffers import string_data_and_offsets

#: Bytes of documents that are searched at a time, few enough to stay in the processor's cache.
_BLOCK = 256 * 1024

#: Bytes of a name that are compared at its beginning, and at its end.
_WORD = 8

_Words = npt.NDArray[np.uint64]

#: What is kept of the eight bytes at the end of a name, by its length.
_LAST_BYTES = np.array([2**64 - 2 ** (8 * (_WORD - n)) for n in range(_WORD + 1)], np.uint64)

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
    data, starts = string_data_and_offsets(documents)
    for position in _suspects(data, starts):
        text = data[starts[position] : starts[position + 1]].tobytes()
        if _is_rewritten_alike(text):
            continue
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


def _is_rewritten_alike(text: bytes) -> bool:
    """Tell quickly that no member is repeated: most texts are what ``orjson`` writes."""
    try:
        return orjson.dumps(orjson.loads(text)) == text
    except ValueError:
        return False


def _rewritten(text: bytes) -> bytes:
    parsed = json_documents.parse_json(text)
    try:
        return orjson.dumps(parsed)
    except TypeError:  # such as an integer of more than 64 bits
        return json_documents.document(parsed)


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
    text = np.zeros(_WORD + len(data) + _WORD, np.uint8)
    text[_WORD:-_WORD] = data
    quotes = np.flatnonzero(text == ord('"'))
    ending = np.flatnonzero(text[quotes + 1] == ord(":"))
    ending = ending[ending > 0]
    begins, ends = quotes[ending - 1], quotes[ending]
    found = [ends[_have_escape(text, begins, ends)]]
    # A name may stand before white space and a colon, too.
    found.append(np.flatnonzero((text[1:] == ord(":")) & (text[:-1] <= ord(" "))))
    counts = np.diff(np.searchsorted(ends - _WORD, starts))
    documents = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    keys = (_words_of(text, begins, ends) + documents * _APART) * _SPREAD
    names = np.flatnonzero(_are_repeated(keys))
    if len(names):
        names = names[_are_in_one_object(text, quotes, begins[names], keys[names])]
        found.append(ends[names])
    places = np.concatenate(found) - _WORD
    return [*map(int, np.unique(np.searchsorted(starts, places, side="right") - 1))]


def _are_in_one_object(
    text: npt.NDArray[np.uint8],
    quotes: npt.NDArray[np.intp],
    places: npt.NDArray[np.intp],
    keys: _Words,
) -> npt.NDArray[np.bool_]:
    """Tell which names have the key of another one in the same object.

    An object is known by its opening brace: the last one before a name that is as deep as the name.
    """
    braces = np.flatnonzero((text == ord("{")) | (text == ord("}")))
    in_texts = np.searchsorted(_without_escaped(text, quotes), braces) % 2 == 1
    braces = braces[~in_texts]
    is_opening = text[braces] == ord("{")
    depths = np.cumsum(np.where(is_opening, 1, -1))
    by_depth = depths * len(text) + braces
    opening = np.sort(by_depth[is_opening])
    if not len(opening):  # these are no documents
        return np.full(len(places), True)
    last = np.maximum(np.searchsorted(braces, places) - 1, 0)
    objects = opening[np.searchsorted(opening, by_depth[last], side="right") - 1]
    return _are_repeated((keys + objects.astype(np.uint64) * _APART) * _SPREAD)


def _are_repeated(keys: _Words) -> npt.NDArray[np.bool_]:
    """Tell which keys another one equals."""
    in_order = np.sort(keys)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    return np.isin(keys, repeated) if len(repeated) else np.full(len(keys), False)


def _without_escaped(
    text: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the quotes that begin or end a text: those after an even number of backslashes."""
    after_escape = text[quotes - 1] == ord("\\")
    if not after_escape.any():
        return quotes
    others = np.flatnonzero(text != ord("\\"))
    before = quotes[after_escape]
    escapes = before - 1 - others[np.searchsorted(others, before) - 1]
    is_escaped = after_escape.copy()
    is_escaped[after_escape] = escapes % 2 == 1
    ending: npt.NDArray[np.intp] = quotes[~is_escaped]
    return ending


def _have_escape(
    text: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return which names have an escape sequence in them, or right before them."""
    escapes = np.flatnonzero(text == ord("\\"))
    following = np.searchsorted(ends, escapes)
    escapes, following = escapes[following < len(ends)], following[following < len(ends)]
    return following[escapes >= begins[following] - 1]


def _words_of(
    text: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> _Words:
    """Return a number for each name, of its length and its first and last bytes."""
    words: _Words = np.ndarray(len(text) - _WORD + 1, "<u8", text, strides=(1,))
    lengths = ends - begins - 1
    last = words[ends - _WORD] & _LAST_BYTES[np.minimum(lengths, _WORD)]
    first = np.where(lengths > _WORD, words[begins + 1], np.uint64(0))
    made: _Words = last + (first + lengths.astype(np.uint64)) * _APART
    return made
