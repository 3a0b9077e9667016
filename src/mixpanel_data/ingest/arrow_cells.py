"""Cells of Arrow data as the columns of a table hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, Column, DateTime

from mixpanel_data.common.times import EARLIEST, LATEST
from mixpanel_data.ingest.arrow_documents import as_json, is_nested, is_written_by_duckdb
from mixpanel_data.ingest.arrow_layouts import is_text
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.record_batches import to_arrow
from mixpanel_data.schema.tables import BLANK, IDENTIFIER


def content_of(row: pa.RecordBatch) -> dict[str, Any]:
    """Return the cells of a row, as text where Python has no value for one."""
    cells: dict[str, Any] = {}
    for name in row.schema.names:
        try:
            cells[name] = row.column(name)[0].as_py()
        except (ValueError, OverflowError, KeyError):  # such as bytes that are no UTF-8
            cell = row.column(name)
            if pa.types.is_nested(cell.type):
                cells[name] = str(cell.type)
                continue
            number_or_bytes = pa.binary() if is_text(cell.type) else pa.int64()
            cells[name] = repr(cell.cast(number_or_bytes, safe=False)[0].as_py())
    return cells


def cells_of(batch: pa.RecordBatch, column: Column[Any]) -> pa.Array:
    """Return what is given for a column, in the types that :func:`converted` reads."""
    if column.name not in batch.schema.names:
        return pa.nulls(batch.num_rows)
    cells = batch.column(column.name)
    if isinstance(cells, pa.DictionaryArray):
        return cells.dictionary_decode()
    if isinstance(cells, pa.ExtensionArray) and is_text(cells.storage.type):
        return cells.storage
    return cells


def converted(
    column: Column[Any], cells: pa.Array, clock: Clock, kind: pa.DataType
) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """Convert cells to the type of their column; event times as they stand in the source.

    Args:
        column: The column.
        cells: The cells.
        clock: Reads the times.
        kind: What documents say, where they are structs or maps.

    Returns:
        The cells, and which of them are times of the clock's time zone; None for none of them.

    Raises:
        ValueError: One of them cannot be stored.
    """
    is_json = isinstance(column.type, JSON)
    if cells.null_count and (is_json or not column.nullable) and BLANK not in column.info:
        raise ValueError("must not be None.")
    if isinstance(column.type, DateTime):
        return _times(column, cells, clock)
    if is_json and is_nested(cells.type):
        cells.validate(full=True)
        return (cells if is_written_by_duckdb(kind) else as_json(cells, kind)), None
    return _texts(column, cells, clock), None


def _texts(column: Column[Any], cells: pa.Array, clock: Clock) -> pa.Array:
    is_id = IDENTIFIER in column.info
    if is_id and pa.types.is_null(cells.type):
        cells = cells.cast(pa.string())
    if not is_text(cells.type) and len(cells):
        if not is_id:
            raise ValueError(f"must be text, not {cells.type}.")
        if not pa.types.is_integer(cells.type):
            return to_arrow(column, cells.to_pylist(), clock)[0]
    texts = cells.cast(pa.string())
    texts.validate(full=True)
    return texts.fill_null("") if BLANK in column.info else texts


def _times(
    column: Column[Any], cells: pa.Array, clock: Clock
) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    if pa.types.is_null(cells.type):
        return cells.cast(pa.timestamp("us")), None
    if not pa.types.is_timestamp(cells.type):
        return to_arrow(column, cells.to_pylist(), clock)
    # What a time zone is called does not matter, and pyarrow may not know it.
    cells = cells.view(pa.int64()).view(pa.timestamp(cells.type.unit))
    if cells.type.unit == "ns":
        cells = pc.floor_temporal(cells, unit="microsecond")
    counts = cells.cast(pa.timestamp("us"), safe=cells.type.unit != "ns")
    counts = counts.cast(pa.int64())
    bounds = pc.min_max(counts).as_py()
    if bounds["min"] is not None and not EARLIEST <= bounds["min"] <= bounds["max"] <= LATEST:
        raise ValueError("is not between the years 1 and 9999.")
    return counts.cast(pa.timestamp("us")), None
