"""From Arrow to what DuckDB's client gives for the same values: rows, data frames, relations.

The tables come from a connection with ``arrow_lossless_conversion``. They are read by a DuckDB of
our own, so that no value is made by another way than without a sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.sandbox.scratch import scratch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a table."""
    with closing(scratch()) as connection:
        return list(_relation(connection, table).fetchall())


def data_frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a DataFrame, with the names that DuckDB gives to columns of one name."""
    import pyarrow as pa

    with closing(scratch()) as connection:
        frame: pd.DataFrame = _named(_relation(connection, table), table).df()
    for number, field in enumerate(table.schema):
        # DuckDB 1.5 takes an ENUM from Arrow for plain text.
        if pa.types.is_dictionary(field.type) and frame.dtypes.iloc[number] != "category":
            frame.isetitem(number, _categories(table.column(number)))
    return frame


def relation_of(table: pa.Table) -> duckdb.DuckDBPyRelation:
    """Return a table as a relation of a connection of its own."""
    return _named(_relation(scratch(), table), table)


def _categories(column: pa.ChunkedArray) -> pd.Categorical:
    import pandas as pd
    import pyarrow as pa

    values = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    codes = values.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    return pd.Categorical.from_codes(codes, values.dictionary.to_pylist(), ordered=True)


def _relation(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> duckdb.DuckDBPyRelation:
    """Return a table as a relation; its columns have numbers, because names may be there twice."""
    for zone in _zones(table.schema):
        connection.execute(f"SET TimeZone = {_quoted(zone, chr(39))}")
    return connection.from_arrow(table.rename_columns([f"c{i}" for i in range(table.num_columns)]))


def _named(relation: duckdb.DuckDBPyRelation, table: pa.Table) -> duckdb.DuckDBPyRelation:
    names = enumerate(table.column_names)
    return relation.project(", ".join(f"c{i} AS {_quoted(name, chr(34))}" for i, name in names))


def _zones(fields: Any) -> Iterator[str]:
    """Yield the time zones in the types of columns and of what is nested in them."""
    for field in fields:
        kind = field.type
        if getattr(kind, "tz", None):
            yield kind.tz
        yield from _zones(kind.field(i) for i in range(kind.num_fields))


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, 2 * quote) + quote
