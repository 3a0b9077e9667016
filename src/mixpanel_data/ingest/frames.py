"""pandas' data frames as Arrow, or where a column has no Arrow type, as records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import pyarrow as pa

from mixpanel_data.common import json_documents, values
from mixpanel_data.exceptions import RecordError
from mixpanel_data.ingest.arrow_layouts import extension_in

UNKNOWN = (
    "is not a column of the table. Leave it out of the data, which may have property columns only "
    "if the table has them, too."
)
REPEATED = "occurs more than once."
NO_ARROW_TYPE = "cannot become Arrow: {}. Cast the column to a type that pyarrow has, such as text."


def is_pandas(data: object) -> bool:
    """Tell whether data is a pandas DataFrame, without importing pandas."""
    return any(f"{kind.__module__}.{kind.__name__}" in _PANDAS for kind in type(data).__mro__)


# From pandas 3 on, the class's ``__module__`` is ``pandas``.
_PANDAS = {"pandas.core.frame.DataFrame", "pandas.DataFrame"}


def with_index(frame: Any, names: Collection[str]) -> Any:
    """Return a frame with the levels of its index that are columns, such as a set ``insert_id``.

    Args:
        frame: A pandas DataFrame.
        names: The names of the columns.
    """
    levels = [name for name in frame.index.names if name in names and name not in frame.columns]
    return frame.reset_index(level=levels) if levels else frame


def from_pandas(frame: Any) -> tuple[pa.Table, bool]:
    """Return a pandas DataFrame as Arrow, and whether its documents were written here.

    Raises:
        RecordError: A column cannot become Arrow. It has a cause where the rows may become records.
    """
    for position, name in enumerate(frame.columns):
        if not isinstance(name, str):
            raise RecordError(0, str(name), UNKNOWN)
        if name in frame.columns[:position]:
            raise RecordError(0, name, REPEATED)
    written = _with_documents(frame)
    given = frame if written is None else written
    for name in frame.columns:
        _require_one_sort_of_number(name, given[name])
    try:
        table = pa.Table.from_pandas(given, preserve_index=False)
        _require_plain_types(table.schema)
    except _NO_ARROW as error:
        for name in frame.columns:
            _refuse_mixed(name, given[name])
        raise RecordError(0, None, NO_ARROW_TYPE.format(error)) from error
    return table, written is not None


def _require_one_sort_of_number(name: str, cells: Any) -> None:
    """Raise for numbers that Arrow would change: of integers beside floats it makes floats.

    It also gives all decimals the same number of places, and makes NULL of those that are NaN.
    """
    if cells.dtype != object:
        return
    kinds = [kind for kind in set(map(type, cells)) if issubclass(kind, (Real, Decimal))]
    if len(kinds) > 1 or Decimal in kinds:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        error = TypeError(f"its numbers are of the types {names}")
        raise RecordError(0, name, NO_ARROW_TYPE.format(error)) from error


def _require_plain_types(schema: pa.Schema) -> None:
    """Raise for periods and intervals, which Arrow has as numbers that mean something else."""
    for field in schema:
        if (extension := extension_in(field)) is not None:
            raise pa.ArrowTypeError(f"{field.name} is {extension}")


#: What pyarrow raises for a column of objects without a common Arrow type.
_NO_ARROW = (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError)


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
            texts.append(
                None if values.is_missing(value) else json_documents.document(value).decode()
            )
        except ValueError as error:
            raise RecordError(index, "properties", str(error)) from error
    return frame.assign(properties=texts)


def _parsed_document(cell: Any) -> Any:
    """Return what JSON text says; any other cell as it is."""
    if not isinstance(cell, str):
        return cell
    try:
        return json_documents.parse_json(cell.encode())
    except ValueError:
        return cell


def frame_records(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a pandas DataFrame as records, for one that cannot become Arrow."""
    names = list(frame.columns)
    for cells in frame.itertuples(index=False, name=None):
        record = dict(zip(names, cells, strict=True))
        if "properties" in record:
            record["properties"] = _parsed_document(record["properties"])
        yield record
