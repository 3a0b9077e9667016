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
import pyarrow.compute as pc
from sqlalchemy import JSON, Column, DateTime, Table

from mixpanel_data.common import values
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP
from mixpanel_data.common.values import EARLIEST, LATEST
from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.exceptions import RecordError, TimeUnitError
from mixpanel_data.ingest.arrow_layouts import (
    extension_in,
    in_plain_layout,
    is_text,
    plain_schema,
)
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.frames import (
    NO_ARROW_TYPE,
    REPEATED,
    UNKNOWN,
    from_pandas,
    is_pandas,
    with_index,
)
from mixpanel_data.ingest.json_validation import bad_number_at, levels_of, too_deep_at
from mixpanel_data.ingest.record_batches import arrow_schema, to_arrow
from mixpanel_data.ingest.relations import INTEGER_TEXT, integers_named, without_loss
from mixpanel_data.ingest.repeated_members import without_repeated_members
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.schema.tables import BLANK, CLOCK, IDENTIFIER, OPTIONAL

# NULL for anything but a JSON object. DuckDB's JSON parser accepts more than JSON, such as trailing
# commas; `json_extract` serializes the document again, so that these do not get into the table.
_TEXT_TO_JSON = qualify_builtins("""
    CASE WHEN starts_with({0}, '{{') OR starts_with(ltrim({0}, E' \\t\\n\\r'), '{{')
    THEN TRY(json_extract({0}, '$')) END
""")
_NESTED_TO_JSON = qualify_builtins("to_json({0})")

#: The most rows of a batch, unless the caller chooses another number.
DEFAULT_BATCH_SIZE = 65_536

_NOT_FINITE = "is not valid JSON: it contains NaN or Infinity."
_NO_DOCUMENT = "is not a JSON object."
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
                self._kind = _kind_in(data, field)
                if _is_nested(field.type):
                    self._check_nested(column, self._kind)
                    if _is_written_by_duckdb(self._kind):
                        self.schema = self.schema.set(position, field)
                        self.expressions[column.name] = _NESTED_TO_JSON.format(column.name)
                elif not is_written:
                    self.expressions[column.name] = _TEXT_TO_JSON.format(column.name)

    def _check_columns(self, given: pa.Schema) -> None:
        has = f"which has the columns {', '.join(given.names)}" if given.names else "which has none"
        for column in self._columns:
            if column.name not in given.names and OPTIONAL not in column.info:
                raise RecordError(0, column.name, f"is missing from the data, {has}.")
        known = {column.name for column in self._columns}
        for field in given:
            if field.name not in known:
                raise RecordError(0, field.name, UNKNOWN)
            if given.names.count(field.name) > 1:
                raise RecordError(0, field.name, REPEATED)
            if (extension := extension_in(field)) is not None:
                raise RecordError(0, field.name, _EXTENSION.format(extension))

    def _check_nested(self, column: Column[Any], kind: pa.DataType) -> None:
        if not _has_json(kind):
            raise RecordError(0, column.name, f"cannot become JSON: it is {kind}.")
        if levels_of(kind) > MAX_DEPTH:
            raise RecordError(0, column.name, TOO_DEEP)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the data."""
        with self._reader:  # a relation keeps its connection busy until its reader is closed
            for given in self._reader:
                for start in range(0, given.num_rows, self._batch_size):
                    batch = in_plain_layout(given.slice(start, self._batch_size), self._given)
                    rows = np.arange(self._done, self._done + batch.num_rows)
                    self._done += batch.num_rows
                    if self._checks.bad.skip:
                        batch, rows = self._with_documents(batch, rows)
                    yield from self._converted(batch, rows)

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
                cells, local = _convert_cells(
                    column, self._cells_of(batch, column), self._checks.clock, self._kind
                )
            except ValueError as error:  # includes pyarrow.ArrowInvalid
                raise FieldError(column.name, str(error)) from error
            except pa.ArrowException as error:
                raise FieldError(column.name, NO_ARROW_TYPE.format(error)) from error
            arrays.append(cells)
            is_local = local if CLOCK in column.info else is_local
        for position, column in enumerate(self._columns):
            if column is self._json:
                arrays[position] = _checked_documents(column, arrays[position])
        try:
            return self._checks.finished(pa.record_batch(arrays, schema=self.schema), is_local)
        except TimeUnitError:
            raise
        except ValueError as error:  # an id cannot be made of what is no document
            raise FieldError(self._json.name, _NO_DOCUMENT) from error

    def _with_documents(
        self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
        """Leave out rows whose text is no document; otherwise DuckDB finds them at the end."""
        column = self._json
        cells = self._cells_of(batch, column)
        if not is_text(cells.type) or column.name not in self.expressions:
            return batch, rows
        texts = pa.table({column.name: cells.cast(pa.string())})
        with duckdb.connect(":memory:") as reader:
            found = f"{self.expressions[column.name]} IS NOT NULL AS found"
            kept = reader.from_arrow(texts).project(found).to_arrow_table().column(0)
        for position in np.flatnonzero(~np.array(kept)).tolist():
            error = RecordError(int(rows[position]), column.name, _NO_DOCUMENT)
            self._checks.bad.refuse(error, content_of(batch.slice(position, 1)))
        return batch.filter(kept.combine_chunks()), rows[np.array(kept)]

    def _cells_of(self, batch: pa.RecordBatch, column: Column[Any]) -> pa.Array:
        if column.name not in batch.schema.names:
            return pa.nulls(batch.num_rows)
        cells = batch.column(column.name)
        if isinstance(cells, pa.DictionaryArray):
            return cells.dictionary_decode()
        if isinstance(cells, pa.ExtensionArray) and is_text(cells.storage.type):
            return cells.storage
        return cells


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


def _checked_documents(column: Column[Any], cells: pa.Array) -> pa.Array:
    has_texts = not _is_nested(cells.type)
    if has_texts and too_deep_at(cells) is not None:
        raise FieldError(column.name, TOO_DEEP)
    if bad_number_at(cells) is not None:
        raise FieldError(column.name, _NOT_FINITE)
    try:
        return without_repeated_members(cells) if has_texts else cells
    except ValueError as error:
        raise FieldError(column.name, _NO_DOCUMENT) from error


def _kind_in(data: Any, field: pa.Field) -> pa.DataType:
    """Return the type of what documents say, which may be more than Arrow's type of them."""
    if not isinstance(data, duckdb.DuckDBPyRelation):
        return field.type
    return integers_named(field.type, data.types[data.columns.index(field.name)])


def _reader_of(data: Any, table: Table) -> tuple[pa.RecordBatchReader, bool]:
    """Return the batches of data, and whether we have written its documents ourselves."""
    if is_pandas(data):
        arrow, is_written = from_pandas(with_index(data, table.columns.keys()))
        return arrow.to_reader(), is_written
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


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))


def _has_json(kind: pa.DataType) -> bool:
    """Tell whether DuckDB can convert all values of a type to valid JSON."""
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        # DuckDB converts a struct without names to an array, and ends a name at a NUL character.
        is_named = all(name and "\0" not in name for name in names) and names != []
        return is_named and len({*names}) == len(names) and all(_has_json(f.type) for f in kind)
    if pa.types.is_map(kind):
        return is_text(kind.key_type) and _has_json(kind.item_type)
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _has_json(kind.value_type)
    return is_text(kind) or any(is_one(kind) for is_one in _SCALARS) or _is_read_by_us_only(kind)


def _is_read_by_us_only(kind: pa.DataType) -> bool:
    """Tell whether DuckDB does not read a type that pyarrow has values for."""
    if isinstance(kind, pa.BaseExtensionType):
        return bool(kind.extension_name in ("arrow.uuid", "arrow.bool8"))
    return bool(pa.types.is_decimal(kind) and not pa.types.is_decimal128(kind))


def _is_written_by_duckdb(kind: pa.DataType) -> bool:
    """Tell whether DuckDB writes values of a type as JSON exactly as records are written.

    It writes times otherwise, and refuses a map that has a key twice.
    """
    if any(is_one(kind) for is_one in _WRITTEN_HERE) or _is_read_by_us_only(kind):
        return False
    return all(_is_written_by_duckdb(kind.field(i).type) for i in range(kind.num_fields))


def as_python(value: Any, kind: pa.DataType) -> Any:
    """Return a value of pyarrow with dicts in the place of maps. Of equal keys the last counts."""
    if value is not None and kind.equals(INTEGER_TEXT):
        return int(value)
    if value is None or not pa.types.is_nested(kind):
        return value
    if pa.types.is_map(kind):
        return {key: as_python(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {field.name: as_python(value[field.name], field.type) for field in kind}
    return [as_python(item, kind.value_type) for item in value]


def _documents(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return structs or maps as JSON text, as records are written."""
    try:
        rows = cells.to_pylist()
    except (KeyError, OverflowError) as error:  # such as a time zone that is not known here
        raise ValueError(f"cannot become JSON: {error}.") from error
    return pa.array([values.document(as_python(row, kind)) for row in rows], pa.binary())


_SCALARS = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_decimal128,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
)

_WRITTEN_HERE = (
    pa.types.is_map,
    pa.types.is_time,
    pa.types.is_timestamp,
)


def _convert_cells(
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
    if is_json and _is_nested(cells.type):
        cells.validate(full=True)
        if not _is_written_by_duckdb(kind):
            cells = _documents(cells, kind).cast(pa.string())
        return cells, None
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
