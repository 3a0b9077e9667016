"""PEP 249's type objects and constructors, and the type codes of a cursor's description."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

#: Constructors, under PEP 249's names.
Date, Time, Timestamp = datetime.date, datetime.time, datetime.datetime

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_NESTED = re.compile(r"\A(STRUCT|MAP|UNION)\b|\]\[|\)\[|\[\d+\]")

#: The bytes of a number, from which polars knows the width.
_SIZES = {
    **dict.fromkeys(("SMALLINT", "USMALLINT"), 2),
    **dict.fromkeys(("INTEGER", "UINTEGER", "FLOAT"), 4),
    **dict.fromkeys(("BIGINT", "UBIGINT", "DOUBLE"), 8),
}
_DIGITS_AT_END = re.compile(r"\(.*\)\Z")


class TypeCode(str):
    """The name of a DuckDB type. Text, since polars reads the types of rows from it.

    Attributes:
        duckdb_type: DuckDB's own object for the type, which has its ``id`` and ``children``.
    """

    duckdb_type: Any

    def __getattr__(self, name: str) -> Any:
        """Return what DuckDB's own object has."""
        if name == "duckdb_type":
            raise AttributeError(name)
        return getattr(self.duckdb_type, name)


class NestedTypeCode:
    """A type that polars shall read from the rows: it misreads the names of structs and the like.

    Attributes:
        duckdb_type: As for :class:`TypeCode`.
    """

    def __init__(self, duckdb_type: Any) -> None:
        self.duckdb_type = duckdb_type

    def __getattr__(self, name: str) -> Any:
        """Return what DuckDB's own object has."""
        if name == "duckdb_type":
            raise AttributeError(name)
        return getattr(self.duckdb_type, name)

    def __str__(self) -> str:
        """Return the name of the type."""
        return str(self.duckdb_type)

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same type, or its name."""
        return isinstance(other, NestedTypeCode | str) and str(self) == str(other)

    def __hash__(self) -> int:
        """Return the hash of the name."""
        return hash(str(self))


class TypeObject:
    """A kind of types, equal to the type codes of all its types."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def __eq__(self, other: object) -> bool:
        """Tell whether a type code belongs to this kind."""
        if isinstance(other, TypeObject):
            return self.names == other.names
        return _DIGITS_AT_END.sub("", str(other)) in self.names

    def __hash__(self) -> int:
        """Return a hash; that of a type code is another."""
        return hash(self.names)

    def __repr__(self) -> str:
        """Return the names."""
        return f"TypeObject({', '.join(sorted(self.names))})"


STRING = TypeObject("VARCHAR", "JSON", "ENUM", "UUID", "BIT")
BINARY = TypeObject("BLOB")
NUMBER = TypeObject(
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM", "DECIMAL"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "BOOLEAN"),
)
DATETIME = TypeObject(
    *("DATE", "TIME", "TIME WITH TIME ZONE", "TIME_NS", "INTERVAL", "TIMESTAMP", "TIMESTAMP_S"),
    *("TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"),
)
#: Equal to no type code: DuckDB's ``rowid`` is a BIGINT, like any other.
ROWID = TypeObject("ROWID")


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802 (the name is PEP 249's)
    """Return the local date of seconds since the epoch."""
    return Date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """Return the local time of day of seconds since the epoch."""
    return Timestamp.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """Return the local time of seconds since the epoch."""
    return Timestamp.fromtimestamp(ticks)


def Binary(value: Any) -> bytes:  # noqa: N802
    """Return the bytes of any buffer; DuckDB binds bytes to BLOB."""
    return value if isinstance(value, bytes) else bytes(value)


def describe(columns: Sequence[Sequence[Any]] | None) -> list[tuple[Any, ...]] | None:
    """Return the description of a result, of DuckDB's description."""
    return None if columns is None else [(str(name), *_code(kind)) for name, kind, *_ in columns]


@lru_cache(1024)
def _code(kind: Any) -> tuple[Any, ...]:
    """Return the type code of a type, its sizes, precision and scale, and whether it is NULL."""
    if _NESTED.search(str(kind)):
        return NestedTypeCode(kind), None, None, None, None, None
    code = TypeCode(kind)
    code.duckdb_type = kind
    decimal = _DECIMAL.fullmatch(code)
    precision, scale = map(int, decimal.groups()) if decimal else (None, None)
    return code, None, _SIZES.get(code), precision, scale, None
