"""Rows of a table of this library, on their way to another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class StoredRows:
    """Rows that were loaded before: their ids and the texts of their documents stay as they are.

    Attributes:
        reader: The rows, with the columns of a table. It is read once.
    """

    reader: pa.RecordBatchReader

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as an Arrow C stream."""
        return self.reader.__arrow_c_stream__(requested_schema)
