"""Convert Arrow data to record batches with the columns of a table, without Python objects.

Reads anything with the Arrow C stream interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html), such as pyarrow's
tables and readers, polars DataFrames and DuckDB's relations, and pandas DataFrames of any version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import JSON, Table

from mixpanel_data.exceptions import RecordError, TimeUnitError
from mixpanel_data.ingest.arrow_cells import cells_of, content_of, converted
from mixpanel_data.ingest.arrow_documents import (
    NESTED_TO_JSON,
    NO_DOCUMENT,
    STORED_TO_JSON,
    TEXT_TO_JSON,
    checked,
    is_nested,
    is_written_by_duckdb,
    kind_in,
    require_json,
)
from mixpanel_data.ingest.arrow_layouts import (
    extension_in,
    in_plain_layout,
    is_text,
    plain_schema,
)
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.frames import (
    NO_ARROW_TYPE,
    REPEATED,
    UNKNOWN,
    from_pandas,
    is_pandas,
    with_index,
)
from mixpanel_data.ingest.record_batches import arrow_schema
from mixpanel_data.ingest.relations import without_loss
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.stored_rows import StoredRows
from mixpanel_data.schema.property_fields import is_marked
from mixpanel_data.schema.tables import CLOCK, OPTIONAL

#: The most rows of a batch, unless the caller chooses another number.
DEFAULT_BATCH_SIZE = 65_536

#: The most bytes of a batch, unless one row has more. DuckDB holds some batches at a time.
MAX_BATCH_BYTES = 8 * 1024 * 1024

_EXTENSION = "cannot be stored: it is {}. Cast it to text, a number or a time."


def is_arrow(data: object) -> bool:
    """Tell whether data can be read as Arrow."""
    return (
        hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__") or is_pandas(data)
    )


class ArrowBatches:
    """An iterator of Arrow record batches with the columns of a table.

    Columns are matched by name, in any order. Text columns take text of any Arrow layout and
    integers; time columns take timestamps of any unit and zone, ISO 8601 text and epoch seconds;
    ``properties`` takes JSON text, a struct or a map.

    Args:
        data: The Arrow data; consumed once, in the thread that iterates.
        table: The table it is for.
        batch_size: The most rows of a batch.
        checks: What the rows go through.

    Attributes:
        schema: Arrow schema of the batches.
        expressions: SQL that converts the documents to JSON.

    Raises:
        RecordError: A column is missing, unknown or of a type that cannot be stored; while
            iterating: the first row with a value that cannot be stored, unless such rows are left
            out.
        TimeUnitError: While iterating: the times of events are in different units.
    """

    def __init__(
        self,
        data: Any,
        table: Table,
        batch_size: int | None = None,
        checks: RowChecks | None = None,
    ) -> None:
        self._reader, is_written = _reader_of(data, table)
        self._are_stored = isinstance(data, StoredRows)
        self._checks = checks or RowChecks()
        self._columns = list(table.columns)
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._done = 0
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._given = given = plain_schema(self._reader.schema)
        self._check_columns(given)
        for position, column in enumerate(self._columns):
            if isinstance(column.type, JSON):
                self._json = column
                field = given.field(column.name)
                self._kind = kind_in(data, field)
                if is_nested(field.type):
                    try:
                        require_json(self._kind)
                    except ValueError as error:
                        raise RecordError(0, column.name, str(error)) from None
                    if is_written_by_duckdb(self._kind):
                        self.schema = self.schema.set(position, field)
                        self.expressions[column.name] = NESTED_TO_JSON.format(column.name)
                elif not is_written:
                    to_json = STORED_TO_JSON if self._are_stored else TEXT_TO_JSON
                    self.expressions[column.name] = to_json.format(column.name)

    def _check_columns(self, given: pa.Schema) -> None:
        has = f"which has the columns {', '.join(given.names)}" if given.names else "which has none"
        for column in self._columns:
            if column.name not in given.names and OPTIONAL not in column.info:
                raise RecordError(0, column.name, f"is missing from the data, {has}.")
        known = {column.name for column in self._columns}
        if not known.issuperset(given.names):
            derived = self._checks.property_columns()
            given = pa.schema(f for f in given if f.name not in derived and not is_marked(f))
        for field in given:
            if field.name not in known:
                raise RecordError(0, field.name, UNKNOWN)
            if given.names.count(field.name) > 1:
                raise RecordError(0, field.name, REPEATED)
            if (extension := extension_in(field)) is not None:
                raise RecordError(0, field.name, _EXTENSION.format(extension))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the data."""
        with self._reader:  # a relation keeps its connection busy until its reader is closed
            for given in self._reader:
                for batch in self._parts_of(given):
                    rows = np.arange(self._done, self._done + batch.num_rows)
                    self._done += batch.num_rows
                    if self._checks.bad.skip:
                        batch, rows = self._with_documents(batch, rows)
                    yield from self._converted(batch, rows)

    def _parts_of(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield a batch in parts that are not too large."""
        for start in range(0, batch.num_rows, self._batch_size):
            part = batch.slice(start, self._batch_size)
            # pyarrow 18 cannot tell how many bytes the layout of a view has.
            yield from _halves_of(in_plain_layout(part, self._given))

    def _converted(
        self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64]
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows as they are stored: at once, or where one of them is bad, half by half.

        Args:
            batch: The rows.
            rows: The position of each in the input.
        """
        if not len(rows):
            return
        try:
            finished = self._convert_batch(batch)
        except FieldError as error:
            if (half := len(rows) // 2) == 0:
                refusal = RecordError(int(rows[0]), error.field, str(error))
                refusal.__cause__ = error.__cause__
                self._checks.bad.refuse(refusal, content_of(batch))
                return
            yield from self._converted(batch.slice(0, half), rows[:half])
            yield from self._converted(batch.slice(half), rows[half:])
        else:
            yield finished

    def _convert_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays, is_local = [], None
        for column in self._columns:
            try:
                cells, local = converted(
                    column, cells_of(batch, column), self._checks.clock, self._kind
                )
            except ValueError as error:  # includes pyarrow.ArrowInvalid
                raise FieldError(column.name, str(error)) from error
            except pa.ArrowException as error:
                raise FieldError(column.name, NO_ARROW_TYPE.format(error)) from error
            arrays.append(cells)
            is_local = local if CLOCK in column.info else is_local
        position = self._columns.index(self._json)
        try:
            arrays[position] = checked(arrays[position], are_stored=self._are_stored)
        except ValueError as error:
            raise FieldError(self._json.name, str(error)) from error
        finished = pa.record_batch(arrays, schema=self.schema)
        if self._are_stored:
            return finished
        try:
            return self._checks.finished(finished, is_local)
        except TimeUnitError:
            raise
        except ValueError as error:  # an id cannot be made of what is no document
            raise FieldError(self._json.name, NO_DOCUMENT) from error

    def _with_documents(
        self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
        """Leave out rows whose text is no document; otherwise DuckDB finds them at the end."""
        column = self._json
        cells = cells_of(batch, column)
        if not is_text(cells.type) or column.name not in self.expressions:
            return batch, rows
        texts = pa.table({column.name: cells.cast(pa.string())})
        with duckdb.connect(":memory:") as reader:
            found = f"{self.expressions[column.name]} IS NOT NULL AS found"
            kept = reader.from_arrow(texts).project(found).to_arrow_table().column(0)
        for position in np.flatnonzero(~np.array(kept)).tolist():
            error = RecordError(int(rows[position]), column.name, NO_DOCUMENT)
            self._checks.bad.refuse(error, content_of(batch.slice(position, 1)))
        return batch.filter(kept.combine_chunks()), rows[np.array(kept)]


def _halves_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 1 or batch.nbytes <= MAX_BATCH_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halves_of(batch.slice(0, half))
    yield from _halves_of(batch.slice(half))


def _reader_of(data: Any, table: Table) -> tuple[pa.RecordBatchReader, bool]:
    """Return the batches of data, and whether we have written its documents ourselves."""
    if is_pandas(data):
        arrow, is_written = from_pandas(with_index(data, table.columns.keys()))
        return arrow.to_reader(), is_written
    if isinstance(data, StoredRows):
        return data.reader, False
    try:
        if isinstance(data, duckdb.DuckDBPyRelation):
            return without_loss(data, table).to_arrow_reader(DEFAULT_BATCH_SIZE), False
        if not hasattr(data, "__arrow_c_stream__"):
            data = pa.Table.from_batches([pa.record_batch(data)])
        if isinstance(data, pa.Table):
            return data.to_reader(), False
        if isinstance(data, pa.RecordBatchReader):
            return data, False
        return pa.RecordBatchReader.from_stream(data), False
    except (pa.ArrowException, ValueError, TypeError) as error:
        names = getattr(data, "columns", ())
        for name in names if isinstance(names, list) else ():
            _require_arrow_type(data, name)
        raise TypeError(
            f"data is a {type(data).__name__} that has no columns, or none that pyarrow can read. "
            "Pass a table, a data frame or an iterable of records."
        ) from error


def _require_arrow_type(frame: Any, name: str) -> None:
    """Raise for a column of a data frame whose type pyarrow does not have."""
    try:
        pa.RecordBatchReader.from_stream(frame[[name]])
    except (pa.ArrowException, ValueError) as error:
        raise RecordError(0, name, NO_ARROW_TYPE.format(error)) from error
