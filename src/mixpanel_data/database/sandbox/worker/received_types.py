"""Reads a worker's Arrow data in types that any bytes may have, until the values are validated.

Arrow ends the process over a map with NULL among its keys, as soon as it looks at it. So maps are
read as lists, which have the same layout. Times are read as integers: Arrow would refuse DuckDB's
24:00:00.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mixpanel_data.database.sandbox.dictionaries import rebuilt, with_fields
from mixpanel_data.database.sandbox.sizes import parts_of


def open_stream(stream: bytearray) -> tuple[pa.Schema, pa.RecordBatchReader]:
    """Return the schema of an Arrow IPC stream, and a reader of its batches in plainer types.

    Raises:
        TypeError: It has a type that DuckDB does not produce.
        pyarrow.ArrowException: The stream is damaged.
    """
    source = pa.BufferReader(stream)
    schema = pa.ipc.read_schema(source)
    plain = pa.schema([field.with_type(_plain(field.type)) for field in schema])
    if plain == schema:
        return schema, pa.ipc.open_stream(pa.py_buffer(stream))
    rest = memoryview(stream)[source.tell() :]
    return schema, pa.ipc.open_stream(b"".join((plain.serialize(), rest)))


def restored(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a validated batch in the types of its schema.

    Raises:
        ValueError: A key of a map is NULL, or a map has NULL in place of an entry.
    """
    columns = map(_restored, batch.columns, schema.types)
    return pa.record_batch(list(columns), schema=schema)


def _plain(kind: Any) -> Any:
    if pa.types.is_time(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    inner = getattr(kind, "storage_type", None) or getattr(kind, "value_type", None)
    is_wrapped = isinstance(kind, (pa.BaseExtensionType, pa.DictionaryType))
    if is_wrapped and inner is not None and inner.num_fields:
        raise TypeError(f"Arrow data of the type {kind}")
    if is_wrapped or not kind.num_fields:
        return kind
    fields = [kind.field(number) for number in range(kind.num_fields)]
    plain = [field.with_type(_plain(field.type)) for field in fields]
    if pa.types.is_map(kind):
        return pa.list_(plain[0])
    if with_fields(kind, fields) is kind:
        raise TypeError(f"Arrow data of the type {kind}")
    return with_fields(kind, plain)


def _restored(array: pa.Array, kind: Any) -> pa.Array:
    if array.type == kind:
        return array
    if not kind.num_fields:
        return array.view(kind)
    parts = parts_of(array)
    if pa.types.is_map(kind) and (parts[0].null_count or parts[0].field(0).null_count):
        raise ValueError("A map has NULL as a key.")
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return rebuilt(array, kind, list(map(_restored, parts, inner)))
