"""A limit of time for several statements together, which another thread can end early."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[Deadline | None] = ContextVar("mixpanel_data_deadline", default=None)


class Deadline:
    """How long the statements that one thread runs in a sandbox may take together.

    The start of a worker does not count.

    Args:
        seconds: The time, from now.

    Attributes:
        seconds: As given.
        at: When it ends, as ``time.monotonic()`` counts.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None

    @property
    def is_over(self) -> bool:
        """True once the time is up."""
        return time.monotonic() >= self.at

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Apply it to the statements of this thread, in the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def end(self) -> None:
        """End it now, from any thread: the running statement is stopped, no other one starts."""
        with self._lock:
            self.at = float("-inf")
            if self._stop is not None:
                self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self.at += time.monotonic() - started

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call a function if the deadline is ended while the block runs.

        Args:
            stop: Stops the statement. It is called in another thread, never after the block.
        """
        with self._lock:
            self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None


def current_deadline() -> Deadline | None:
    """Return the deadline of this thread's statements, None if there is none."""
    return _current.get()
