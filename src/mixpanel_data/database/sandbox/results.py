"""Converts Arrow tables to what DuckDB's client returns: rows, data frames, relations.

The tables come from a connection with ``arrow_lossless_conversion``. A separate in-memory DuckDB
reads them, so that values are converted in the same way as without a sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from mixpanel_data.common.quoting import quoted
from mixpanel_data.database.sandbox.scratch import scratch, scratch_connection
from mixpanel_data.dialect.driver.arrow_types import typed_nulls

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = tuple[Any, ...]

#: Types that change, or lose their labels, in Arrow.
_UNTOLD = re.compile(r"\b(?:ENUM|TUPLE)\(|\bINTERVAL\b")

#: How many parentheses the name of a type may have.
_DEEPEST = 1000


class Result(NamedTuple):
    """Rows of a statement.

    Attributes:
        table: The rows.
        types: DuckDB's names of the types that Arrow cannot express, by the number of the column.
    """

    table: pa.Table
    types: dict[int, str]


def untold_types(description: list[Row]) -> dict[int, str]:
    """Return the types that Arrow cannot express, from PEP 249's description of the columns."""
    types = {number: str(column[1]) for number, column in enumerate(description)}
    return {
        n: name for n, name in types.items() if _UNTOLD.search(name) or typed_nulls(name) != name
    }


class ArrowResult:
    """The result of a statement, read from Arrow batches on demand.

    Args:
        batches: The rows. The method that reads them raises their errors.
        schema: Their schema.
        description: PEP 249's description of the columns.
        types: As in :class:`Result`.
        close: Called by :meth:`close`.

    Attributes:
        description: As given.
    """

    def __init__(
        self,
        batches: Iterator[pa.RecordBatch],
        schema: pa.Schema,
        description: list[Row],
        types: dict[int, str],
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self.description = description
        self._batches = batches
        self._schema = schema
        self._types = types
        self._close = close
        self._rows: list[Row] = []

    def fetchmany(self, size: int) -> list[Row]:
        """Return the next rows, fewer at the end."""
        while len(self._rows) < size and (batch := next(self._batches, None)) is not None:
            self._rows += rows_of(self._result([batch]))
        found, self._rows = self._rows[:size], self._rows[size:]
        return found

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        found, self._rows = self._rows, []
        return found + rows_of(self._rest())

    def df(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        return data_frame_of(self._rest())

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return the rows as a relation."""
        return relation_of(self._rest())

    def close(self) -> None:
        """Discard the remaining rows."""
        self._close()

    def _rest(self) -> Result:
        return self._result(list(self._batches))

    def _result(self, batches: list[pa.RecordBatch]) -> Result:
        import pyarrow as pa

        return Result(pa.Table.from_batches(batches, self._schema), self._types)


def rows_of(result: Result) -> list[Row]:
    """Return the rows."""
    with scratch() as connection:
        return list(_relation(connection, result).fetchall())


def data_frame_of(result: Result) -> pd.DataFrame:
    """Return a DataFrame, in which DuckDB renames columns of the same name."""
    with scratch() as connection:
        frame: pd.DataFrame = _named(_relation(connection, result), result).df()
    return frame


def relation_of(result: Result) -> duckdb.DuckDBPyRelation:
    """Return a relation with its own connection."""
    return _named(_relation(scratch_connection(), result), result)


def description_of(result: Result) -> list[Row]:
    """Return PEP 249's description of the columns."""
    with scratch() as connection:
        empty = result._replace(table=result.table.slice(0, 0))
        described = _relation(connection, empty).description
    names = result.table.column_names
    return [(name, *rest) for name, (_, *rest) in zip(names, described, strict=True)]


def _relation(connection: duckdb.DuckDBPyConnection, result: Result) -> duckdb.DuckDBPyRelation:
    """Return a relation with numbered columns, because their names may not be unique."""
    table = result.table
    for zone in set(_zones(table.schema)):
        connection.execute("SET TimeZone = " + quoted(zone))
    names = [f"c{number}" for number in range(table.num_columns)]
    relation = connection.from_arrow(table.rename_columns(names))
    types = ((f"c{n}", name) for n, name in result.types.items())
    casts = {name: kind for name, kind in types if is_type(connection, kind)}
    if not casts:
        return relation
    return relation.project(
        ", ".join(f"CAST({n} AS {casts[n]}) AS {n}" if n in casts else n for n in names)
    )


def _named(relation: duckdb.DuckDBPyRelation, result: Result) -> duckdb.DuckDBPyRelation:
    names = enumerate(result.table.column_names)
    return relation.project(", ".join(f"c{i} AS {quoted(name, chr(34))}" for i, name in names))


def is_type(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Tell whether a text, perhaps from a worker, is exactly a type as DuckDB writes it."""
    try:
        return text.count("(") < _DEEPEST and str(connection.type(text)) == text
    except duckdb.Error:
        return False


def _zones(fields: Any) -> Iterator[str]:
    """Yield the time zones in the types of fields, at any depth."""
    for field in fields:
        kind = field.type
        if getattr(kind, "tz", None):
            yield kind.tz
        yield from _zones(kind.field(i) for i in range(kind.num_fields))
