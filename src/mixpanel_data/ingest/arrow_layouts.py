"""One layout for each type of Arrow data.

Arrow has several layouts for text, bytes and lists
(https://arrow.apache.org/docs/format/Columnar.html). polars hands out views, which pyarrow cannot
filter: ``Function 'array_take' has no kernel matching input types (string_view, …)``.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the plain layout of each type."""
    return pa.schema([field.with_type(plain_layout(field.type)) for field in schema])


def plain_layout(kind: pa.DataType) -> pa.DataType:
    """Return the type without views and run-end encoding, at any depth."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return plain_layout(kind.value_type)
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, plain_layout(kind.value_type), kind.ordered)
    if pa.types.is_struct(kind):
        return pa.struct(plain_schema(kind))
    if pa.types.is_map(kind):
        return pa.map_(plain_layout(kind.key_type), plain_layout(kind.item_type), kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(plain_layout(kind.value_type), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(plain_layout(kind.value_type))
    if any(is_one(kind) for is_one in _LISTS):
        return pa.large_list(plain_layout(kind.value_type))
    return kind


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type is text, in whatever layout."""
    return str(kind) in ("string", "large_string", "string_view")


def extension_in(field: pa.Field) -> str | None:
    """Return the name of an extension type in a field that its storage does not stand for.

    pandas' periods are stored as integers, for one. Text and the known types mean what they store.
    """
    if (name := _extension_of(field)) is not None:
        return name
    inner = (field.type.field(position) for position in range(field.type.num_fields))
    return next((name for one in inner if (name := extension_in(one)) is not None), None)


def _extension_of(field: pa.Field) -> str | None:
    kind, storage = field.type, field.type
    # Where nobody has registered the type, only the metadata tell it.
    name = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode(errors="replace")
    if isinstance(kind, pa.BaseExtensionType):
        name, storage = kind.extension_name, kind.storage_type
    return None if not name or is_text(storage) or name in _KNOWN_EXTENSIONS else name


_KNOWN_EXTENSIONS = {"arrow.bool8", "arrow.uuid"}

_LISTS = (pa.types.is_large_list, pa.types.is_list_view, pa.types.is_large_list_view)


def in_plain_layout(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with a schema of plain layouts; the same batch where it has it already."""
    if batch.schema.equals(schema):
        return batch
    return pa.record_batch(list(map(_cast, batch.columns, schema.types)), schema=schema)


def _cast(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(cells, pa.RunEndEncodedArray):
        cells = pc.run_end_decode(cells)
    return cells if cells.type.equals(kind) else cells.cast(kind)
