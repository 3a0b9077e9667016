"""What is known of statements and parameters before or after DuckDB runs them."""

from __future__ import annotations

import duckdb
from duckdb import DuckDBPyConnection

from mixpanel_data.dialect.driver.guards import Parameters
from mixpanel_data.dialect.numpy_scalars import any_numpy, without_numpy

#: How deeply lists and dicts may be nested in a parameter.
_DEEPEST = 60


def bindable(parameters: Parameters) -> Parameters:
    """Return parameters with Python's values in place of NumPy's scalars.

    Raises:
        InvalidInputException: A parameter is nested so deeply, or in itself, that DuckDB's client
            would crash.
    """
    level = list(parameters.values() if isinstance(parameters, dict) else parameters)
    kinds = set(map(type, level))
    for _ in range(_DEEPEST):
        nested = {id(value): value for value in level if isinstance(value, (list, tuple, dict))}
        if not nested:
            return _without_numpy(parameters) if any_numpy(kinds) else parameters
        level = [
            item
            for value in nested.values()
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        kinds.update(map(type, level))
    raise duckdb.InvalidInputException(f"A parameter is nested more than {_DEEPEST} levels deep.")


def _without_numpy(parameters: Parameters) -> Parameters:
    if isinstance(parameters, dict):
        return {name: without_numpy(value) for name, value in parameters.items()}
    return [without_numpy(value) for value in parameters]


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
