"""From Arrow back to the values that DuckDB's own client would have given.

The Arrow data has to come from a DuckDB with ``arrow_lossless_conversion``, so that every type is
what it was. A DuckDB of ours reads it and makes Python objects of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mixpanel_data.sandbox.protocol import ProtocolError
from mixpanel_data.sandbox.sizes import size_of

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


class Rows:
    """What has arrived of a result.

    Attributes:
        count: How many rows.
        size: How many bytes, as :func:`~mixpanel_data.sandbox.sizes.size_of` counts them.
    """

    def __init__(self) -> None:
        self.count = self.size = 0
        self._batches: list[pa.RecordBatch] = []

    def add(self, stream: bytearray) -> None:
        """Add the batch of an Arrow IPC stream.

        Raises:
            ProtocolError: It is no such thing, or damaged.
        """
        try:
            (batch,) = pa.ipc.open_stream(pa.py_buffer(stream))
            batch.validate(full=True)
            self.size += size_of(batch)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ProtocolError(f"Rows that cannot be read: {error}") from error
        self.count += batch.num_rows
        self._batches.append(batch)

    def table(self) -> pa.Table:
        """Return all rows.

        Raises:
            ProtocolError: There are none, not even of none the columns; or these differ.
        """
        try:
            return pa.Table.from_batches(self._batches)
        except (pa.ArrowException, ValueError) as error:
            raise ProtocolError(f"Rows that do not fit together: {error}") from error


def rows_of(driver: DuckDBPyConnection, table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows."""
    return _relation(driver, table).fetchall()


def data_frame_of(driver: DuckDBPyConnection, table: pa.Table) -> pd.DataFrame:
    """Return a DataFrame."""
    frame = _relation(driver, table).df()
    frame.columns = table.column_names
    return frame


def description_of(driver: DuckDBPyConnection, table: pa.Table) -> list[tuple[Any, ...]]:
    """Return what PEP 249 says of the columns."""
    described = _relation(driver, table.slice(0, 0)).description
    return [(name, *rest) for name, (_, *rest) in zip(table.column_names, described, strict=True)]


def _relation(driver: DuckDBPyConnection, table: pa.Table) -> DuckDBPyRelation:
    # Of columns that have the same name DuckDB would rename one.
    names = [f"c{number}" for number in range(table.num_columns)]
    return driver.from_arrow(table.rename_columns(names))
