"""From Arrow back to the values that DuckDB's own client would have given.

The Arrow data has to come from a DuckDB with ``arrow_lossless_conversion``, so that every type is
what it was. A DuckDB of ours reads it and makes Python objects of it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pyarrow as pa

from mixpanel_data.sandbox.compression import is_compressed
from mixpanel_data.sandbox.protocol import ProtocolError
from mixpanel_data.sandbox.sizes import size_of

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


#: How many brackets the name of a type may have.
_DEEPEST = 1000


class Result(NamedTuple):
    """The result of a statement.

    Attributes:
        table: The rows.
        types: DuckDB's names for the types that Arrow cannot tell, by the number of the column.
    """

    table: pa.Table
    types: dict[str, str]

    def part(self, start: int, count: int) -> Result:
        """Return some of the rows."""
        return Result(self.table.slice(start, count), self.types)


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
            self._schema = self._schema or reader.schema
            for batch in reader:
                for column in batch.columns:
                    _validate(column)
                self.size += size_of(batch)
                self.count += batch.num_rows
                self._batches.append(batch)
        except (pa.ArrowException, struct.error, OSError, TypeError, ValueError) as error:
            raise ProtocolError(f"Rows that cannot be read: {error}") from error

    def result(self, types: dict[str, str]) -> Result:
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


def rows_of(driver: DuckDBPyConnection, result: Result) -> list[tuple[Any, ...]]:
    """Return the rows."""
    return _relation(driver, result).fetchall()


def data_frame_of(driver: DuckDBPyConnection, result: Result) -> pd.DataFrame:
    """Return a DataFrame, with columns that all have names of their own."""
    frame: pd.DataFrame = _relation(driver, result).df()
    names = _distinct(result.table.column_names)
    return frame.rename(columns=dict(zip(frame.columns, names, strict=True)))


def description_of(driver: DuckDBPyConnection, result: Result) -> list[tuple[Any, ...]]:
    """Return what PEP 249 says of the columns."""
    described = _relation(driver, result.part(0, 0)).description
    names = result.table.column_names
    return [(name, *rest) for name, (_, *rest) in zip(names, described, strict=True)]


def _relation(driver: DuckDBPyConnection, result: Result) -> DuckDBPyRelation:
    # DuckDB 1.5 cannot read two columns of the same name.
    names = [f"c{number}" for number in range(result.table.num_columns)]
    relation = driver.from_arrow(result.table.rename_columns(names))
    casts = {f"c{number}": text for number, text in result.types.items() if _is_type(driver, text)}
    if not casts:
        return relation
    return relation.project(
        ", ".join(f"CAST({n} AS {casts[n]}) AS {n}" if n in casts else n for n in names)
    )


def _is_type(driver: DuckDBPyConnection, text: str) -> bool:
    """Tell whether a text of a worker is the name of a type, as DuckDB writes it, and no more."""
    try:
        return text.count("(") < _DEEPEST and str(driver.type(text)) == text
    except duckdb.Error:
        return False


def _distinct(names: list[str]) -> list[str]:
    """Return names as DuckDB tells columns of a data frame apart, in any case: a, a_1, A_2."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        distinct = name
        while distinct.lower() in seen:
            distinct = f"{name}_{seen[name.lower()]}"
            seen[name.lower()] += 1
        seen[distinct.lower()] = 1
        found.append(distinct)
    return found
