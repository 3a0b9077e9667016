"""Decimals: DuckDB's, and what DuckDB computes from them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import types
from sqlalchemy.engine import Dialect


class Numeric(types.Numeric[Any]):
    """DECIMAL that binds and returns exact numbers."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return the function that prepares a parameter."""
        return _without_exponent

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return the function that converts a result to the Python type of this column type.

        DuckDB's division and many of its functions return DOUBLE for DECIMAL.
        """
        return partial(_to_decimal, self.scale) if self.asdecimal else _to_float


def _without_exponent(value: Any) -> Any:
    # DuckDB 1.5 binds Decimal("1E+3") as 1.
    return Decimal(f"{value:f}") if isinstance(value, Decimal) and value.is_finite() else value


def _to_decimal(scale: int | None, value: Any) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    number = Decimal(str(value))
    return number if scale is None else round(number, scale)


def _to_float(value: Any) -> float | None:
    return None if value is None else float(value)
