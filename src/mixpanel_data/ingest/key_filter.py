"""Rows whose key comes for the first time are told apart from the others while they stream by.

DuckDB compresses and stores rows as they arrive, and a commit only has to mention them. But when
some of them are deleted before the commit, it throws all of that away and stores the rest again.
So a row whose key may have come before is held back instead, and settled at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixpanel_data.ingest.insert_stream import Batches
from mixpanel_data.ingest.string_buffers import string_data_and_offsets

#: When more bytes of rows would have to be held back, no more are.
MAX_HELD_BYTES = 16 * 1024 * 1024

#: Size of the Bloom filter: 32 MiB. Of ten million keys it wrongly suspects about 15,000.
FILTER_WORDS = 2**22


#: Bytes that are hashed at a time, and from how many on a key is long enough for Python's hash.
_WORD, _LONG = 8, 256

#: Masks for the first 0 to 8 bytes of a little-endian word.
_FIRST_BYTES = np.array([2 ** (8 * count) - 1 for count in range(_WORD + 1)], np.uint64)

#: 2**64 divided by the golden ratio (Knuth, "The Art of Computer Programming", 6.4).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class BloomFilter:
    """A set of strings in constant memory that errs in one direction only.

    Each key sets four bits of one 64-bit word, so that adding it touches memory once
    (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).

    Args:
        words: Its size, a power of two of at most 2**40.
    """

    def __init__(self, words: int) -> None:
        self._words = np.zeros(words, np.uint64)

    def add(self, keys: pa.StringArray) -> npt.NDArray[np.bool_]:
        """Add keys; tell for each whether it may have come before. False is certain."""
        hashes = hashes_of(keys)
        words = (hashes & np.uint64(len(self._words) - 1)).astype(np.intp)
        bits = np.zeros_like(hashes)
        for shift in (40, 46, 52, 58):
            bits |= np.uint64(1) << (hashes >> np.uint64(shift) & np.uint64(63))
        before: npt.NDArray[np.bool_] = self._words[words] & bits == bits
        while len(words):
            self._words[words] |= bits
            lost = self._words[words] & bits != bits  # of several for one word, the last is stored
            words, bits = words[lost], bits[lost]
        in_order = np.sort(hashes)
        repeated = in_order[1:][in_order[1:] == in_order[:-1]]
        if len(repeated):
            found = np.flatnonzero(np.isin(hashes, repeated))
            first = found[np.unique(hashes[found], return_index=True)[1]]
            before[np.setdiff1d(found, first)] = True
        return before


def hashes_of(keys: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Return a hash of each key, the same for the same key in this process.

    It takes eight bytes of all keys at a time, which is several times as fast as a call per key.

    Args:
        keys: Strings, none of them NULL.
    """
    data, starts = string_data_and_offsets(keys)
    text = np.append(data, np.zeros(_WORD, np.uint8))
    words = np.ndarray(len(data) + 1, "<u8", text, strides=(1,))  # one at every byte
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
    """Spread what tells numbers apart over all their bits."""
    products = numbers * _MULTIPLIER
    return products ^ products >> np.uint64(32)


class DeferredRows:
    """Batches of rows that wait for the end of a load.

    Args:
        source: What the rows are taken from.

    Attributes:
        schema: Arrow schema, that of the source.
        expressions: Those of the source.
        rows: How many rows wait.
        nbytes: Their size.
        positions: Where each of them was in the input.
    """

    def __init__(self, source: Batches) -> None:
        self.schema, self.expressions = source.schema, source.expressions
        self.rows = 0
        self.nbytes = 0
        self.positions = np.zeros(0, np.int64)
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch, positions: npt.NDArray[np.int64]) -> None:
        """Add rows, with where they were in the input."""
        self.rows += batch.num_rows
        self.nbytes += batch.nbytes
        self.positions = np.append(self.positions, positions)
        self._batches.append(batch)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Let go of the rows, in one batch instead of thousands that have a row or two each."""
        batches, self._batches = self._batches, []
        yield from pa.Table.from_batches(batches, self.schema).combine_chunks().to_batches()

    def index_of(self, position: int) -> int:
        """Return where the row at a position was in the input."""
        return int(self.positions[position])


class KeyFilter:
    """Batches without the rows whose key may have come before; iterate once.

    Args:
        source: The rows.
        key: The column that makes a row unique; None lets every row through.

    Attributes:
        schema: Arrow schema, that of the source.
        expressions: Those of the source.
        rows: How many rows came, also those that are held back.
        held: The rows that are held back; None when all were let through after all, because they
            were too many. Otherwise no two of the others have the same key.
    """

    def __init__(self, source: Batches, key: str | None) -> None:
        self.schema, self.expressions = source.schema, source.expressions
        self.rows = 0
        self._source = source
        self._key = key
        self._aside = DeferredRows(source)
        # How many rows had gone through when those held back joined them.
        self._joined_after: int | None = 0 if key is None else None

    @property
    def held(self) -> DeferredRows | None:
        """The rows that are held back."""
        return self._aside if self._joined_after is None else None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the source."""
        seen = BloomFilter(FILTER_WORDS)
        for batch in self._source:
            start, self.rows = self.rows, self.rows + batch.num_rows
            if self._joined_after is not None:
                yield batch
                continue
            suspect = seen.add(batch.column(self._key))
            if suspect.any():
                self._aside.add(batch.filter(_mask(suspect)), start + np.flatnonzero(suspect))
                batch = batch.filter(_mask(~suspect))
            yield batch
            if self._aside.nbytes > MAX_HELD_BYTES:
                self._joined_after = self.rows - self._aside.rows
                yield from self._aside

    def index_of(self, position: int) -> int:
        """Return where the row that went through at a position was in the input."""
        aside, joined_after = self._aside, self._joined_after
        if joined_after is None or position < joined_after:
            skipped = aside.positions - np.arange(aside.rows)
            return position + int(np.searchsorted(skipped, position, side="right"))
        if position < joined_after + aside.rows:
            return aside.index_of(position - joined_after)
        return position


def _mask(chosen: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """Return truth values as Arrow has them; ``pa.array`` would import pandas for that."""
    bits = pa.py_buffer(np.packbits(chosen, bitorder="little"))
    return pa.BooleanArray.from_buffers(pa.bool_(), len(chosen), [None, bits])
