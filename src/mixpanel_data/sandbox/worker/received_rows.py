"""Validates the rows from a worker, which untrusted SQL may have taken over."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from mixpanel_data.sandbox.dictionaries import plain_batch, plain_schema, with_fields
from mixpanel_data.sandbox.results import Result
from mixpanel_data.sandbox.sizes import size_of
from mixpanel_data.sandbox.worker.compression import is_compressed
from mixpanel_data.sandbox.worker.protocol import BATCH, ProtocolError


class Rows:
    """The rows received so far.

    Attributes:
        count: How many rows.
        size: How many bytes, as :func:`~mixpanel_data.sandbox.sizes.size_of` counts them.
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
            reader = pa.ipc.open_stream(pa.py_buffer(stream))
            self._schema = self._schema or reader.schema
            for batch in reader:
                if batch.num_rows > BATCH:
                    raise TypeError("They are too many at once.")
                for column in batch.columns:
                    _validate(column)
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


def _validate(column: pa.Array) -> None:
    """Raise if a column's data does not match its type, so that it is unsafe to read."""
    kind = _without_times(column.type)
    column = column if kind == column.type else column.view(kind)
    column.validate(full=True)


def _without_times(kind: Any) -> Any:
    """Return a type with integers in place of times: Arrow would refuse DuckDB's 24:00:00."""
    if pa.types.is_time(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    if not kind.num_fields or isinstance(kind, pa.BaseExtensionType):
        return kind
    fields = [kind.field(number) for number in range(kind.num_fields)]
    return with_fields(kind, [field.with_type(_without_times(field.type)) for field in fields])
