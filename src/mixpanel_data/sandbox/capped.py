"""The result of a statement of strangers, fetched batch by batch up to what it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixpanel_data.exceptions import ResultTooLargeError
from mixpanel_data.sandbox.limits import Sandbox
from mixpanel_data.sandbox.results import data_frame_of, relation_of, rows_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

#: Rows that DuckDB makes at a time.
BATCH = 2048


class CappedResult:
    """The result of a statement; it is never held as a whole beyond the limits.

    Args:
        reader: Gives the batches.
        description: PEP 249's description of the columns.
        sandbox: The limits.
        sql: The statement, for the error.
    """

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        description: list[tuple[Any, ...]],
        sandbox: Sandbox,
        sql: str,
    ) -> None:
        self.description = description
        self._reader = reader
        self._sandbox = sandbox
        self._sql = sql
        self._rows: list[tuple[Any, ...]] = []
        self._fetched = self._bytes = 0

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return the next rows, fewer at the end."""
        import pyarrow as pa

        while len(self._rows) < size and (batch := self._next()) is not None:
            self._rows += rows_of(pa.Table.from_batches([batch]))
        found, self._rows = self._rows[:size], self._rows[size:]
        return found

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        found, self._rows = self._rows, []
        return found + rows_of(self._rest())

    def df(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        return data_frame_of(self._rest())

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return the rows as a relation."""
        return relation_of(self._rest())

    def close(self) -> None:
        """Let go of what is left, and of DuckDB's result."""
        self._reader.close()

    def _rest(self) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_batches(list(iter(self._next, None)), self._reader.schema)

    def _next(self) -> pa.RecordBatch | None:
        """Return the next batch, None when there is none.

        Raises:
            ResultTooLargeError: The result has more than it may have.
        """
        try:
            batch = self._reader.read_next_batch()
        except StopIteration:
            return None
        self._fetched += batch.num_rows
        self._bytes += batch.nbytes
        if self._fetched > self._sandbox.max_rows:
            raise ResultTooLargeError(self._sandbox.max_rows, "rows", self._sql)
        if self._bytes > self._sandbox.max_bytes:
            raise ResultTooLargeError(self._sandbox.max_bytes, "bytes", self._sql)
        return batch
