"""Streams the batches of a result, up to the limits of its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.results import is_type
from mixpanel_data.dialect.driver.arrow_types import cast_columns, renamed, typed_nulls
from mixpanel_data.exceptions import ResultTooLargeError

if TYPE_CHECKING:
    import pyarrow as pa

#: DuckDB 2 streams Arrow data only from a relation; after ``execute()`` it first copies all rows.
_RELATIONS_STREAM = int(duckdb.__version__.split(".", 1)[0]) >= 2


def stream(
    driver: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Sequence[Any] | dict[str, Any],
    batch_size: int,
) -> tuple[list[tuple[Any, ...]], pa.RecordBatchReader]:
    """Run a query; return PEP 249's description of its columns, and a stream of its rows."""
    if _RELATIONS_STREAM:
        ran: Any = driver.sql(sql, params=parameters or None)
    else:
        ran = driver.execute(sql, parameters)
    description = ran.description  # the reader consumes the result
    kinds = [str(column[1]) for column in description]
    told = [_told(driver, kind) for kind in kinds]
    if told != kinds:
        ran = cast_columns(driver.sql(sql, params=parameters or None), told)
    return description, ran.to_arrow_reader(batch_size)


def _told(driver: duckdb.DuckDBPyConnection, kind: str) -> str:
    """Return a type with text for intervals: those of Arrow end after 292 years of hours."""
    typed = typed_nulls(kind)
    told = renamed(typed, {"INTERVAL": "VARCHAR"})
    return told if told != typed and is_type(driver, typed) else typed


def first_rows(
    batches: Iterable[pa.RecordBatch], most_rows: int | None
) -> Iterator[pa.RecordBatch]:
    """Yield the batches up to a number of rows, None for all."""
    if most_rows is None:
        yield from batches
        return
    left = most_rows
    for batch in batches:
        yield batch if batch.num_rows <= left else _beginning(batch, left)
        left -= batch.num_rows
        if left <= 0:
            return


def _beginning(batch: pa.RecordBatch, rows: int) -> pa.RecordBatch:
    """Return the first rows of a batch, without the memory of the others."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch.slice(0, rows))
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch()


def capped(
    batches: Iterable[pa.RecordBatch], sandbox: Sandbox, sql: str
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a result until it exceeds the limits.

    Args:
        batches: The batches.
        sandbox: The limits.
        sql: The statement, for the error.

    Raises:
        ResultTooLargeError: The result exceeds a limit.
    """
    from mixpanel_data.database.sandbox.sizes import size_of

    rows = size = 0
    for batch in batches:
        rows += batch.num_rows
        size += size_of(batch)
        if rows > sandbox.max_rows:
            raise ResultTooLargeError(sandbox.max_rows, "rows", sql)
        if size > sandbox.max_bytes:
            raise ResultTooLargeError(sandbox.max_bytes, "bytes", sql)
        yield batch
