"""The connections of an open database, until it is closed or this process is forked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import duckdb

from mixpanel_data.common.forks import in_forked_children, keep_from_destruction
from mixpanel_data.common.weak_registry import WeakRegistry
from mixpanel_data.database.ephemeral import EphemeralFolder
from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.exceptions import StorageClosedError

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver.connection import Connection

#: What DuckDB 2.0 raises when a connection is closed while it works; 1.5 waits instead.
_BUSY: tuple[type[duckdb.Error], ...] = tuple(
    getattr(duckdb, name) for name in ("ResourceInUseException",) if hasattr(duckdb, name)
)


class Connections:
    """All connections to an open database.

    Args:
        opened: Holds the database open.

    Attributes:
        pid: The process that opened the database.
    """

    def __init__(self, opened: OpenDatabase) -> None:
        self.pid = os.getpid()
        self._opened = opened
        self._raw: list[duckdb.DuckDBPyConnection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._living: WeakRegistry[Connection] = WeakRegistry()
        _open_here.add(self)

    def raw(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection of DuckDB itself, for the user's own purposes."""
        with self._lock:
            self._raw.append(self._opened.cursor())
            return self._raw[-1]

    def new(self, guard: Callable[[], object]) -> Connection:
        """Return a new connection of the dialect.

        Args:
            guard: Called before the connection does anything.

        Raises:
            StorageClosedError: Another thread has begun to close the database.
        """
        from mixpanel_data.dialect.driver.connection import Connection

        with self._lock:
            if self._closed:
                raise StorageClosedError
            connection = Connection(self._opened.cursor(), guard)
            connection.require_in_place = self._opened.require_in_place
            connection.must_roll_back = self._opened.must_roll_back
            self._living.add(connection)
        return connection

    def count_open(self) -> int:
        """Return how many connections of the dialect are open."""
        return sum(not connection.closed for connection in self._living)

    def close(self, folder: EphemeralFolder | None) -> None:
        """Close them and the database, unless this process was forked from the one that opened it.

        Args:
            folder: What to remove afterwards.
        """
        if os.getpid() != self.pid:
            return
        try:
            with self._lock:
                self._closed = True
            for connection in self._living:
                connection.retire()
            if self._opened.must_roll_back:
                for raw in self._raw:
                    with suppress(duckdb.Error):
                        raw.rollback()
            while True:
                try:
                    self._opened.close()
                    break
                except _BUSY:  # a statement of the user's own connection or relation
                    for connection in self._living:
                        connection.interrupt()
                    time.sleep(0.001)
        finally:  # even when the application's own handler of a signal ends it here
            if folder is not None:
                folder.remove()

    def detach_after_fork(self) -> None:
        """Let nothing of the database be destroyed in this process; the dialect does the rest."""
        for item in (self._opened, *self._raw):
            keep_from_destruction(item)


_open_here: WeakRegistry[Connections] = WeakRegistry()


def _detach_after_fork() -> None:
    """Keep what the parent has open from ever being destroyed in a forked child."""
    for connections in _open_here:
        connections.detach_after_fork()


in_forked_children(_detach_after_fork)
