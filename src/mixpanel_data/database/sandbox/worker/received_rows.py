"""Validates the rows from a worker, which untrusted SQL may have taken over."""

from __future__ import annotations

import struct

import pyarrow as pa

from mixpanel_data.database.sandbox.dictionaries import plain_batch, plain_schema
from mixpanel_data.database.sandbox.results import Result
from mixpanel_data.database.sandbox.sizes import size_of
from mixpanel_data.database.sandbox.worker.compression import is_compressed
from mixpanel_data.database.sandbox.worker.protocol import BATCH, ProtocolError
from mixpanel_data.database.sandbox.worker.received_types import open_stream, restored


class Rows:
    """The rows received so far.

    Attributes:
        count: How many rows.
        size: How many bytes, as :func:`~mixpanel_data.database.sandbox.sizes.size_of` counts them.
    """

    def __init__(self) -> None:
        self.count = self.size = 0
        self._schema: pa.Schema | None = None
        self._batches: list[pa.RecordBatch] = []

    def add(self, stream: bytearray) -> None:
        """Add the contents of an Arrow IPC stream: a schema, and one batch or none.

        Raises:
            ProtocolError: It is not such a stream, or damaged.
        """
        try:
            if is_compressed(stream):
                raise TypeError("They are compressed.")
            schema, reader = open_stream(stream)
            self._schema = self._schema or schema
            for read in reader:
                if read.num_rows > BATCH:
                    raise TypeError("They are too many at once.")
                for column in read.columns:
                    column.validate(full=True)
                batch = restored(read, schema)
                self.size += size_of(batch)
                self.count += batch.num_rows
                self._batches.append(batch)
        except (pa.ArrowException, struct.error, OSError, TypeError, ValueError) as error:
            raise ProtocolError(f"Rows that cannot be read: {error}") from error

    def result(self, types: dict[int, str]) -> Result:
        """Return all rows.

        Args:
            types: DuckDB's names of types that Arrow cannot express, by the number of the column.

        Raises:
            ProtocolError: There are no columns, or they differ between batches.
        """
        try:
            schema = plain_schema(self._schema)
            table = pa.Table.from_batches(map(plain_batch, self._batches), schema)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise ProtocolError(f"Rows that do not fit together: {error}") from error
        return Result(table, types)
