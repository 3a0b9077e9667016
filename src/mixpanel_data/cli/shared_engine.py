"""An engine that is open only while somebody uses it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mixpanel_data.exceptions import DatabaseFileError, DatabaseLockedError
from mixpanel_data.storage import StorageEngine

#: After how many seconds of uninterrupted use a new user waits until the engine has been closed.
LONGEST = 10.0

#: How many seconds the file then stays closed: a writer that waits tries again within one.
PAUSE = 1.2

#: How many seconds a user waits for the file before it asks whether to go on.
_STEP = 1.0


class SharedEngine:
    """An engine for those who use it at the same time, closed when nobody does.

    While it is closed, other processes can open the file to write. That many users follow each
    other without a gap does not keep them out for ever: see :data:`LONGEST`.

    Each user calls :meth:`announce`, then :meth:`lent` or :meth:`withdraw`. Between users, the
    engine stays open for those who are announced.

    Args:
        open_engine: Opens an engine; takes the seconds to wait while the file is locked.
        longest: As :data:`LONGEST`.
    """

    def __init__(
        self, open_engine: Callable[[float], StorageEngine], longest: float = LONGEST
    ) -> None:
        self._open = open_engine
        self._longest = longest
        self._turn = threading.Condition()
        self._engine: StorageEngine | None = None
        self._users = self._announced = 0
        self._is_opening = False
        self._ends_at = self._pause = 0.0

    def announce(self) -> None:
        """Tell that a user will come."""
        with self._turn:
            self._announced += 1

    def withdraw(self) -> None:
        """Tell that a user who was announced will not come."""
        with self._turn:
            self._announced -= 1
            self._close_if_unused()

    @contextmanager
    def lent(
        self, lock_timeout: float, is_over: Callable[[], bool] = lambda: False
    ) -> Iterator[StorageEngine]:
        """Provide the engine, open, to a user who was announced.

        Args:
            lock_timeout: Seconds to wait while another process has the file open.
            is_over: Asked now and then while waiting; True ends it.

        Raises:
            DatabaseFileError: The file cannot be opened; the subclass says why.
        """
        engine = self._acquire() or self._opened(lock_timeout, is_over)
        try:
            yield engine
        except DatabaseFileError:  # such as a file that was replaced: the next user opens it anew
            self._ends_at = 0.0
            raise
        finally:
            with self._turn:
                self._users -= 1
                self._close_if_unused()

    def _acquire(self) -> StorageEngine | None:
        """Return the engine that is open, or None if the caller has to open one."""
        with self._turn:
            self._turn.wait_for(self._is_free)
            self._announced -= 1
            if self._engine is None:
                self._is_opening = True
            else:
                self._users += 1
            return self._engine

    def _is_free(self) -> bool:
        if self._is_opening:
            return False
        return self._engine is None or time.monotonic() < self._ends_at

    def _opened(self, lock_timeout: float, is_over: Callable[[], bool]) -> StorageEngine:
        engine = None
        try:
            time.sleep(self._pause)
            engine = self._open_once_free(time.monotonic() + lock_timeout, is_over)
            return engine
        finally:
            with self._turn:
                self._is_opening = False
                self._engine = engine
                self._pause = 0.0
                if engine is not None:
                    self._users = 1
                    self._ends_at = time.monotonic() + self._longest
                self._turn.notify_all()

    def _open_once_free(self, until: float, is_over: Callable[[], bool]) -> StorageEngine:
        while True:
            left = max(0.0, until - time.monotonic())
            try:
                return self._open(min(left, _STEP))
            except DatabaseLockedError:
                if left <= _STEP or is_over():
                    raise

    def _close_if_unused(self) -> None:
        """Close the engine if nobody uses it, and nobody will or its time is up."""
        is_over = time.monotonic() >= self._ends_at
        if self._engine is None or self._users or (self._announced and not is_over):
            return
        engine, self._engine = self._engine, None
        self._pause = PAUSE if self._announced else 0.0
        try:
            engine.close()
        finally:
            self._turn.notify_all()
