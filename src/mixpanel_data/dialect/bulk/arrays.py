"""Python values as Arrow arrays, with the types that DuckDB gives to the values as parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from mixpanel_data.dialect.numpy_scalars import any_numpy, without_numpy

if TYPE_CHECKING:
    import pyarrow as pa

#: DuckDB binds a decimal of more than 38 digits as DOUBLE, so one that may have more is refused.
_DIGITS = 37


class Kind(NamedTuple):
    """Values that DuckDB gives the same type.

    Attributes:
        arrow: Name and arguments of the ``pyarrow`` function that makes the Arrow type.
        cast: The DuckDB type to cast to, where no Arrow type maps to it.
        convert: Converts a value to one that Arrow accepts for its type.
    """

    arrow: tuple[Any, ...]
    cast: str | None = None
    convert: Callable[[Any], Any] | None = None


class Part(NamedTuple):
    """The values of one kind in a column, with nulls in place of the others.

    Attributes:
        array: The values.
        cast: The DuckDB type to cast them to, or None.
    """

    array: pa.Array
    cast: str | None


_INTEGERS = (
    (-(2**31), 2**31, Kind(("int32",))),
    (-(2**63), 2**63, Kind(("int64",))),
    (0, 2**64, Kind(("uint64",))),
    (-(2**127), 2**127, Kind(("large_string",), "HUGEINT", str)),
    (0, 2**128, Kind(("large_string",), "UHUGEINT", str)),
)
_NAIVE, _AWARE = Kind(("timestamp", "us")), Kind(("timestamp", "us", "UTC"))
_TIME = Kind(("time64", "us"))


def _integer(value: int) -> Kind | None:
    return next((kind for low, high, kind in _INTEGERS if low <= value < high), None)


def _decimal(value: Decimal) -> Kind | None:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) + abs(exponent) > _DIGITS:
        return None
    scale = max(0, -exponent)
    # DuckDB's text for 0.5 is .5 if the type has no digits before the point.
    return _scaled(scale if len(digits) == scale else 38, scale)


@lru_cache
def _scaled(precision: int, scale: int) -> Kind:
    return Kind(("decimal128", precision, scale))


#: By Python type: the kind of all its values, or a function that returns the kind of one value.
_KINDS: dict[type, Kind | Callable[[Any], Kind | None]] = {
    bool: Kind(("bool_",)),
    bytearray: Kind(("large_binary",), convert=bytes),
    bytes: Kind(("large_binary",)),
    date: Kind(("date32",)),
    datetime: lambda value: _NAIVE if value.tzinfo is None else _AWARE,
    Decimal: _decimal,
    float: Kind(("float64",)),
    int: _integer,
    str: Kind(("large_string",)),
    time: lambda value: _TIME if value.tzinfo is None else None,
    timedelta: Kind(("month_day_nano_interval",)),
    UUID: Kind(("large_string",), "UUID", str),
}


def _common_integer(values: Sequence[int]) -> Kind | None:
    lowest, highest = _integer(min(values)), _integer(max(values))
    return lowest if lowest is highest else None


def _common_time(values: Sequence[datetime]) -> Kind | None:
    naive = {value.tzinfo is None for value in values}
    if naive == {True}:
        return _NAIVE
    return _AWARE if naive == {False} else None


#: Checks that all values of a type are of one kind, faster than value by value.
_COMMON: dict[type, Callable[[Sequence[Any]], Kind | None]] = {
    datetime: _common_time,
    int: _common_integer,
}


def encode(values: tuple[Any, ...]) -> list[Part] | None:
    """Return a column as arrays, one for each kind of value in it.

    Args:
        values: The values; None is NULL.

    Returns:
        The parts, empty for a column of nulls. None if a value is valid only as a DuckDB
        parameter, or only in Arrow.
    """
    import pyarrow as pa

    types = set(map(type, values)) - {type(None)}
    try:
        if types == {list}:
            return _encode_lists(values)
        if any_numpy(types):
            values = tuple(map(without_numpy, values))
            types = set(map(type, values)) - {type(None)}
        if not types <= _KINDS.keys():
            return None
        kinds = _kinds(values, types)
        return None if kinds is None else [_part(*item) for item in kinds.items()]
    except (pa.ArrowException, ValueError, OverflowError):
        return None


def _kinds(values: Sequence[Any], types: set[type]) -> dict[Kind, Sequence[Any]] | None:
    """Group values by kind; None if a value has no kind."""
    if len(types) == 1:
        (only,) = types
        common = _COMMON.get(only)
        kind = common([v for v in values if v is not None]) if common else _KINDS[only]
        if isinstance(kind, Kind):
            return {kind: values}
    told = [None if value is None else _kind(value) for value in values]
    if told.count(None) > values.count(None):
        return None
    return {
        kind: [value if own is kind else None for value, own in zip(values, told, strict=True)]
        for kind in dict.fromkeys(told)
        if kind is not None
    }


def _kind(value: Any) -> Kind | None:
    kind = _KINDS[type(value)]
    return kind if isinstance(kind, Kind) else kind(value)


def _part(kind: Kind, values: Sequence[Any]) -> Part:
    import pyarrow as pa

    if (convert := kind.convert) is not None:
        values = [None if value is None else convert(value) for value in values]
    make, *arguments = kind.arrow
    return Part(pa.array(values, getattr(pa, make)(*arguments)), kind.cast)


def _encode_lists(values: Sequence[Any]) -> list[Part] | None:
    """Return lists as one array; None unless all items are of one kind that needs no cast."""
    import pyarrow as pa

    parts = encode(tuple(chain.from_iterable(value or () for value in values)))
    if parts is None or len(parts) != 1 or parts[0].cast is not None:
        return None
    ends = list(accumulate((len(value or ()) for value in values), initial=0))
    starts = [None if value is None else end for value, end in zip(values, ends, strict=False)]
    offsets = pa.array([*starts, ends[-1]], pa.int32())
    return [Part(pa.ListArray.from_arrays(offsets, parts[0].array), None)]
