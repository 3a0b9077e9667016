"""Convert dicts to Arrow record batches, and check them.

Valid records go through C code only: one ``itemgetter`` and one ``orjson.dumps`` per record, one
``set(map(type, ...))`` per column and batch. When these find anything unusual, the slower functions
of :mod:`mixpanel_data.common.values` check record by record and field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import itemgetter, sub
from typing import Any, NoReturn

import orjson
import pyarrow as pa
from sqlalchemy import JSON, Column, DateTime, String, Table

from mixpanel_data.common import values
from mixpanel_data.common.json_depth import TOO_DEEP
from mixpanel_data.common.values import EARLIEST, EPOCH, EPOCH_UTC, LATEST
from mixpanel_data.exceptions import RecordError
from mixpanel_data.ingest.json_validation import too_deep_at
from mixpanel_data.schema.tables import OPTIONAL

#: The most rows of a batch, unless the caller chooses another number.
DEFAULT_BATCH_SIZE = 2048

#: A batch also ends when its JSON documents have this many bytes. With a quarter of it, DuckDB
#: takes nearly twice the time to store the many short batches.
MAX_BATCH_BYTES = 1024 * 1024

_TYPES = {String: pa.string(), DateTime: pa.timestamp("us"), JSON: pa.string()}
# https://arrow.apache.org/docs/format/CanonicalExtensions.html#json
_EXTENSIONS: dict[type, dict[str, str]] = {
    JSON: {"ARROW:extension:name": "arrow.json", "ARROW:extension:metadata": ""}
}
_CHECKS: dict[type, Callable[[object], object]] = {
    String: values.text,
    DateTime: values.microseconds,
    JSON: values.document,
}


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of batches for a managed table.

    JSON columns have Arrow's extension type for JSON, so that DuckDB does not parse them again.
    """
    return pa.schema(
        pa.field(
            column.name, _TYPES[type(column.type)], metadata=_EXTENSIONS.get(type(column.type))
        )
        for column in table.columns
    )


class RecordBatches:
    """An iterator of Arrow record batches over an iterable of dicts.

    Args:
        records: The dicts, one per row; consumed once, in the thread that iterates.
        table: The table they are for: its columns name the fields.
        batch_size: The most rows of a batch.

    Attributes:
        schema: Arrow schema of the batches.
        expressions: Empty: the batches hold the cells as they are stored.

    Raises:
        RecordError: While iterating: the first record that cannot be stored, with index and field.
            What the iterable itself raises is not caught.
    """

    def __init__(
        self, records: Iterable[Mapping[str, Any]], table: Table, batch_size: int | None = None
    ) -> None:
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._records = records
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._columns = list(table.columns)
        (self._json,) = (column for column in self._columns if isinstance(column.type, JSON))
        self._scalars = [column for column in self._columns if column is not self._json]
        # The current batch. The cells of all rows are in one flat list, because a tuple or dict per
        # row makes Python's garbage collector slow. The documents are stored as in Arrow: the bytes
        # of all of them, and the offset at which each of them ends.
        self._cells: list[Any] = []
        self._documents = bytearray()
        self._ends = [0]
        self._done = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the records."""
        cells, documents, ends = self._cells, self._documents, self._ends
        json, width = self._json.name, len(self._columns)
        scalars_of = itemgetter(*(column.name for column in self._scalars))
        for record in self._records:
            try:
                properties = record[json]
                document = orjson.dumps(properties)
                scalars = scalars_of(record)
            except (KeyError, TypeError):
                scalars, document = self._check_record(record)
            else:
                nulls = document.count(b"null")
                if (
                    type(properties) is not dict
                    or len(record) != width
                    or (nulls and _may_hide_number(properties, nulls))
                ):
                    scalars, document = self._check_record(record)
            cells += scalars
            documents += document
            ends.append(len(documents))
            if len(documents) >= MAX_BATCH_BYTES or len(ends) > self._batch_size:
                yield self._take_batch()
                documents, ends = self._documents, self._ends
        if documents:
            yield self._take_batch()

    def _check_record(self, record: Mapping[str, Any]) -> tuple[Sequence[Any], bytes]:
        """Return the scalar cells and the document of a record, or raise what is wrong with it."""
        if not isinstance(record, Mapping):
            self._refuse(None, f"must be a dict, not {type(record).__name__}.")
        for column in self._columns:
            if column.name not in record and column.info != OPTIONAL:
                self._refuse(column.name, "is missing." + _advice(record))
        if unknown := record.keys() - {column.name for column in self._columns}:
            field = min(unknown, key=str)
            self._refuse(
                str(field),
                "is not a column of the table. Put it into 'properties', or leave it out.",
            )
        try:
            document = values.document(record[self._json.name])
        except ValueError as error:
            self._refuse(self._json.name, str(error), error)
        return [record.get(column.name) for column in self._scalars], document

    def _refuse(self, field: str | None, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise for the current record, or for an earlier one of its batch that is invalid."""
        self._check_cells()
        raise RecordError(self._done + len(self._ends) - 1, field, problem) from cause

    def _take_batch(self) -> pa.RecordBatch:
        rows = len(self._ends) - 1
        buffers = pa.array(self._ends, pa.int32()).buffers()[1], pa.py_buffer(self._documents)
        arrays = {self._json.name: pa.StringArray.from_buffers(rows, *buffers)}
        try:
            for position, column in enumerate(self._scalars):
                cells = self._cells[position :: len(self._scalars)]
                arrays[column.name] = to_arrow(column, cells)
        except ValueError:
            self._check_cells()
            raise
        if (row := too_deep_at(arrays[self._json.name])) is not None:
            raise RecordError(self._done + row, self._json.name, TOO_DEEP)
        self._done += rows
        self._cells.clear()
        self._documents, self._ends = bytearray(), [0]
        return pa.record_batch([arrays[name] for name in self.schema.names], schema=self.schema)

    def _check_cells(self) -> None:
        """Raise for the first row of the batch with a cell that cannot be stored, if any."""
        for position, cell in enumerate(self._cells):
            row, column = divmod(position, len(self._scalars))
            try:
                _checked(self._scalars[column], cell)
            except ValueError as error:
                raise RecordError(
                    self._done + row, self._scalars[column].name, str(error)
                ) from error


def _may_hide_number(properties: dict[str, Any], nulls: int) -> bool:
    """Tell whether ``orjson`` may have written NaN or an infinity as ``null``.

    A closer look is needed only where there are more nulls than Nones at the top level.
    """
    nones = len([None for value in properties.values() if value is None])
    return nulls != nones and not values.all_finite(properties)


def _advice(record: Mapping[str, Any]) -> str:
    if "event" in record or "$distinct_id" in record:
        return (
            " This looks like a line of a Mixpanel export: "
            "read_events_export() and read_profiles_export() make records of those."
        )
    return ""


def _checked(column: Column[Any], value: object) -> Any:
    if value is not None:
        return _CHECKS[type(column.type)](value)
    if not column.nullable:
        raise ValueError("must not be None.")
    return None


def to_arrow(column: Column[Any], cells: Sequence[Any]) -> pa.Array:
    """Convert the cells of a column.

    Raises:
        ValueError: One of them cannot be stored.
    """
    kinds = set(map(type, cells))
    if isinstance(column.type, DateTime):
        counts = _epoch_counts(cells) if kinds == {datetime} else None
        if counts is None:
            counts = pa.array([_checked(column, cell) for cell in cells], pa.int64())
        return counts.view(pa.timestamp("us"))
    if kinds != {str}:
        cells = [_checked(column, cell) for cell in cells]
    return pa.array(cells, pa.string())


def _epoch_counts(cells: Sequence[datetime]) -> pa.Array | None:
    """Return the microseconds since the epoch, None when cells need checks one by one."""
    epoch = EPOCH if cells[0].tzinfo is None else EPOCH_UTC
    try:
        elapsed = pa.array(list(map(sub, cells, repeat(epoch))), pa.duration("us"))
    except TypeError:  # some cells have a time zone, some have none
        return None
    counts = elapsed.view(pa.int64())
    bounds = counts.to_numpy()
    return counts if bounds.min() >= EARLIEST and bounds.max() <= LATEST else None
