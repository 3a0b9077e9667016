"""Replaces Arrow's dictionaries, in which ENUM values come, by strings.

DuckDB cannot read every dictionary that it writes. In an empty list, version 1.5 raises an internal
error, which invalidates the database, and in a fixed-size list it crashes; version 2.0 returns
wrong values for the latter.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mixpanel_data.database.sandbox.sizes import parts_of


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of what :func:`plain_batch` returns."""
    return pa.schema([_plain_field(field) for field in schema])


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with the same values and no dictionaries, however deep in its columns.

    Args:
        batch: A batch that was read, not a slice of one.

    Raises:
        TypeError: It has dictionaries in data of a type that DuckDB does not produce.
        ValueError: A key of a map is NULL.

    Example:
        >>> moods = pa.array(["good", "bad"]).dictionary_encode()
        >>> plain_batch(pa.record_batch({"mood": moods})).schema.types
        [DataType(string)]
    """
    if not any(_has_dictionary(kind) for kind in batch.schema.types):
        return batch
    columns = [_plain(column) for column in batch.columns]
    return pa.record_batch(columns, schema=plain_schema(batch.schema))


def _has_dictionary(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) or any(_has_dictionary(f.type) for f in _fields(kind))


def _fields(kind: pa.DataType) -> Iterator[pa.Field]:
    return (kind.field(number) for number in range(kind.num_fields))


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain_type(field.type))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return with_fields(kind, [_plain_field(field) for field in _fields(kind)])


def with_fields(kind: pa.DataType, fields: list[pa.Field]) -> pa.DataType:
    """Return a nested type with other fields, any other type as it is."""
    if pa.types.is_map(kind):
        key, item = _fields(fields[0].type)
        return pa.map_(key, item)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(fields[0], kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(fields[0])
    if pa.types.is_struct(kind):
        return pa.struct(fields)
    if pa.types.is_union(kind):
        return pa.union(fields, mode=kind.mode, type_codes=kind.type_codes)
    return kind


def _plain(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()
    if not _has_dictionary(kind):
        return array
    if pa.types.is_union(kind) and kind.mode != "sparse":
        raise TypeError(f"Arrow data of the type {kind}")
    parts = [_plain(part) for part in parts_of(array)]
    plain = _plain_type(kind)
    if pa.types.is_map(kind):
        if parts[0].null_count:  # DuckDB produces none, and Arrow would crash the process
            raise ValueError("A map has NULL as a key.")
        parts = [pa.StructArray.from_arrays(parts, fields=list(_fields(plain.field(0).type)))]
    return rebuilt(array, plain, parts)


def rebuilt(array: pa.Array, kind: pa.DataType, parts: list[pa.Array]) -> pa.Array:
    """Return a nested array with a type of the same layout and with other child arrays."""
    own = 1 if pa.types.is_struct(kind) or pa.types.is_fixed_size_list(kind) else 2
    return pa.Array.from_buffers(kind, len(array), array.buffers()[:own], children=parts)
