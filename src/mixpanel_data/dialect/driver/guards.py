"""Protocols of a guard, which checks the statements of a connection, and of its results."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyRelation

Row = tuple[Any, ...]
Parameters = Sequence[Any] | dict[str, Any]


class Source(Protocol):
    """Where the rows of a statement come from: DuckDB's connection, or a guard's result."""

    def fetchmany(self, size: int) -> list[Row]:
        """Return the next rows, fewer at the end."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        ...

    def df(self) -> pd.DataFrame:
        """Return all rows as a DataFrame."""
        ...


class Result(Source, Protocol):
    """The result of a statement that a guard has run."""

    description: list[tuple[Any, ...]]

    def relation(self) -> DuckDBPyRelation:
        """Return all rows as a relation."""
        ...

    def close(self) -> None:
        """Discard unread rows."""
        ...


class StatementGuard(Protocol):
    """Checks the statements of a connection.

    Attributes:
        is_strict: Whether it lets only pass what reads. DuckDB is asked nothing about a statement
            before: to take a text apart can run a part of it.
    """

    is_strict: bool

    def starting(self, sql: str) -> str:
        """Return the statement to run, or raise if it must not run."""
        ...

    def execute(self, sql: str, parameters: Parameters) -> Result | None:
        """Run a statement and return its result, which may be limited; None runs it as usual."""
        ...

    def working(self) -> AbstractContextManager[object]:
        """Return a context for a call into DuckDB, which Ctrl-C ends; a statement may need several.

        In it Python hears no Ctrl-C, see :func:`~mixpanel_data.common.signals.heard_by`.
        """
        ...
