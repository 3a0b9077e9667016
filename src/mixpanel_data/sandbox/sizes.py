"""How large Arrow data is once it becomes Python objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: What a value counts as, if it is smaller: a reference takes that, and within lists and the like,
#: where every value is an object, an object.
_IN_COLUMN, _NESTED = 8, 64

#: What nested arrays are made of, by the kind of their type.
_PARTS: list[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]]] = [
    (pa.types.is_struct, lambda array: list(map(array.field, range(array.type.num_fields)))),
    (pa.types.is_union, lambda array: list(map(array.field, range(array.type.num_fields)))),
    (pa.types.is_map, lambda array: [array.keys, array.items]),
    (pa.types.is_list, lambda array: [array.values]),
    (pa.types.is_fixed_size_list, lambda array: [array.values]),
]


def size_of(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch, where the smallest values count for more than Arrow takes.

    Arrow can say "a billion times NULL", or the same label again, in no space at all.

    Raises:
        TypeError: It has data of a type that DuckDB does not make.
    """
    return sum(_size_of(column, _IN_COLUMN) for column in batch.columns)


def parts_of(array: Any) -> list[Any]:
    """Return what a nested array is made of; nothing for any other."""
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
