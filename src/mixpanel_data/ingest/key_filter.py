"""Separate first-seen keys from possible duplicates while streaming.

DuckDB compresses and writes rows as they arrive, so that a commit is short. When some of them are
deleted before the commit, it discards that work and writes the others again. So rows whose key may
have come before are deferred: they are kept aside, see :mod:`deferred_rows`, and loaded at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixpanel_data.ingest.deferred_rows import DeferredRows
from mixpanel_data.ingest.insert_stream import Batches
from mixpanel_data.ingest.string_buffers import string_data_and_offsets

#: Size of the Bloom filter at first, 16 MiB, and at most, 64 MiB.
FIRST_WORDS = 2**21
MAX_WORDS = 2**23

#: The filter doubles when it has had this many keys for each of its words.
_KEYS_PER_WORD = 2

#: Bytes that are hashed at a time.
_WORD = 8

#: Keys with more bytes than this are hashed by Python, one by one.
_LONG = 256

#: Masks for the first 0 to 8 bytes of a little-endian word.
_FIRST_BYTES = np.array([2 ** (8 * count) - 1 for count in range(_WORD + 1)], np.uint64)

#: 2**64 divided by the golden ratio (Knuth, "The Art of Computer Programming", 6.4).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class BloomFilter:
    """A set of strings in bounded memory, with false positives and no false negatives.

    Each key sets four bits of one 64-bit word, so that adding it accesses memory once
    (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007). When the
    filter doubles, a key counts as added in both halves, because its hash is not known any more.

    Args:
        words: Size at first, in 64-bit words: a power of two of at most 2**40.
        max_words: Size at most.
    """

    def __init__(self, words: int, max_words: int) -> None:
        self._words = np.zeros(words, np.uint64)
        self._max_words = max_words
        self._added = 0

    def add(self, keys: pa.StringArray) -> npt.NDArray[np.bool_]:
        """Add keys, and return for each whether it may have been added before; False is certain."""
        while self._added > _KEYS_PER_WORD * len(self._words) < _KEYS_PER_WORD * self._max_words:
            self._words = np.tile(self._words, 2)
        self._added += len(keys)
        hashes = hashes_of(keys)
        words = (hashes & np.uint64(len(self._words) - 1)).astype(np.intp)
        bits = np.zeros_like(hashes)
        for shift in (40, 46, 52, 58):
            bits |= np.uint64(1) << (hashes >> np.uint64(shift) & np.uint64(63))
        before: npt.NDArray[np.bool_] = self._words[words] & bits == bits
        while len(words):
            self._words[words] |= bits
            lost = self._words[words] & bits != bits  # of equal indices, NumPy stores the last one
            words, bits = words[lost], bits[lost]
        in_order = np.sort(hashes)
        repeated = in_order[1:][in_order[1:] == in_order[:-1]]
        if len(repeated):
            found = np.flatnonzero(np.isin(hashes, repeated))
            first = found[np.unique(hashes[found], return_index=True)[1]]
            before[np.setdiff1d(found, first)] = True
        return before


def hashes_of(keys: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Return a hash of each key, which is the same in all calls of this process.

    Eight bytes of all keys are hashed at a time, several times as fast as a call for each key.

    Args:
        keys: Strings, none of them NULL.
    """
    data, starts = string_data_and_offsets(keys)
    text = np.append(data, np.zeros(_WORD, np.uint8))
    words = np.ndarray(len(data) + 1, "<u8", text, strides=(1,))  # a word starts at every byte
    places, lengths = starts[:-1], np.diff(starts)
    longest = int(lengths.max(initial=0))
    shortest = int(lengths.min(initial=longest))
    hashes = _mixed(lengths.astype(np.uint64) + np.uint64(1))
    for done in range(0, min(longest, _LONG), _WORD):
        rows: slice | npt.NDArray[np.intp] = slice(None)
        mask = _FIRST_BYTES[_WORD]
        if done + _WORD > shortest:
            rows = np.flatnonzero(lengths > done)
            mask = _FIRST_BYTES[np.minimum(lengths[rows] - done, _WORD)]
        hashes[rows] = _mixed(hashes[rows] ^ words[places[rows] + done] & mask)
    for position in np.flatnonzero(lengths > _LONG).tolist():
        hashes[position] = hash(keys[position].as_py()) % 2**64
    return _mixed(hashes)


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread the differences between numbers over all bits."""
    products = numbers * _MULTIPLIER
    return products ^ products >> np.uint64(32)


class KeyFilter:
    """Batches without the rows whose key may have come before; iterate once.

    Args:
        source: The rows.
        key: The column that identifies a row; None to let all rows through.
        beside: A file in whose folder deferred rows may be kept; None to keep them in memory.

    Attributes:
        schema: Arrow schema of the source.
        expressions: Expressions of the source.
        rows: How many rows the source has given so far, the deferred ones included.
        deferred: The rows that were not let through. All others have different keys. None when all
            rows were let through, because there is no key or there were too many to defer.
    """

    def __init__(self, source: Batches, key: str | None, beside: Path | None = None) -> None:
        self.schema, self.expressions = source.schema, source.expressions
        self.rows = 0
        self._source = source
        self._key = key
        self._deferred = DeferredRows(source, beside)
        # How many rows had been let through when the deferred ones followed; None before that.
        self._gave_up_after: int | None = 0 if key is None else None

    @property
    def deferred(self) -> DeferredRows | None:
        """The rows that were not let through."""
        return self._deferred if self._gave_up_after is None else None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the source."""
        seen = BloomFilter(FIRST_WORDS, MAX_WORDS)
        for batch in self._source:
            start, self.rows = self.rows, self.rows + batch.num_rows
            if self._gave_up_after is not None:
                yield batch
                continue
            repeated = seen.add(batch.column(self._key))
            if repeated.any():
                positions = start + np.flatnonzero(repeated)
                self._deferred.add(batch.filter(_mask(repeated)), positions)
                batch = batch.filter(_mask(~repeated))
            yield batch
            if self._deferred.is_full:
                self._gave_up_after = self.rows - self._deferred.rows
                yield from self._deferred

    def close(self) -> None:
        """Drop the deferred rows."""
        self._deferred.close()

    def index_of(self, position: int) -> int:
        """Return the position in the input of the row that was let through at a position."""
        deferred, gave_up_after = self._deferred, self._gave_up_after
        if gave_up_after is None or position < gave_up_after:
            skipped = deferred.positions - np.arange(deferred.rows)
            return position + int(np.searchsorted(skipped, position, side="right"))
        if position < gave_up_after + deferred.rows:
            return deferred.index_of(position - gave_up_after)
        return position


def _mask(chosen: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """Return an Arrow array of the same values; ``pa.array`` would import pandas for that."""
    bits = pa.py_buffer(np.packbits(chosen, bitorder="little"))
    return pa.BooleanArray.from_buffers(pa.bool_(), len(chosen), [None, bits])
