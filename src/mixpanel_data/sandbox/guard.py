"""Watches over the statements of one connection: what they contain, how long they take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from mixpanel_data.exceptions import QueryTimeoutError
from mixpanel_data.sandbox.rules import Rules

#: How long to wait before DuckDB is told again to stop: it may not have listened yet.
_INSIST_SECONDS = 0.05


class Guard:
    """Watches over the statements of one connection.

    Args:
        rules: What they may contain and how long they may take.
        driver: The connection, to be interrupted.
    """

    def __init__(self, rules: Rules, driver: duckdb.DuckDBPyConnection) -> None:
        self._rules = rules
        self._driver = driver
        self._sql = ""
        self._left = rules.timeout or 0.0

    def starting(self, sql: str) -> None:
        """Check a statement before it starts."""
        self._rules.check(sql)
        self._sql = sql
        self._left = self._rules.timeout or 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Interrupt DuckDB when what it does in the block takes longer than the statement may.

        The time that passes between two calls of DuckDB is the caller's and does not count.

        Raises:
            QueryTimeoutError: It took too long.
        """
        timeout = self._rules.timeout
        if timeout is None:
            yield
            return
        done, overdue = threading.Event(), threading.Event()
        watch = threading.Thread(
            target=self._watch, args=(done, overdue), name="mixpanel_data-timeout", daemon=True
        )
        started = time.monotonic()
        watch.start()
        try:
            yield
        except duckdb.InterruptException as error:
            if overdue.is_set():
                raise QueryTimeoutError(timeout, self._sql) from error
            raise
        finally:
            done.set()
            watch.join()
            self._left = max(0.0, self._left - (time.monotonic() - started))

    def _watch(self, done: threading.Event, overdue: threading.Event) -> None:
        if not done.wait(self._left):
            overdue.set()
            while not done.is_set():
                self._driver.interrupt()
                done.wait(_INSIST_SECONDS)
