"""Pickles a statement and its parameters for another process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb

from mixpanel_data.database.sandbox.worker.protocol import Request

#: Types that every Python can unpickle.
_PLAIN = {type(None), bool, int, float, str, bytes, date, timedelta, Decimal, UUID}

#: How to convert other types, subclasses included; the first match applies.
_MADE: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((datetime,), lambda value: _at_offset(value)),
    ((time,), lambda value: _with_offset(value, value.utcoffset())),
    ((Mapping,), lambda value: {plain(key): plain(item) for key, item in value.items()}),
    ((tuple,), lambda value: tuple(map(plain, value))),
    ((list,), lambda value: list(map(plain, value))),
    ((bytes, bytearray, memoryview), bytes),
    ((str,), lambda value: str.__str__(value)),
    ((bool,), bool),
    ((int,), int),
    ((float,), float),
    ((Decimal,), Decimal),
    ((UUID,), lambda value: UUID(int=value.int)),
    ((timedelta,), lambda value: timedelta(value.days, value.seconds, value.microseconds)),
    ((date,), lambda value: date(value.year, value.month, value.day)),
)


def pickled(request: Request) -> bytes:
    """Return a pickled statement with its parameters, which any Python process can read.

    Raises:
        duckdb.Error: There is a value that DuckDB's client cannot bind either.
    """
    return pickle.dumps(request._replace(parameters=plain(request.parameters)))


def plain(value: Any) -> Any:
    """Return a value that DuckDB binds in the same way, and that needs no application code.

    Raises:
        duckdb.Error: There is none.
    """
    kind = type(value)
    if kind in _PLAIN or kind.__module__ == "numpy":
        return value
    if kind.__name__ in ("NaTType", "NAType"):  # of pandas
        return None
    for kinds, make in _MADE:
        if isinstance(value, kinds):
            return make(value)
    raise duckdb.NotImplementedException(f"Unable to bind a parameter of the type {kind.__name__}.")


def _at_offset(value: datetime) -> datetime:
    return datetime.combine(value.date(), _with_offset(value.timetz(), value.utcoffset()))


def _with_offset(value: time, offset: timedelta | None) -> time:
    zone = None if offset is None else timezone(offset)
    return time(value.hour, value.minute, value.second, value.microsecond, zone)
