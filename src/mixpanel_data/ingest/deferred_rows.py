"""Rows that are loaded after all others: kept in memory, and in a file once they are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixpanel_data.common.full_disks import full_disk
from mixpanel_data.ingest.insert_stream import Batches

#: What the deferred rows may take in memory.
MAX_DEFERRED_BYTES = 16 * 1024 * 1024


class DeferredRows:
    """Batches of rows that are loaded after all others.

    The file has no name where the operating system allows that, so nothing is left of it whatever
    ends the process. It is as large as the rows in it.

    Args:
        source: Where the rows come from.
        beside: A file; that of the rows is made in its folder. None to keep all of them in memory.

    Attributes:
        schema: Arrow schema of the source.
        expressions: Expressions of the source.
        rows: How many rows were deferred.
    """

    def __init__(self, source: Batches, beside: Path | None = None) -> None:
        self.schema, self.expressions = source.schema, source.expressions
        self.rows = 0
        self._beside = beside
        self._positions: list[npt.NDArray[np.int64]] = []
        self._batches: list[pa.RecordBatch] = []
        self._nbytes = 0  # of the rows in memory
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None

    @property
    def is_full(self) -> bool:
        """True if the rows take more memory than they may, and there is no file for them."""
        return self._nbytes > MAX_DEFERRED_BYTES

    @cached_property
    def positions(self) -> npt.NDArray[np.int64]:
        """The position of each row in the input. Ask for it when all of them are there."""
        return np.concatenate([np.zeros(0, np.int64), *self._positions])

    def add(self, batch: pa.RecordBatch, positions: npt.NDArray[np.int64]) -> None:
        """Add rows with their positions in the input.

        Raises:
            DiskFullError: There is no room for the file.
        """
        self.rows += batch.num_rows
        self._nbytes += batch.nbytes
        self._positions.append(positions)
        self._batches.append(batch)
        if self.is_full and self._beside is not None:
            with _explain_full_disk(self._beside):
                self._write(self._beside.parent)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in few batches, instead of thousands of a row or two, and drop them."""
        yield from chain(self._read(), self._take())

    def close(self) -> None:
        """Drop what has not been yielded."""
        self._batches = []
        if self._file is not None:
            self._file.close()

    def index_of(self, position: int) -> int:
        """Return the position in the input of the row at a position."""
        return int(self.positions[position])

    def _take(self) -> list[pa.RecordBatch]:
        batches, self._batches, self._nbytes = self._batches, [], 0
        combined = pa.Table.from_batches(batches, self.schema).combine_chunks()
        return list(combined.to_batches())

    def _write(self, folder: Path) -> None:
        if self._file is None or self._writer is None:
            self._file = _open_file(folder)
            self._writer = pa.ipc.new_stream(self._file, self.schema)
        for batch in self._take():
            self._writer.write_batch(batch)

    def _read(self) -> Iterator[pa.RecordBatch]:
        if self._file is None or self._writer is None:
            return
        with self._file:
            with _explain_full_disk(self._beside or Path()):
                self._writer.close()
                self._file.flush()
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)


def _open_file(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder, prefix=".mixpanel_data-")


@contextmanager
def _explain_full_disk(beside: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if (full := full_disk(beside, error, "A temporary file cannot grow.")) is None:
            raise
        raise full from error
