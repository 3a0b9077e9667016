"""SQLAlchemy's suite for third-party dialects.

Where all that DuckDB lacks is one detail a test looks at, the test is changed here to look at the
rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any
from unittest import mock

import duckdb
from requirements import CANNOT, CANNOT_PASS
from sqlalchemy.testing import fixtures, suite
from sqlalchemy.testing.suite import *  # noqa: F403


class ExclusionTest(fixtures.TestBase):
    """What ``requirements`` says about DuckDB is what DuckDB says itself."""

    def test_duckdb_still_says_so(self) -> None:
        for name, (sql, says) in [*CANNOT.items(), *CANNOT_PASS.items()]:
            with duckdb.connect() as connection:
                try:
                    (answer,) = connection.execute(sql).fetchall()[0]
                except duckdb.Error as error:
                    answer = error
            assert re.search(says, str(answer)), (name, answer)


def _nameless(constraints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Forget the names of constraints, which are not in DuckDB's catalog, and their order."""

    def place(item: dict[str, Any]) -> str:
        text = item.get("sqltext") or item.get("constrained_columns") or item.get("column_names")
        return re.sub("[()]", "", str(text).lower())

    is_constraint = {"sqltext", "constrained_columns"}.intersection
    if not all(is_constraint(item) or item.keys() <= _UNIQUE for item in constraints):
        return constraints
    return sorted(({**item, "name": mock.ANY} for item in constraints), key=place)


_UNIQUE = {"name", "column_names", "comment", "duplicates_index", "dialect_options"}


class ComponentReflectionTest(suite.ComponentReflectionTest):
    """Looks at constraints but not at their names."""

    def _check_list(self, result: Any, exp: Any, *args: Any, **kw: Any) -> None:
        super()._check_list(_nameless(result), _nameless(exp), *args, **kw)


class ComponentReflectionTestExtra(suite.ComponentReflectionTestExtra):
    """Looks at check constraints but not at their names."""

    def ck_eq(self, reflected: Any, expected: Any) -> None:
        super().ck_eq(reflected, [{**item, "name": mock.ANY} for item in expected])


class _KeepsRows:
    """Keeps the rows of a class whose tests leave them as they are.

    Within one transaction, DuckDB does not see that the rows which refer to a row are gone:
    https://duckdb.org/docs/stable/sql/indexes#constraint-checking-in-update-statements
    """

    run_inserts = "once"
    run_deletes = None


class JoinTest(_KeepsRows, suite.JoinTest):
    """Refers from one table to another."""


class CTETest(_KeepsRows, suite.CTETest):
    """Refers from a table to itself."""


class _SortingConnection:
    """A connection whose results are sorted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, *args: Any) -> Any:
        rows = sorted(self._connection.execute(*args).all())
        return mock.Mock(all=lambda: rows)


def _in_any_order(test: Callable[..., None]) -> Callable[..., None]:
    """Let rows come in any order, as they do in SQL without ORDER BY."""

    @wraps(test)
    def run(self: Any, connection: Any) -> None:
        test(self, _SortingConnection(connection))

    return run


if hasattr(suite, "WindowFunctionTest"):  # SQLAlchemy 2.0.0 has none

    class WindowFunctionTest(suite.WindowFunctionTest):
        """Does not expect an order that no statement asked for."""

        test_window_range = _in_any_order(suite.WindowFunctionTest.test_window_range)
        test_window_range_numeric = _in_any_order(
            suite.WindowFunctionTest.test_window_range_numeric
        )
