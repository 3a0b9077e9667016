"""Convert Arrow data to record batches with the columns of a table, without Python objects.

Reads anything with the Arrow C stream interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html), such as pyarrow's
tables and readers, polars DataFrames and DuckDB's relations, and pandas DataFrames of any version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, Column, DateTime, Table

from mixpanel_data.common import values
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP
from mixpanel_data.common.values import EARLIEST, LATEST
from mixpanel_data.dialect.sql.builtin import builtin
from mixpanel_data.exceptions import RecordError
from mixpanel_data.ingest.json_validation import bad_number_at, levels_of, too_deep_at
from mixpanel_data.ingest.record_batches import arrow_schema, to_arrow
from mixpanel_data.schema.tables import OPTIONAL

# NULL for anything but a JSON object. DuckDB's JSON parser accepts more than JSON, such as trailing
# commas; `json_extract` serializes the document again, so that these do not get into the table.
_TEXT_TO_JSON = builtin("""
    CASE WHEN starts_with({0}, '{{') OR starts_with(ltrim({0}, E' \\t\\n\\r'), '{{')
    THEN TRY(json_extract({0}, '$')) END
""")
_NESTED_TO_JSON = builtin("to_json({0})")

#: The most rows of a batch, unless the caller chooses another number.
DEFAULT_BATCH_SIZE = 65_536

_UNKNOWN = "is not a column of the table. Leave it out of the data."
_REPEATED = "occurs more than once."
_NOT_FINITE = "is not valid JSON: it contains NaN or Infinity."


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

    Attributes:
        schema: Arrow schema of the batches.
        expressions: SQL that converts the documents to JSON.

    Raises:
        RecordError: A column is missing, unknown or of a type that cannot be stored; while
            iterating: the first row with a value that cannot be stored.
    """

    def __init__(self, data: Any, table: Table, batch_size: int | None) -> None:
        self._reader = _reader_of(data)
        self._columns = list(table.columns)
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._done = 0
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        given = self._reader.schema
        self._check_names(given.names)
        for position, column in enumerate(self._columns):
            if isinstance(column.type, JSON):
                field = given.field(column.name)
                if _is_nested(field.type):
                    self._check_nested(column, field.type)
                    self.schema = self.schema.set(position, field)
                    expression = _NESTED_TO_JSON
                else:
                    expression = _TEXT_TO_JSON
                self.expressions[column.name] = expression.format(column.name)

    def _check_names(self, given: list[str]) -> None:
        for column in self._columns:
            if column.name not in given and column.info != OPTIONAL:
                problem = f"is missing from the data, which has the columns {', '.join(given)}."
                self._refuse(0, column, problem)
        known = {column.name for column in self._columns}
        for name in given:
            if name not in known:
                raise RecordError(0, name, _UNKNOWN)
            if given.count(name) > 1:
                raise RecordError(0, name, _REPEATED)

    def _check_nested(self, column: Column[Any], kind: pa.DataType) -> None:
        if not _has_json(kind):
            self._refuse(0, column, f"cannot become JSON: it is {kind}.")
        if levels_of(kind) > MAX_DEPTH:
            self._refuse(0, column, TOO_DEEP)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Consume the data."""
        for batch in self._reader:
            for start in range(0, batch.num_rows, self._batch_size):
                yield self._convert_batch(batch.slice(start, self._batch_size))

    def _convert_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        given = [self._cells_of(batch, column) for column in self._columns]
        try:
            arrays = list(map(_convert_cells, self._columns, given))
        except ValueError:  # includes pyarrow.ArrowInvalid
            self._refuse_first_invalid(given)
            raise
        for column, cells in zip(self._columns, arrays, strict=True):
            if isinstance(column.type, JSON):
                self._check_documents(column, cells)
        self._done += batch.num_rows
        return pa.record_batch(arrays, schema=self.schema)

    def _check_documents(self, column: Column[Any], cells: pa.Array) -> None:
        if not _is_nested(cells.type) and (row := too_deep_at(cells)) is not None:
            self._refuse(self._done + row, column, TOO_DEEP)
        if (row := bad_number_at(cells)) is not None:
            self._refuse(self._done + row, column, _NOT_FINITE)

    def _cells_of(self, batch: pa.RecordBatch, column: Column[Any]) -> pa.Array:
        if column.name not in batch.schema.names:
            return pa.nulls(batch.num_rows)
        cells = batch.column(column.name)
        if isinstance(cells, pa.DictionaryArray):
            return cells.dictionary_decode()
        if isinstance(cells, pa.ExtensionArray) and _is_text(cells.storage.type):
            return cells.storage
        return cells

    def _refuse_first_invalid(self, given: list[pa.Array]) -> None:
        """Raise for the first row with a cell that cannot be stored."""
        for index in range(len(given[0])):
            for column, cells in zip(self._columns, given, strict=True):
                try:
                    _convert_cells(column, cells.slice(index, 1))
                except ValueError as error:
                    self._refuse(self._done + index, column, str(error), error)

    def _refuse(
        self, index: int, column: Column[Any], problem: str, cause: Exception | None = None
    ) -> NoReturn:
        raise RecordError(index, column.name, problem) from cause


def _reader_of(data: Any) -> pa.RecordBatchReader:
    if is_pandas(data):
        data = _from_pandas(data)
    elif not hasattr(data, "__arrow_c_stream__"):
        data = pa.Table.from_batches([pa.record_batch(data)])
    if isinstance(data, pa.Table):
        return data.to_reader()
    if isinstance(data, pa.RecordBatchReader):
        return data
    return pa.RecordBatchReader.from_stream(data)


def _from_pandas(frame: Any) -> pa.Table:
    for position, name in enumerate(frame.columns):
        if not isinstance(name, str):
            raise RecordError(0, str(name), _UNKNOWN)
        if name in frame.columns[:position]:
            raise RecordError(0, name, _REPEATED)
    try:
        return pa.Table.from_pandas(_with_documents(frame), preserve_index=False)
    except _NO_ARROW:
        for name in frame.columns:
            _refuse_mixed(name, frame[name])
        raise


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
    """Serialize a pandas column of dicts; as structs in Arrow, each would get the keys of all."""
    if "properties" not in frame.columns or frame["properties"].dtype != object:
        return frame
    texts = []
    for index, value in enumerate(frame["properties"]):
        try:
            texts.append(values.document(value).decode() if isinstance(value, Mapping) else value)
        except ValueError as error:
            raise RecordError(index, "properties", str(error)) from error
    return frame.assign(properties=texts)


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


def _convert_cells(column: Column[Any], cells: pa.Array) -> pa.Array:
    """Convert cells to the type of their column.

    Raises:
        ValueError: One of them cannot be stored.
    """
    is_json = isinstance(column.type, JSON)
    if cells.null_count and (is_json or not column.nullable):
        raise ValueError("must not be None.")
    if isinstance(column.type, DateTime):
        return _times(column, cells)
    if is_json and _is_nested(cells.type):
        cells.validate(full=True)
        return cells
    return _texts(column, cells)


def _texts(column: Column[Any], cells: pa.Array) -> pa.Array:
    is_text = _is_text(cells.type)
    is_number = pa.types.is_integer(cells.type) and not isinstance(column.type, JSON)
    if not (is_text or is_number or len(cells) == 0):
        raise ValueError(f"must be text, not {cells.type}.")
    texts = cells.cast(pa.string())
    texts.validate(full=True)
    return texts


def _times(column: Column[Any], cells: pa.Array) -> pa.Array:
    if pa.types.is_null(cells.type):
        return cells.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(cells.type):
        return to_arrow(column, cells.to_pylist())
    if cells.type.unit == "ns":
        cells = pc.floor_temporal(cells, unit="microsecond")
    counts = cells.cast(pa.timestamp("us", cells.type.tz), safe=cells.type.unit != "ns")
    counts = counts.cast(pa.int64())
    bounds = pc.min_max(counts).as_py()
    if bounds["min"] is not None and not EARLIEST <= bounds["min"] <= bounds["max"] <= LATEST:
        raise ValueError("is not between the years 1 and 9999.")
    return counts.cast(pa.timestamp("us"))
