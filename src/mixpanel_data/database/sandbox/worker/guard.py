"""The guard that runs the statements of one connection in a worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from mixpanel_data.database.sandbox.worker.pool import Workers
from mixpanel_data.database.sandbox.worker.protocol import Request

if TYPE_CHECKING:
    from mixpanel_data.database.sandbox.results import ArrowResult


class WorkerGuard:
    """Runs statements in a worker, which checks them as well.

    Args:
        workers: The workers of the database.
        words: Trusted SQL before each statement, such as ``EXPLAIN``; it is not checked.
        most_rows: How many rows of each result to return, None for all.
    """

    is_strict = True

    def __init__(self, workers: Workers, words: str = "", most_rows: int | None = None) -> None:
        self._workers = workers
        self._words = words
        self._most_rows = most_rows

    def starting(self, sql: str) -> str:
        """Return the statement as it is."""
        return sql

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> ArrowResult:
        """Run a statement in a worker, and return its result."""
        from mixpanel_data.database.sandbox.results import ArrowResult, description_of

        result = self._workers.run(Request(self._words, sql, parameters, self._most_rows))
        batches = iter(result.table.to_batches())
        return ArrowResult(batches, result.table.schema, description_of(result), result.types)

    def working(self) -> AbstractContextManager[None]:
        """Return a context without limits: the workers have their own."""
        return nullcontext()
