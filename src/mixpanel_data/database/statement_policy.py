"""What users' SQL may do: everything here, less in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from mixpanel_data.common.signals import heard_by
from mixpanel_data.database.opener import OpenDatabase

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver.guards import StatementGuard


class StatementPolicy(Protocol):
    """What users' SQL may do in one open database.

    Attributes:
        is_sandbox: True if it is restricted.
        has_workers: True if it runs in other processes.
    """

    is_sandbox: bool
    has_workers: bool

    def guard(
        self, driver: duckdb.DuckDBPyConnection, most_rows: int | None = None
    ) -> StatementGuard | None:
        """Return the guard of a connection's statements, None for no guard.

        Args:
            driver: The connection.
            most_rows: How many rows of a result will be read, None if unknown. The guard may
                leave out the rest.
        """
        ...

    def prefixing_guard(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> StatementGuard:
        """Return a guard that also puts trusted SQL before every statement."""
        ...

    def close(self) -> None:
        """Stop what still runs; may be called more than once."""
        ...


#: Makes the policy of an open database.
PolicyFactory = Callable[[OpenDatabase], StatementPolicy]


class TrustedSql:
    """The policy without a sandbox."""

    is_sandbox = False
    has_workers = False

    def guard(
        self, driver: duckdb.DuckDBPyConnection, most_rows: int | None = None
    ) -> StatementGuard | None:
        """Return None: there is no guard."""
        return None

    def prefixing_guard(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> StatementGuard:
        """Return a guard that only puts trusted SQL before every statement."""
        return PrefixingGuard(prefix, driver)

    def close(self) -> None:
        """Do nothing."""


class PrefixingGuard:
    """Puts trusted SQL, such as ``EXPLAIN``, before every statement.

    Args:
        prefix: The SQL before the statement.
        driver: The connection.
    """

    is_strict = False

    def __init__(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> None:
        self._prefix = prefix
        self._driver = driver

    def starting(self, sql: str) -> str:
        """Return the statement with the prefix."""
        return prefixed(self._driver, self._prefix, sql)

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> None:
        """Return None, so that the cursor runs the statement."""

    def working(self) -> AbstractContextManager[object]:
        """Return a context without limits."""
        return heard_by(self._driver.interrupt)


def prefixed(driver: duckdb.DuckDBPyConnection, prefix: str, sql: str) -> str:
    """Return a statement with a prefix.

    Raises:
        ParserException: The text has several statements, or one that cannot have the prefix.
    """
    text = f"{prefix} {sql}"  # on one line: DuckDB's messages count them
    text.encode()  # otherwise the client's error would be that of a wrong argument
    if len(driver.extract_statements(text)) != 1:
        raise duckdb.ParserException("Only one statement at a time can be explained or kept.")
    return text
