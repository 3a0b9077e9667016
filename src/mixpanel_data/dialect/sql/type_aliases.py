"""The names of types that DuckDB reads, and what they mean with numbers in parentheses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import types
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect import datatypes

#: Other names of types, by the name in ``duckdb_columns()``.
_ALIASES = {
    "BIGINT": "INT8, INT64, LONG, OID",
    "BIGNUM": "VARINT",
    "BIT": "BITSTRING, BIT VARYING",
    "BLOB": "BINARY, BYTEA, VARBINARY",
    "BOOLEAN": "BOOL, LOGICAL",
    "DECIMAL": "DEC, NUMERIC",
    "DOUBLE": "FLOAT8, DOUBLE PRECISION",
    "FLOAT": "FLOAT4, REAL",
    "HUGEINT": "INT128",
    "INTEGER": "INT, INT32, INT4, INTEGRAL, SIGNED",
    "SMALLINT": "INT16, INT2, SHORT",
    "STRUCT": "ROW",
    "TIME": "TIME WITHOUT TIME ZONE",
    "TIME WITH TIME ZONE": "TIMETZ",
    "TIMESTAMP": "DATETIME, TIMESTAMP_US, TIMESTAMP WITHOUT TIME ZONE",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "TINYINT": "INT1",
    "UBIGINT": "UINT64",
    "UHUGEINT": "UINT128",
    "UINTEGER": "UINT32",
    "USMALLINT": "UINT16",
    "UTINYINT": "UINT8",
    "UUID": "GUID",
    "VARCHAR": "BPCHAR, CHAR, CHAR VARYING, CHARACTER, CHARACTER VARYING, NATIONAL CHAR, "
    "NATIONAL CHAR VARYING, NATIONAL CHARACTER, NATIONAL CHARACTER VARYING, NCHAR, NCHAR VARYING, "
    "NVARCHAR, STRING, TEXT",
}
_OWN = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split(", ")}

#: What does not change a type that has a number: ``TIMESTAMP(3) WITHOUT TIME ZONE``.
ENDINGS = {"", "VARYING", "WITHOUT TIME ZONE"}


def own_name(name: str) -> str:
    """Return DuckDB's own name of a type, in upper case."""
    upper = name.upper()
    return _OWN.get(upper, upper)


def sized_type(name: str, sizes: list[str]) -> TypeEngine[Any] | None:
    """Return a type with numbers in parentheses, or without; None for one that takes none.

    Args:
        name: DuckDB's own name of the type.
        sizes: The numbers.

    Raises:
        ValueError: One is no number.
        TypeError: There are too many.
    """
    make = _SIZED.get(name)
    return None if make is None else make(*map(int, sizes))


def _decimal(precision: int | None = None, scale: int = 0) -> TypeEngine[Any]:
    return types.NUMERIC(18, 3) if precision is None else types.NUMERIC(precision, scale)


def _float(bits: int = 24) -> TypeEngine[Any]:
    return types.FLOAT() if bits <= 24 else types.DOUBLE_PRECISION()


def _timestamp(digits: int = 6) -> TypeEngine[Any]:
    if digits == 0:
        return datatypes.TimestampS()
    if digits <= 3:
        return datatypes.TimestampMS()
    return types.TIMESTAMP() if digits <= 6 else datatypes.TimestampNS()


_SIZED: dict[str, Callable[..., TypeEngine[Any]]] = {
    "BIT": lambda size=0: datatypes.Bit(),
    "DECIMAL": _decimal,
    "FLOAT": _float,
    "TIMESTAMP": _timestamp,
    "VARCHAR": lambda size=0: types.VARCHAR(),
}
