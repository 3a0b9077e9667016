"""Runs the calls of the MCP server in a few threads, each with a limit of time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from mixpanel_data.cli.shared_engine import SharedEngine
from mixpanel_data.database.sandbox.deadline import Deadline
from mixpanel_data.storage import StorageEngine

_T = TypeVar("_T")

#: How many calls that only look into the catalog run at once.
_CATALOG_THREADS = 2


class Calls:
    """Runs calls that use the engine, a few at a time; others wait in a queue.

    Args:
        engine: The engine.
        seconds: How long a call may run SQL. The time in the queue does not count.
        lock_timeout: Seconds from the arrival of a call for which it waits for a file that another
            process has open. There is one attempt in any case.
        threads: How many calls run SQL at once.
    """

    def __init__(
        self, engine: SharedEngine, *, seconds: float, lock_timeout: float, threads: int
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self._lock_timeout = lock_timeout
        self._running: set[Callable[[], None]] = set()
        self._sql = ThreadPoolExecutor(threads, "mixpanel_data-mcp")
        self._catalog = ThreadPoolExecutor(_CATALOG_THREADS, "mixpanel_data-mcp-catalog")

    async def run(self, work: Callable[[StorageEngine], _T], *, runs_sql: bool) -> _T:
        """Return what a function returns, which uses the engine in another thread.

        When the caller is cancelled, the statement that runs is stopped.

        Args:
            work: The function.
            runs_sql: False for one that only looks into the catalog.

        Raises:
            MixpanelDataError: As the function raises it, or opening the file.
        """
        call = _Call(work, self._engine, self._seconds, time.monotonic() + self._lock_timeout)
        executor = self._sql if runs_sql else self._catalog
        self._running.add(call.end)
        self._engine.announce()
        future = executor.submit(call)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._running.discard(call.end)
            call.end()
            if future.cancel():  # it has not started
                self._engine.withdraw()

    def close(self) -> None:
        """Stop all calls, and wait for their threads."""
        for end in list(self._running):
            end()
        for executor in (self._sql, self._catalog):
            executor.shutdown(cancel_futures=True)


class _Call(Generic[_T]):
    """One call.

    Args:
        work: The function that uses the engine.
        engine: The engine.
        seconds: How long it may run SQL.
        waits_until: Until when it waits for the file, as ``time.monotonic()`` counts.
    """

    def __init__(
        self,
        work: Callable[[StorageEngine], _T],
        engine: SharedEngine,
        seconds: float,
        waits_until: float,
    ) -> None:
        self._work = work
        self._engine = engine
        self._seconds = seconds
        self._waits_until = waits_until
        self._lock = threading.Lock()
        self._deadline: Deadline | None = None
        self._ended = False

    def __call__(self) -> _T:
        """Run it, in this thread."""
        wait = max(0.0, self._waits_until - time.monotonic())
        with self._engine.lent(wait, lambda: self._ended) as storage:
            deadline = Deadline(self._seconds)
            with self._lock:
                self._deadline = deadline
                if self._ended:
                    deadline.end()
            with deadline.applied():
                return self._work(storage)

    def end(self) -> None:
        """End it, from any thread."""
        with self._lock:
            self._ended = True
            if self._deadline is not None:
                self._deadline.end()
