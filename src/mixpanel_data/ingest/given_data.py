"""What data the methods take: an error for what has no rows, or what another method takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import GeneratorType
from typing import Any

import duckdb
import pyarrow as pa

from mixpanel_data.ingest.arrow_batches import is_arrow
from mixpanel_data.ingest.frames import is_pandas
from mixpanel_data.ingest.options import LoadOptions

#: What to do with frames, or parts of one.
_ONE_BY_ONE = (
    "Append them one by one, or make one of them: pandas.concat(data), polars.concat(data), "
    "pyarrow.Table.from_batches(data)."
)


def require_rows(options: LoadOptions, data: Any) -> None:
    """Raise for data that another method takes, or nothing does."""
    kind, given = options.kind, type(data).__name__
    if hasattr(data, "get_chunk"):
        raise TypeError(f"data is a {given}, which gives data frames. {_ONE_BY_ONE}")
    if isinstance(data, (str, bytes, os.PathLike)) or hasattr(data, "read"):
        raise TypeError(f"data is a {given}. Files are loaded with load_{kind}_export().")
    if isinstance(data, Mapping):
        raise TypeError(f"data is one record, a {given}. Put it into a list.")
    if hasattr(data, "collect") and hasattr(data, "lazy"):
        raise TypeError(f"data is a {given}, which has no rows yet. Pass data.collect().")
    if isinstance(data, duckdb.DuckDBPyConnection):
        raise TypeError(
            "data is a connection of DuckDB. Pass a relation of it, data.sql(query), or the result "
            "of what it has run, data.fetch_arrow_table()."
        )
    _refuse_arrays(data)
    if not is_arrow(data) and not isinstance(data, Iterable):
        raise TypeError(f"data is {data!r:.100}. Pass an iterable of records, or Arrow data.")
    if isinstance(data, GeneratorType) and data.gi_frame is None:
        raise ValueError("data is a generator that was used up. Call its function again.")


def _refuse_arrays(data: Any) -> None:
    """Raise for arrays, which have no names of columns, or no Arrow types."""
    given = type(data).__name__
    names = getattr(getattr(data, "dtype", None), "names", None)
    if isinstance(names, tuple) and names:
        raise TypeError(
            f"data is a {given}, an array of rows without Arrow types. Pass pandas.DataFrame(data)."
        )
    if not _is_one_column(data):
        return
    if getattr(data, "ndim", 1) > 1:
        raise TypeError(
            f"data is a {given} whose columns have no names. Pass pandas.DataFrame(data, "
            "columns=[...]), with those of the table."
        )
    raise TypeError(
        f"data is a {given}, which is one column. Pass a table or a data frame, or an iterable "
        "of records."
    )


def _is_one_column(data: Any) -> bool:
    """Tell an array of numbers or texts, or one column of a data frame, by its type."""
    kind = getattr(data, "type" if isinstance(data, (pa.Array, pa.ChunkedArray)) else "dtype", None)
    is_records = str(kind).lower().startswith(("object", "struct"))
    is_type = kind is not None and (isinstance(kind, type) or not callable(kind))
    return is_type and not is_records and not is_pandas(data) and getattr(data, "ndim", 1) > 0


def records_in(data: Iterable[Any]) -> Iterator[Any]:
    """Return the records of an iterable.

    Raises:
        TypeError: While iterating: these are frames, batches or rows of a frame.
    """
    rows = iter(data)
    return chain(_first_record(rows), rows)


def _first_record(rows: Iterator[Any]) -> Iterator[Any]:
    for first in rows:
        given = type(first).__name__
        if is_arrow(first):
            raise TypeError(f"data is an iterable, and what is in it is a {given}. {_ONE_BY_ONE}")
        if isinstance(first, tuple) and (hasattr(first, "_asdict") or _is_row_of_frame(first)):
            raise TypeError(
                "data is the rows of a data frame, as itertuples() and iterrows() have them. Pass "
                "the frame itself."
            )
        yield first
        return


def _is_row_of_frame(row: tuple[Any, ...]) -> bool:
    return len(row) == 2 and type(row[1]).__name__ == "Series"


def is_record(row: object) -> bool:
    """Tell a record, which may be a bad one, from a line or an object of an export."""
    if isinstance(row, Mapping):
        return "event_time" in row
    return not isinstance(row, (str, bytes, os.PathLike))
