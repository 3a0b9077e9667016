"""Convert Arrow data to record batches with the columns of a table, without Python objects.

Reads anything with the Arrow C stream interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html), such as pyarrow's
tables and readers, polars DataFrames and DuckDB's relations, and pandas DataFrames of any version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from mixpanel_data.ingest.arrow_layouts import in_plain_layout, plain_schema
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.json_validation import bad_number_at, levels_of, too_deep_at
from mixpanel_data.ingest.record_batches import arrow_schema, to_arrow
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

_UNKNOWN = "is not a column of the table. Leave it out of the data."
_REPEATED = "occurs more than once."
_NOT_FINITE = "is not valid JSON: it contains NaN or Infinity."
_NO_DOCUMENT = "is not a JSON object."
_NO_ARROW_TYPE = (
    "cannot become Arrow: {}. Cast the column to a type that pyarrow has, such as text."
)


def is_arrow(data: object) -> bool:
    """Tell whether data can be read as Arrow."""
    return (
        hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__") or is_pandas(data)
    )


def is_pandas(data: object) -> bool:
    """Tell whether data is a pandas DataFrame, without importing pandas."""
    return any(f"{kind.__module__}.{kind.__name__}" in _PANDAS for kind in type(data).__mro__)


# From pandas 3 on, the class's ``__module__`` is ``pandas``.
_PANDAS = {"pandas.core.frame.DataFrame", "pandas.DataFrame"}


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
        self._reader, is_written = _reader_of(data)
        self._checks = checks or RowChecks()
        self._columns = list(table.columns)
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._done = 0
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._given = given = plain_schema(self._reader.schema)
        self._check_names(given.names)
        for position, column in enumerate(self._columns):
            if isinstance(column.type, JSON):
                self._json = column
                field = given.field(column.name)
                if _is_nested(field.type):
                    self._check_nested(column, field.type)
                    if _is_written_by_duckdb(field.type):
                        self.schema = self.schema.set(position, field)
                        self.expressions[column.name] = _NESTED_TO_JSON.format(column.name)
                elif not is_written:
                    self.expressions[column.name] = _TEXT_TO_JSON.format(column.name)

    def _check_names(self, given: list[str]) -> None:
        for column in self._columns:
            if column.name not in given and OPTIONAL not in column.info:
                problem = f"is missing from the data, which has the columns {', '.join(given)}."
                raise RecordError(0, column.name, problem)
        known = {column.name for column in self._columns}
        for name in given:
            if name not in known:
                raise RecordError(0, name, _UNKNOWN)
            if given.count(name) > 1:
                raise RecordError(0, name, _REPEATED)

    def _check_nested(self, column: Column[Any], kind: pa.DataType) -> None:
        if not _has_json(kind):
            raise RecordError(0, column.name, f"cannot become JSON: it is {kind}.")
        if levels_of(kind) > MAX_DEPTH:
            raise RecordError(0, column.name, TOO_DEEP)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the data."""
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
                self._checks.bad.refuse(refusal, _content(batch))
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
                    column, self._cells_of(batch, column), self._checks.clock
                )
            except ValueError as error:  # includes pyarrow.ArrowInvalid
                raise FieldError(column.name, str(error)) from error
            except pa.ArrowException as error:
                raise FieldError(column.name, _NO_ARROW_TYPE.format(error)) from error
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
        if not _is_text(cells.type) or column.name not in self.expressions:
            return batch, rows
        texts = pa.table({column.name: cells.cast(pa.string())})
        with duckdb.connect(":memory:") as reader:
            found = f"{self.expressions[column.name]} IS NOT NULL AS found"
            kept = reader.from_arrow(texts).project(found).to_arrow_table().column(0)
        for position in np.flatnonzero(~np.array(kept)).tolist():
            error = RecordError(int(rows[position]), column.name, _NO_DOCUMENT)
            self._checks.bad.refuse(error, _content(batch.slice(position, 1)))
        return batch.filter(kept.combine_chunks()), rows[np.array(kept)]

    def _cells_of(self, batch: pa.RecordBatch, column: Column[Any]) -> pa.Array:
        if column.name not in batch.schema.names:
            return pa.nulls(batch.num_rows)
        cells = batch.column(column.name)
        if isinstance(cells, pa.DictionaryArray):
            return cells.dictionary_decode()
        if isinstance(cells, pa.ExtensionArray) and _is_text(cells.storage.type):
            return cells.storage
        return cells


def _content(row: pa.RecordBatch) -> dict[str, Any]:
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
            number_or_bytes = pa.binary() if _is_text(cell.type) else pa.int64()
            cells[name] = repr(cell.cast(number_or_bytes, safe=False)[0].as_py())
    return cells


def _checked_documents(column: Column[Any], cells: pa.Array) -> pa.Array:
    is_text = not _is_nested(cells.type)
    if is_text and too_deep_at(cells) is not None:
        raise FieldError(column.name, TOO_DEEP)
    if bad_number_at(cells) is not None:
        raise FieldError(column.name, _NOT_FINITE)
    try:
        return without_repeated_members(cells) if is_text else cells
    except ValueError as error:
        raise FieldError(column.name, _NO_DOCUMENT) from error


def _reader_of(data: Any) -> tuple[pa.RecordBatchReader, bool]:
    """Return the batches of data, and whether we have written its documents ourselves."""
    if is_pandas(data):
        table, is_written = _from_pandas(data)
        return table.to_reader(), is_written
    try:
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
        raise RecordError(0, name, _NO_ARROW_TYPE.format(error)) from error


def _from_pandas(frame: Any) -> tuple[pa.Table, bool]:
    for position, name in enumerate(frame.columns):
        if not isinstance(name, str):
            raise RecordError(0, str(name), _UNKNOWN)
        if name in frame.columns[:position]:
            raise RecordError(0, name, _REPEATED)
    written = _with_documents(frame)
    given = frame if written is None else written
    try:
        return pa.Table.from_pandas(given, preserve_index=False), written is not None
    except _NO_ARROW as error:
        for name in frame.columns:
            _refuse_mixed(name, given[name])
        raise RecordError(0, None, _NO_ARROW_TYPE.format(error)) from error


#: What pyarrow raises for a column of objects without a common Arrow type.
_NO_ARROW = (pa.ArrowException, OverflowError, UnicodeEncodeError)


def _refuse_mixed(name: str, cells: Any) -> None:
    """Raise for the first cell of a pandas column whose type differs from that of the first."""
    try:
        pa.array(cells, from_pandas=True)
    except _NO_ARROW as error:
        kinds = [type(cell) for cell in cells]
        index = next((i for i, kind in enumerate(kinds) if kind is not kinds[0]), 0)
        raise RecordError(index, name, f"cannot become Arrow: {error}.") from error


def _with_documents(frame: Any) -> Any:
    """Serialize a pandas column of dicts; as structs in Arrow, each would get the keys of all.

    Returns:
        The frame with JSON text, as records have it; None where it has no dicts.
    """
    if "properties" not in frame.columns or frame["properties"].dtype != object:
        return None
    cells = frame["properties"]
    if not any(isinstance(cell, Mapping) for cell in cells):
        return None
    texts = []
    for index, value in enumerate(map(_parsed_document, cells)):
        try:
            texts.append(None if values.is_missing(value) else values.document(value).decode())
        except ValueError as error:
            raise RecordError(index, "properties", str(error)) from error
    return frame.assign(properties=texts)


def _parsed_document(cell: Any) -> Any:
    """Return what JSON text says; any other cell as it is."""
    if not isinstance(cell, str):
        return cell
    try:
        return values.parse_json(cell.encode())
    except ValueError:
        return cell


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))


def _is_text(kind: pa.DataType) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _has_json(kind: pa.DataType) -> bool:
    """Tell whether DuckDB can convert all values of a type to valid JSON."""
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        # DuckDB converts a struct without names to an array, and ends a name at a NUL character.
        is_named = all(name and "\0" not in name for name in names) and names != []
        return is_named and len({*names}) == len(names) and all(_has_json(f.type) for f in kind)
    if pa.types.is_map(kind):
        return _is_text(kind.key_type) and _has_json(kind.item_type)
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _has_json(kind.value_type)
    return _is_text(kind) or any(is_one(kind) for is_one in _SCALARS)


def _is_written_by_duckdb(kind: pa.DataType) -> bool:
    """Tell whether DuckDB writes values of a type as JSON exactly as records are written.

    It writes times otherwise, and refuses a map that has a key twice.
    """
    if pa.types.is_map(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return False
    return all(_is_written_by_duckdb(kind.field(i).type) for i in range(kind.num_fields))


def _as_python(value: Any, kind: pa.DataType) -> Any:
    """Return a value of pyarrow with dicts in the place of maps. Of equal keys the last counts."""
    if value is None or not pa.types.is_nested(kind):
        return value
    if pa.types.is_map(kind):
        return {key: _as_python(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {field.name: _as_python(value[field.name], field.type) for field in kind}
    return [_as_python(item, kind.value_type) for item in value]


def _documents(cells: pa.Array) -> pa.Array:
    """Return structs or maps as JSON text, as records are written."""
    try:
        rows = cells.to_pylist()
    except (KeyError, OverflowError) as error:  # such as a time zone that is not known here
        raise ValueError(f"cannot become JSON: {error}.") from error
    return pa.array([values.document(_as_python(row, cells.type)) for row in rows], pa.binary())


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


def _convert_cells(
    column: Column[Any], cells: pa.Array, clock: Clock
) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """Convert cells to the type of their column; event times as they stand in the source.

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
        if not _is_written_by_duckdb(cells.type):
            cells = _documents(cells).cast(pa.string())
        return cells, None
    return _texts(column, cells, clock), None


def _texts(column: Column[Any], cells: pa.Array, clock: Clock) -> pa.Array:
    is_id = IDENTIFIER in column.info
    if is_id and pa.types.is_null(cells.type):
        cells = cells.cast(pa.string())
    if not _is_text(cells.type) and len(cells):
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


def frame_records(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a pandas DataFrame as records, for one that cannot become Arrow."""
    names = list(frame.columns)
    for cells in frame.itertuples(index=False, name=None):
        record = dict(zip(names, cells, strict=True))
        if "properties" in record:
            record["properties"] = _parsed_document(record["properties"])
        yield record
