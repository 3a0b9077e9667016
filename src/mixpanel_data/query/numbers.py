"""The SQL of what can be computed of a column of numbers, however large they are.

DuckDB fails as a whole where a sum or a square is too large: 1.5 on the deviation of ``1e300`` or
infinity, every version on the average of large ``HUGEINT`` and ``DECIMAL`` values.
"""

from __future__ import annotations

import re

_FLOATS = {"FLOAT", "DOUBLE"}
_INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}

#: Decimals are summed in 128 bits, which those of up to 18 digits do not fill.
_DECIMAL = re.compile(r"DECIMAL\((\d+),")
_SHORT_DECIMAL = 18

#: Up to here, the sum of the squares of 10**17 numbers is a DOUBLE.
_LARGEST = "1e145"


def is_numeric(kind: str) -> bool:
    """Tell whether values of a DuckDB type are numbers."""
    return kind in _FLOATS or kind in _INTEGERS or kind.startswith("DECIMAL")


def has_quantiles(kind: str) -> bool:
    """Tell whether DuckDB has quantiles of a type."""
    is_time = kind.startswith(("DATE", "TIME")) and not kind.endswith("]")
    return is_numeric(kind) or (is_time and kind not in _TIMES_WITHOUT_QUANTILES)


_TIMES_WITHOUT_QUANTILES = {"TIME_NS", "TIMESTAMPTZ_NS"}


def can_overflow(kind: str) -> bool:
    """Tell whether ``SUMMARIZE`` can fail on values of a type."""
    return kind in _FLOATS or kind == "TIME_NS" or _sums_too_large(kind)


def average(number: str, kind: str) -> str:
    """Return the SQL of the average, NULL for what is no number."""
    if not is_numeric(kind):
        return "NULL"
    return f"avg(CAST({number} AS DOUBLE))" if _sums_too_large(kind) else f"avg({number})"


def deviation(number: str, kind: str) -> str:
    """Return the SQL of the standard deviation of the sample, NULL where it is too large.

    Example:
        >>> print(deviation("n", "INTEGER"))
        stddev_samp(n)
    """
    if kind not in _FLOATS:
        return f"stddev_samp({number})" if is_numeric(kind) else "NULL"
    small = f"{number} BETWEEN -{_LARGEST} AND {_LARGEST}"
    return f"CASE WHEN bool_and({small}) THEN stddev_samp({number}) FILTER ({small}) END"


def _sums_too_large(kind: str) -> bool:
    digits = _DECIMAL.match(kind)
    return kind == "HUGEINT" or (digits is not None and int(digits[1]) > _SHORT_DECIMAL)
