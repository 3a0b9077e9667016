"""What is known of statements and parameters before or after DuckDB runs them."""

from __future__ import annotations

import duckdb
from duckdb import DuckDBPyConnection

from mixpanel_data.dialect.driver.guards import Parameters

#: How deeply lists and dicts may be nested in a parameter.
_DEEPEST = 60


def require_shallow(parameters: Parameters) -> None:
    """Refuse values nested so deeply, or in themselves, that DuckDB's client would crash.

    Raises:
        InvalidInputException: A parameter is nested too deeply.
    """
    level = list(parameters.values() if isinstance(parameters, dict) else parameters)
    for _ in range(_DEEPEST):
        nested = {id(value): value for value in level if isinstance(value, (list, tuple, dict))}
        if not nested:
            return
        level = [
            item
            for value in nested.values()
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    raise duckdb.InvalidInputException(f"A parameter is nested more than {_DEEPEST} levels deep.")


def has_rows(driver: DuckDBPyConnection, statement: str) -> bool:
    """Tell whether the statement that ran returns rows.

    For one that does not, DuckDB returns a column ``Success``, or ``Count`` with the number of
    changed rows.
    """
    description = driver.description
    if description is None:
        return False
    if len(description) != 1 or description[0][0] not in ("Count", "Success"):
        return True
    *_, last = driver.extract_statements(statement)
    without = {duckdb.ExpectedResultType.CHANGED_ROWS, duckdb.ExpectedResultType.NOTHING}
    return without.isdisjoint(last.expected_result_type) or is_returning(statement)


def is_returning(statement: str) -> bool:
    """Tell whether the word RETURNING is in a statement, outside of names and strings."""
    encoded = statement.encode()  # DuckDB counts bytes
    return any(
        kind == duckdb.token_type.keyword and encoded[start : start + 9].upper() == b"RETURNING"
        for start, kind in duckdb.tokenize(statement)
    )
