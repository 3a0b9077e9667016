"""What the SQL of users may do: here everything; in a sandbox less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from mixpanel_data.database.opener import OpenDatabase

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver.guards import StatementGuard


class StatementPolicy(Protocol):
    """What the SQL of users may do in one open database.

    Attributes:
        is_sandbox: True where it may not do everything.
        has_workers: True where it runs in other processes.
    """

    is_sandbox: bool
    has_workers: bool

    def guard(self, driver: duckdb.DuckDBPyConnection) -> StatementGuard | None:
        """Return what watches over the statements of a connection, None for nothing."""
        ...

    def prefixing_guard(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> StatementGuard:
        """Return the same, which also puts SQL of ours before every statement."""
        ...

    def close(self) -> None:
        """End what still runs; called once or more."""
        ...


#: Makes the policy of a database that was opened.
PolicyFactory = Callable[[OpenDatabase], StatementPolicy]


class TrustedSql:
    """The policy without a sandbox."""

    is_sandbox = False
    has_workers = False

    def guard(self, driver: duckdb.DuckDBPyConnection) -> StatementGuard | None:
        """Return None: nothing watches."""
        return None

    def prefixing_guard(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> StatementGuard:
        """Return what puts SQL of ours before every statement."""
        return PrefixingGuard(prefix, driver)

    def close(self) -> None:
        """Do nothing."""


class PrefixingGuard:
    """Puts SQL of ours, such as ``EXPLAIN``, before every statement.

    Args:
        prefix: What comes before the statement.
        driver: The connection.
    """

    def __init__(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> None:
        self._prefix = prefix
        self._driver = driver

    def starting(self, sql: str) -> str:
        """Return a statement with the prefix before it."""
        return prefixed(self._driver, self._prefix, sql)

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> None:
        """Leave it to the cursor to run the statement."""

    def working(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()


def prefixed(driver: duckdb.DuckDBPyConnection, prefix: str, sql: str) -> str:
    """Return a statement with a prefix.

    Raises:
        ParserException: The text has several statements, or is none that can have the prefix.
    """
    text = f"{prefix}\n{sql}"
    if len(driver.extract_statements(text)) != 1:
        raise duckdb.ParserException("Only one statement at a time can be explained or kept.")
    return text
