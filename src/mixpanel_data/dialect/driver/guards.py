"""What may watch over the statements of a connection, and the results that it hands out."""

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
        """Let go of what is unread."""
        ...


class StatementGuard(Protocol):
    """Watches over the statements of a connection."""

    def starting(self, sql: str) -> str:
        """Return the statement that is to run, or raise when it must not."""
        ...

    def execute(self, sql: str, parameters: Parameters) -> Result | None:
        """Run a statement and return its result, which may be limited; or None to leave it be."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Return the context in which DuckDB works on it, possibly several times."""
        ...
