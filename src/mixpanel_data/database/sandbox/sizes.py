"""How large Arrow data is once it is converted to Python objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: The least bytes that count for a value: those of a reference, and in nested types, where every
#: value is an object, those of an object.
_IN_COLUMN, _NESTED = 8, 64

#: Functions that return the child arrays of a nested array, by the kind of its type.
_PARTS: list[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]]] = [
    (pa.types.is_struct, lambda array: list(map(array.field, range(array.type.num_fields)))),
    (pa.types.is_union, lambda array: list(map(array.field, range(array.type.num_fields)))),
    (pa.types.is_map, lambda array: [array.keys, array.items]),
    (pa.types.is_list, lambda array: [array.values]),
    (pa.types.is_fixed_size_list, lambda array: [array.values]),
]


def size_of(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch, where small values count for more than they take in Arrow.

    In Arrow, a billion NULLs, or a label that repeats, can take no space at all.

    Raises:
        TypeError: It has data of a type that DuckDB does not produce.
    """
    return sum(_size_of(column, _IN_COLUMN) for column in batch.columns)


def parts_of(array: Any) -> list[Any]:
    """Return the child arrays of a nested array, none for any other."""
    return next((parts(array) for is_kind, parts in _PARTS if is_kind(array.type)), [])


def _size_of(array: Any, least: int) -> int:
    if isinstance(array, pa.ExtensionArray):
        return _size_of(array.storage, least)
    if pa.types.is_dictionary(array.type):
        return len(array) * max(least, _longest(array.dictionary))
    if parts := parts_of(array):
        return len(array) * least + sum(_size_of(part, _NESTED) for part in parts)
    if array.type.num_fields or str(array.type).endswith("_view"):
        raise TypeError(f"Arrow data of the type {array.type}")
    return max(int(array.nbytes), len(array) * least)


def _longest(labels: Any) -> int:
    longest: int | None = pc.max(pc.binary_length(labels)).as_py()
    return longest or 0
