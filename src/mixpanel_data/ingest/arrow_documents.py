"""Documents in Arrow data: which types can become JSON, and who writes them."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from mixpanel_data.common import json_documents
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP
from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.ingest.arrow_layouts import is_text
from mixpanel_data.ingest.json_validation import bad_number_at, levels_of, too_deep_at
from mixpanel_data.ingest.relations import INTEGER_TEXT, integers_named
from mixpanel_data.ingest.repeated_members import without_repeated_members

#: NULL for anything but a JSON object. DuckDB's JSON parser accepts more than JSON, such as
#: trailing commas; `json_extract` serializes the document again, so that these do not get into the
#: table.
TEXT_TO_JSON = qualify_builtins("""
    CASE WHEN starts_with({0}, '{{') OR starts_with(ltrim({0}, E' \\t\\n\\r'), '{{')
    THEN TRY(json_extract({0}, '$')) END
""")
#: The text of a document as it is; NULL for anything but a JSON object.
STORED_TO_JSON = qualify_builtins("""
    CASE WHEN starts_with(ltrim({0}, E' \\t\\n\\r'), '{{') AND json_valid({0}) THEN {0} END
""")
#: JSON of a struct or a map.
NESTED_TO_JSON = qualify_builtins("to_json({0})")


NO_DOCUMENT = "is not a JSON object."
_NOT_FINITE = "is not valid JSON: it contains NaN or Infinity."

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
    pa.types.is_decimal,
    pa.types.is_time,
    pa.types.is_timestamp,
)


def kind_in(data: Any, field: pa.Field) -> pa.DataType:
    """Return the type of what documents say, which may be more than Arrow's type of them."""
    if not isinstance(data, duckdb.DuckDBPyRelation):
        return field.type
    return integers_named(field.type, data.types[data.columns.index(field.name)])


def is_nested(kind: pa.DataType) -> bool:
    """Tell whether documents of a type are no text."""
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind))


def require_json(kind: pa.DataType) -> None:
    """Raise unless all documents of a nested type can become JSON.

    Raises:
        ValueError: They cannot.
    """
    if not _has_json(kind):
        raise ValueError(f"cannot become JSON: it is {kind}.")
    if levels_of(kind) > MAX_DEPTH:
        raise ValueError(TOO_DEEP)


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


def is_written_by_duckdb(kind: pa.DataType) -> bool:
    """Tell whether DuckDB writes values of a type as JSON exactly as records are written.

    It writes times otherwise, makes floats of decimals, and refuses a map that has a key twice.
    """
    if any(is_one(kind) for is_one in _WRITTEN_HERE) or _is_read_by_us_only(kind):
        return False
    return all(is_written_by_duckdb(kind.field(i).type) for i in range(kind.num_fields))


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


def as_json(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return structs or maps as JSON text, as records are written.

    Args:
        cells: The documents.
        kind: What they say.

    Raises:
        ValueError: One of them cannot become JSON.
    """
    try:
        rows = cells.to_pylist()
    except (KeyError, OverflowError) as error:  # such as a time zone that is not known here
        raise ValueError(f"cannot become JSON: {error}.") from error
    texts = pa.array([json_documents.document(as_python(row, kind)) for row in rows], pa.binary())
    return texts.cast(pa.string())


def checked(cells: pa.Array, *, are_stored: bool = False) -> pa.Array:
    """Return documents, text or nested, where of repeated members the last is left.

    Args:
        cells: The documents.
        are_stored: Whether a table has had them before, so that they stay as they are.

    Raises:
        ValueError: One of them is too deep, no JSON, or has NaN or Infinity in it.
    """
    has_texts = not is_nested(cells.type)
    if has_texts and too_deep_at(cells) is not None:
        raise ValueError(TOO_DEEP)
    if bad_number_at(cells) is not None:
        raise ValueError(_NOT_FINITE)
    try:
        return without_repeated_members(cells) if has_texts and not are_stored else cells
    except ValueError as error:
        raise ValueError(NO_DOCUMENT) from error
