"""Guards of one connection's statements: they check the SQL and limit its time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import duckdb

from mixpanel_data.common.signals import heard_by
from mixpanel_data.database.sandbox.deadline import Deadline, current_deadline
from mixpanel_data.database.sandbox.result_limits import capped, first_rows, stream
from mixpanel_data.database.sandbox.results import ArrowResult, untold_types
from mixpanel_data.database.sandbox.rules import Rules
from mixpanel_data.database.statement_policy import prefixed
from mixpanel_data.exceptions import QueryTimeoutError

#: How long to wait before DuckDB is interrupted again: it ignores an interrupt that comes early.
_INSIST_SECONDS = 0.05

#: Rows in a batch of a result.
_BATCH = 2048


class Watch:
    """Limits how long the statements of one connection take.

    Args:
        timeout: Seconds for which DuckDB may work on a statement, None for no limit.
        driver: The connection, to be interrupted.
    """

    is_strict = True

    def __init__(self, timeout: float | None, driver: duckdb.DuckDBPyConnection) -> None:
        self._timeout = timeout
        self._driver = driver
        self._sql = ""
        self._left = timeout or 0.0

    def starting(self, sql: str) -> str:
        """Start the time of a statement, and return the statement to run."""
        self._sql = sql
        self._left = self._timeout or 0.0
        return sql

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> ArrowResult | None:
        """Return the result of a statement; None runs it as usual."""
        return None

    @contextmanager
    def working(self) -> Iterator[None]:
        """Interrupt DuckDB if the block exceeds the remaining time of the statement.

        The time between two calls of DuckDB does not count.

        Raises:
            QueryTimeoutError: It took too long.
        """
        deadline = current_deadline()
        if self._timeout is None and deadline is None:
            with heard_by(self._driver.interrupt):
                yield
            return
        run = _Run(self._driver)
        left = math.inf if self._timeout is None else self._left
        if deadline is not None:
            left = min(left, deadline.at - time.monotonic())
        stopping = nullcontext() if deadline is None else deadline.stopping(run.woken.set)
        started = time.monotonic()
        try:
            with run.watched(left), stopping, heard_by(self._driver.interrupt):
                yield
        except duckdb.InterruptException as error:
            if run.overdue.is_set():
                raise self._error(deadline) from error
            raise
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - started))

    def _error(self, deadline: Deadline | None) -> QueryTimeoutError:
        if deadline is not None and deadline.is_over:
            return QueryTimeoutError(deadline.seconds, self._sql)
        return QueryTimeoutError(self._timeout or 0.0, self._sql)


class _Run:
    """A call of DuckDB, which a thread interrupts when its time is up.

    Args:
        driver: The connection.

    Attributes:
        woken: To be set when its time is up early.
        overdue: Set once its time is up.
    """

    def __init__(self, driver: duckdb.DuckDBPyConnection) -> None:
        self._driver = driver
        self.woken = threading.Event()
        self.overdue = threading.Event()
        self._done = threading.Event()

    @contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """Interrupt DuckDB if the block takes longer."""
        left = None if seconds == math.inf else max(0.0, seconds)
        watch = threading.Thread(
            target=self._watch, args=(left,), name="mixpanel_data-timeout", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            self._done.set()
            self.woken.set()
            watch.join()

    def _watch(self, left: float | None) -> None:
        self.woken.wait(left)
        if not self._done.is_set():
            self.overdue.set()
        while not self._done.is_set():
            self._driver.interrupt()
            self._done.wait(_INSIST_SECONDS)


class Guard(Watch):
    """Checks untrusted statements, and limits their time and their results.

    Args:
        rules: What they may contain and how long they may take.
        driver: The connection, to be interrupted.
        most_rows: How many rows of each result to return, None for all.
    """

    def __init__(
        self, rules: Rules, driver: duckdb.DuckDBPyConnection, most_rows: int | None = None
    ) -> None:
        super().__init__(rules.timeout, driver)
        self._rules = rules
        self._most_rows = most_rows

    def starting(self, sql: str) -> str:
        """Check a statement before it starts."""
        self._rules.check(sql)
        return super().starting(sql)

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any]) -> ArrowResult:
        """Run a statement that was checked, and return its result."""
        description, reader = stream(self._driver, sql, parameters, _BATCH)
        from mixpanel_data.database.sandbox.dictionaries import plain_batch, plain_schema

        read = first_rows(reader, self._most_rows)
        batches = map(plain_batch, capped(read, self._rules.sandbox, sql))
        types = untold_types(description)
        return ArrowResult(batches, plain_schema(reader.schema), description, types, reader.close)


class PrefixingSandboxGuard(Watch):
    """Checks untrusted statements, and puts trusted SQL before them.

    Args:
        prefix: The SQL before the statement; it is not checked.
        rules: What the statement may contain and how long it may take.
        driver: The connection, to be interrupted.
    """

    def __init__(self, prefix: str, rules: Rules, driver: duckdb.DuckDBPyConnection) -> None:
        super().__init__(rules.timeout, driver)
        self._prefix = prefix
        self._rules = rules

    def starting(self, sql: str) -> str:
        """Check a statement, and return it with the prefix.

        Raises:
            ParserException: The text has several statements, or one that cannot have the prefix.
        """
        self._rules.check(sql)
        text = prefixed(self._driver, self._prefix, sql)
        super().starting(sql)
        return text
