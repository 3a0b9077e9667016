"""Convert dicts to Arrow record batches, and check them.

Ordinary records go through C code only: one ``itemgetter`` and one document per record, one
``set(map(type, ...))`` per column and batch. When these find anything else, the slower functions of
:mod:`mixpanel_data.common.values` and its neighbours look at record by record and field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import JSON, Column, DateTime, String, Table

from mixpanel_data.common import json_documents, times, values
from mixpanel_data.common.json_depth import TOO_DEEP, exceeds_depth
from mixpanel_data.exceptions import RecordError
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.json_validation import too_deep_at
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.time_columns import counts_of
from mixpanel_data.schema.tables import BLANK, CLOCK, IDENTIFIER, OPTIONAL

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
        checks: What the rows go through.

    Attributes:
        schema: Arrow schema of the batches.
        expressions: Empty: the batches hold the cells as they are stored.

    Raises:
        RecordError: While iterating: the first record that cannot be stored, with index and field,
            unless such records are left out. What the iterable itself raises is not caught.
        TimeUnitError: While iterating: the times of events are in different units.
    """

    def __init__(
        self,
        records: Iterable[Mapping[str, Any]],
        table: Table,
        batch_size: int | None = None,
        checks: RowChecks | None = None,
    ) -> None:
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._records = records
        self._checks = checks or RowChecks()
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._columns = list(table.columns)
        (self._json,) = (column for column in self._columns if isinstance(column.type, JSON))
        self._scalars = [column for column in self._columns if column is not self._json]
        self._known = {column.name for column in self._columns}
        self._required = {c.name for c in self._columns if OPTIONAL not in c.info}
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
        names = [column.name for column in self._scalars]
        scalars_of = itemgetter(*names)
        for record in self._records:
            try:
                document = json_documents.document(record[json])
                if len(record) == width:
                    scalars = scalars_of(record)
                elif self._required <= record.keys() <= self._known:
                    scalars = map(record.get, names)
                else:
                    raise KeyError
            except (KeyError, TypeError, IndexError, AttributeError, ValueError):
                try:
                    scalars, document = self._parts_of(record)
                except FieldError as error:
                    yield from self._take_batch()
                    documents, ends = self._documents, self._ends
                    self._refuse(0, error, record)
                    self._done += 1
                    continue
            cells += scalars
            documents += document
            ends.append(len(documents))
            if len(documents) >= MAX_BATCH_BYTES or len(ends) > self._batch_size:
                yield from self._take_batch()
                documents, ends = self._documents, self._ends
        yield from self._take_batch()

    def _parts_of(self, record: Mapping[str, Any]) -> tuple[Sequence[Any], bytes]:
        """Return the scalar cells and the document of a record.

        Raises:
            FieldError: It has other fields than the columns, or its properties are no document.
        """
        if not isinstance(record, Mapping):
            raise FieldError(None, f"must be a dict, not {type(record).__name__}.")
        for column in self._columns:
            if column.name not in record and column.name in self._required:
                raise FieldError(column.name, "is missing." + _advice(record))
        if not record.keys() <= self._known:
            self._known |= self._checks.property_columns()
        if unknown := record.keys() - self._known:
            raise FieldError(
                str(min(unknown, key=str)),
                "is not a column of the table. Put it into 'properties', or leave it out.",
            )
        properties = record[self._json.name]
        try:
            document = json_documents.document(properties)
        except ValueError as error:
            advice = _TEXT_ADVICE if isinstance(properties, (str, bytes)) else ""
            raise FieldError(self._json.name, f"{error}{advice}") from error
        return [record.get(column.name) for column in self._scalars], document

    def _refuse(self, row: int, error: FieldError, content: object) -> None:
        """Raise for a row of the batch, or leave it out."""
        refusal = RecordError(self._done + row, error.field, str(error))
        refusal.__cause__ = error.__cause__
        self._checks.bad.refuse(refusal, content)

    def _take_batch(self) -> Iterator[pa.RecordBatch]:
        """Yield the batch so far, unless it has no rows, and begin another one."""
        read = len(self._ends) - 1
        if not read:
            return
        try:
            arrays, is_local = self._arrays()
        except ValueError:
            self._leave_out_bad_rows()
            arrays, is_local = self._arrays()
        rows = len(self._ends) - 1
        self._done += read
        self._cells.clear()
        self._documents, self._ends = bytearray(), [0]
        if not rows:
            return
        batch = pa.record_batch([arrays[name] for name in self.schema.names], schema=self.schema)
        yield self._checks.finished(batch, is_local)

    def _arrays(self) -> tuple[dict[str, pa.Array], npt.NDArray[np.bool_] | None]:
        """Return the columns of the batch, and which event times are of the clock's time zone.

        Raises:
            ValueError: A row cannot be stored.
        """
        rows = len(self._ends) - 1
        buffers = pa.array(self._ends, pa.int32()).buffers()[1], pa.py_buffer(self._documents)
        arrays = {self._json.name: pa.StringArray.from_buffers(rows, *buffers)}
        if too_deep_at(arrays[self._json.name]) is not None:
            raise ValueError(TOO_DEEP)
        is_local = None
        for position, column in enumerate(self._scalars):
            cells = self._cells[position :: len(self._scalars)]
            arrays[column.name], local = to_arrow(column, cells, self._checks.clock)
            is_local = local if CLOCK in column.info else is_local
        return arrays, is_local

    def _leave_out_bad_rows(self) -> None:
        """Keep the rows of the batch that can be stored, and refuse the others."""
        width, documents, ends = len(self._scalars), self._documents, self._ends
        cells = self._cells.copy()
        self._cells.clear()
        self._documents, self._ends = bytearray(), [0]
        for row in range(len(ends) - 1):
            scalars = cells[row * width : (row + 1) * width]
            document = bytes(documents[ends[row] : ends[row + 1]])
            try:
                self._check(scalars, document)
            except FieldError as error:
                names = (column.name for column in self._scalars)
                record = dict(zip(names, scalars, strict=True))
                self._refuse(
                    row, error, {**record, self._json.name: json_documents.parse_json(document)}
                )
            else:
                self._cells += scalars
                self._documents += document
                self._ends.append(len(self._documents))

    def _check(self, scalars: Sequence[Any], document: bytes) -> None:
        """Raise for the first cell of a row that cannot be stored."""
        for column, cell in zip(self._scalars, scalars, strict=True):
            try:
                checked(column, cell, self._checks.clock)
            except ValueError as error:
                raise FieldError(column.name, str(error)) from error
        if exceeds_depth(document):
            raise FieldError(self._json.name, TOO_DEEP)


#: Rows of a query in SQL text have documents as JSON text.
_TEXT_ADVICE = (
    " If it is JSON text, parse it with json.loads(), or load what execute_df() or execute_arrow() "
    "returns, as it is."
)


def _advice(record: Mapping[str, Any]) -> str:
    if "event" in record or "$distinct_id" in record:
        return (
            " This looks like a line of a Mixpanel export: "
            "read_events_export() and read_profiles_export() make records of those."
        )
    return ""


def checked(column: Column[Any], value: object, clock: Clock) -> Any:
    """Return a cell as its column holds it, of a time its microseconds.

    Of the time of an event it is what :meth:`~mixpanel_data.ingest.clock.Clock.read` returns.

    Raises:
        ValueError: The column cannot hold it.
    """
    if values.is_missing(value):
        if BLANK in column.info:
            return ""
        if not column.nullable:
            raise ValueError("must not be None.")
        return None
    if CLOCK in column.info:
        return clock.read(value)
    if isinstance(column.type, DateTime):
        return times.microseconds(value)
    return values.identifier(value) if IDENTIFIER in column.info else values.text(value)


def to_arrow(
    column: Column[Any], cells: Sequence[Any], clock: Clock
) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """Convert the cells of a column; event times as they stand in the source.

    Returns:
        The cells, and which of them are times of the clock's time zone; None for none of them.

    Raises:
        ValueError: One of them cannot be stored.
    """
    if isinstance(column.type, DateTime):
        counts, is_local = _times(column, cells, clock)
        return pa.array(counts, pa.int64()).view(pa.timestamp("us")), is_local
    kinds = set(map(type, cells))
    if IDENTIFIER in column.info and kinds == {int}:
        cells = list(map(str, cells))
    elif kinds != {str}:
        cells = [checked(column, cell, clock) for cell in cells]
    return pa.array(cells, pa.string()), None


def _times(
    column: Column[Any], cells: Sequence[Any], clock: Clock
) -> tuple[Any, npt.NDArray[np.bool_] | None]:
    is_event_time = CLOCK in column.info
    if (found := counts_of(cells, clock if is_event_time else Clock())) is not None:
        counts, all_local = found
        return counts, np.full(len(cells), True) if all_local else None
    read = [checked(column, cell, clock) for cell in cells]
    if not is_event_time:
        return read, None
    return [count for count, _ in read], np.array([local for _, local in read], np.bool_)
