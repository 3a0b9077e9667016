"""Rows that come from a worker, which a stranger may have taken over."""

from __future__ import annotations

import struct

import pyarrow as pa

from mixpanel_data.sandbox.dictionaries import plain_batch, plain_schema
from mixpanel_data.sandbox.results import Result
from mixpanel_data.sandbox.sizes import size_of
from mixpanel_data.sandbox.worker.compression import is_compressed
from mixpanel_data.sandbox.worker.protocol import ProtocolError


class Rows:
    """What has arrived of a result.

    Attributes:
        count: How many rows.
        size: How many bytes, as :func:`~mixpanel_data.sandbox.sizes.size_of` counts them.
    """

    def __init__(self) -> None:
        self.count = self.size = 0
        self._schema: pa.Schema | None = None
        self._batches: list[pa.RecordBatch] = []

    def add(self, stream: bytearray) -> None:
        """Add what is in an Arrow IPC stream: the columns, and one batch or none.

        Raises:
            ProtocolError: It is no such thing, or damaged.
        """
        try:
            if is_compressed(stream):
                raise TypeError("They are compressed.")
            reader = pa.ipc.open_stream(pa.py_buffer(stream))
            self._schema = self._schema or plain_schema(reader.schema)
            for batch in reader:
                for column in batch.columns:
                    _validate(column)
                self.size += size_of(batch)
                self.count += batch.num_rows
                self._batches.append(plain_batch(batch))
        except (pa.ArrowException, struct.error, OSError, TypeError, ValueError) as error:
            raise ProtocolError(f"Rows that cannot be read: {error}") from error

    def result(self, types: dict[int, str]) -> Result:
        """Return all rows.

        Args:
            types: DuckDB's names for the types that Arrow cannot tell, by the number of the column.

        Raises:
            ProtocolError: There are no columns, or not always the same.
        """
        try:
            table = pa.Table.from_batches(self._batches, self._schema)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise ProtocolError(f"Rows that do not fit together: {error}") from error
        return Result(table, types)


def _validate(column: pa.Array) -> None:
    """Raise when a column is not what it claims to be, so that reading it would go astray."""
    if pa.types.is_time(column.type):  # DuckDB has 24:00:00, Arrow has not
        column = column.view(f"int{column.type.bit_width}")
    column.validate(full=True)
