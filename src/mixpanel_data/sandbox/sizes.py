"""How large Arrow data is once it becomes Python objects."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: What any value counts as, if it is smaller: a reference to an object takes that.
_LEAST = 8


def size_of(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch, with at least eight for every value, nested ones included.

    Arrow can say "a billion times NULL" or "this label again" in no space at all, Python cannot.

    Raises:
        TypeError: It has data of a type that DuckDB does not make.
    """
    return sum(_size_of(column) for column in batch.columns)


def _size_of(array: Any) -> int:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _size_of(array.storage)
    if pa.types.is_dictionary(kind):
        return len(array) * max(_LEAST, _longest(array.dictionary))
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        parts = sum(_size_of(array.field(number)) for number in range(kind.num_fields))
        return len(array) * _LEAST + parts
    if pa.types.is_map(kind):
        return len(array) * _LEAST + _size_of(array.keys) + _size_of(array.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return len(array) * _LEAST + _size_of(array.values)
    if kind.num_fields or _shares_its_bytes(kind):
        raise TypeError(f"Arrow data of the type {kind}")
    return max(array.nbytes, len(array) * _LEAST)


def _longest(labels: Any) -> int:
    return pc.max(pc.binary_length(labels)).as_py() or 0


def _shares_its_bytes(kind: pa.DataType) -> bool:
    is_view = {getattr(pa, name)() for name in ("string_view", "binary_view") if hasattr(pa, name)}
    return kind in is_view
