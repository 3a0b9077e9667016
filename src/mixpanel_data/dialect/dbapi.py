"""DuckDB's Python client as the PEP 249 module that SQLAlchemy expects.

DuckDB's own cursors are connections, and one connection holds one result. Here a
:class:`Connection` wraps one DuckDB connection, and each :class:`Cursor` on it keeps its own
result: when a newer statement starts, the rest of the older result is fetched first.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from typing import Any, Protocol, TypeVar

import duckdb
from duckdb import (
    ConnectionException,
    DatabaseError,
    DataError,
    DuckDBPyConnection,
    Error,
    IntegrityError,
    InternalError,
    IOException,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    TransactionException,
    Warning,  # noqa: A004 (the name is PEP 249's)
)

from mixpanel_data.dialect.cursor import Cursor, Parameters, Result
from mixpanel_data.dialect.errors import driver_errors
from mixpanel_data.file_locks import FileLockedError
from mixpanel_data.forks import in_forked_children, keep_from_destruction
from mixpanel_data.open_files import Lease, plain_path
from mixpanel_data.weak_registry import WeakRegistry

__all__ = [
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "connect",
]

apilevel = "2.0"
threadsafety = 1
paramstyle = "numeric_dollar"

#: What is raised on a connection that has been closed or lost its database.
DISCONNECTED = (ConnectionException, duckdb.FatalException)

#: As DuckDB says it of a file that is open elsewhere.
_LOCKED = (
    'Could not set lock on file "{database}": Conflicting lock is held in process (PID {pid}), '
    "or in this one under another name of the file."
)

#: What comes of a statement of ours, a rollback for instance, when the connection has gone, or
#: another thread is closing the database. It must not hide what went wrong before.
_GONE = (*DISCONNECTED, duckdb.InterruptException)

#: Whether ``executemany()`` tells the number of rows that changed; DuckDB 1.5 cannot.
COUNTS_MANY = int(duckdb.__version__.split(".", 1)[0]) >= 2

#: What DuckDB 1.5 imports to look at data, losing a Ctrl-C that comes meanwhile.
_IMPORTED_BY_DUCKDB = None if COUNTS_MANY else "pyarrow.dataset"

_T = TypeVar("_T")


def Binary(value: bytes) -> bytes:  # noqa: N802 (the name is PEP 249's)
    """Return the bytes as they are: DuckDB binds them to BLOB itself."""
    return value


def connect(database: str = ":memory:", **options: Any) -> Connection:
    """Open a database and wrap it; the options are those of ``duckdb.connect``.

    Raises:
        IOException: Another process has the file open, or this one by another name.
        StorageForkedError: The parent of this process had it open.
    """
    database = plain_path(str(database))
    try:
        lease = Lease(database, read_only=bool(options.get("read_only")))
        try:
            with driver_errors():
                driver = duckdb.connect(database, **options)
            lease.confirm()
        except BaseException:
            lease.release()
            raise
    except FileLockedError as error:
        raise IOException(_LOCKED.format(database=database, pid=error.pid)) from None
    connection = Connection(driver, lease.require_own, lease)
    # A pool may forget a connection without closing it.
    weakref.finalize(connection, lease.release).atexit = False
    return connection


class Guard(Protocol):
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


class Worker(Protocol):
    """Runs a statement of a connection in another thread."""

    def abort(self) -> None:
        """Make the statement fail that waits for its input: it is deaf to DuckDB's interrupt."""
        ...

    def stop(self) -> None:
        """Interrupt the statement, and wait until it has ended."""
        ...


class Connection:
    """One DuckDB connection with a transaction of its own.

    Args:
        driver: The DuckDB connection to wrap. ``close()`` closes it.
        guard: Called before anything is done; raises when nothing may be done any more.
        lease: Released when the connection is closed, None for nothing.

    Attributes:
        driver: The DuckDB connection.
        closed: True when the DuckDB connection is closed, by us or with its whole database.
        autocommit: True when ``begin()`` shall start nothing, so that every statement commits
            by itself.
        worker: Runs a statement in another thread, None for nobody. It is stopped before the
            transaction is rolled back: DuckDB takes one call at a time.
        statement_guard: Watches over the statements, None for nobody.
    """

    def __init__(
        self,
        driver: DuckDBPyConnection,
        guard: Callable[[], object] | None = None,
        lease: Lease | None = None,
    ) -> None:
        self.driver = driver
        self._guard = guard
        self._lease = lease
        self.closed = False
        self.autocommit = False
        self.worker: Worker | None = None
        self.statement_guard: Guard | None = None
        self._in_transaction = False
        self._failed = False
        self._current: weakref.ref[Cursor] | None = None
        self._registered: list[str] = []
        _open_here.add(self)

    def cursor(self) -> Cursor:
        """Return a new cursor, independent of the others."""
        return Cursor(self)

    def begin(self) -> None:
        """Start a transaction, unless the connection is in autocommit mode."""
        if not self.autocommit:
            self._require_open()
            self._keep_unread_rows()
            with driver_errors():
                self.driver.begin()
            self._in_transaction = True
            self._failed = False

    def commit(self) -> None:
        """Commit the transaction, if there is one.

        Raises:
            OperationalError: A statement of the transaction failed. It is rolled back. DuckDB 2.0
                would do the same without a word, and 1.5 would commit the rest.
        """
        if not self._in_transaction:
            return
        self._require_open()
        self._keep_unread_rows()
        if self._failed:
            self.rollback()
            raise TransactionException(
                "A statement of this transaction failed, so nothing of it was committed. "
                "Roll back after an error, then run the transaction again."
            )
        self._in_transaction = False
        try:
            with driver_errors():
                self.driver.commit()
        except BaseException:
            # After Ctrl-C, DuckDB 1.5 may go on committing; it is over before anything else runs.
            with suppress(Error):
                self.driver.rollback()
            raise

    def rollback(self) -> None:
        """Roll the transaction back, if there is one.

        In autocommit mode that is one which the application began in SQL.
        """
        self.stop_worker()
        if self._current is not None and (cursor := self._current()) is not None:
            cursor.lose()
        self._current = None
        began, self._in_transaction = self._in_transaction, False
        if self.closed:
            return
        if began:
            with suppress(*_GONE), driver_errors():
                self.driver.rollback()
                while self._registered:
                    self.driver.unregister(self._registered.pop())
        elif self.autocommit:
            with suppress(*_GONE, TransactionException):  # there is none
                self.driver.rollback()

    def free(self) -> None:
        """Drop a result that nobody will read, which would keep its transaction open."""
        self._current = None
        if not self.closed:
            # DuckDB 2.0's abort() would fail the transaction after an INSERT … RETURNING.
            with suppress(*_GONE, TransactionException), driver_errors():
                self.driver.execute("SELECT 1").fetchall()

    def register(self, name: str, data: object) -> None:
        """Make data readable as a view of this connection."""
        self._keep_unread_rows()
        self.free()
        if _IMPORTED_BY_DUCKDB is not None:
            with suppress(ImportError):
                import_module(_IMPORTED_BY_DUCKDB)
        with driver_errors():
            self.driver.register(name, data)

    def unregister(self, name: str) -> None:
        """Undo :meth:`register`, in a transaction that failed as soon as it is rolled back."""
        try:
            with driver_errors():
                self.driver.unregister(name)
        except Error:
            self._registered.append(name)

    def interrupt(self) -> None:
        """Make the running statement fail, if there is one; from any thread."""
        if (worker := self.worker) is not None:
            worker.abort()
        with suppress(duckdb.ConnectionException):  # closed already
            self.driver.interrupt()

    def stop_worker(self) -> None:
        """Make the statement of the worker fail, if there is one, and wait for its end."""
        if (worker := self.worker) is not None and not self.closed:
            worker.stop()
            self.worker = None

    def close(self) -> None:
        """Close the DuckDB connection; an open transaction is rolled back."""
        if not self.closed:
            self.stop_worker()
            self.closed = True
            self.driver.close()
            if self._lease is not None:
                self._lease.release()

    def run(self, cursor: Cursor, statement: Callable[[], _T]) -> _T:
        """Call a function that makes DuckDB work for a cursor, and note when it fails.

        Raises:
            OperationalError: The connection is closed.
        """
        self._require_open()
        if self._current is None or self._current() is not cursor:
            self._keep_unread_rows()
        try:
            with self._working(), driver_errors():
                result = statement()
        except BaseException:
            self._failed = True
            raise
        self._current = weakref.ref(cursor)
        return result

    def starting(self, sql: str) -> str:
        """Ask the guard of the statements, if there is one, what is to run for a statement."""
        if self.statement_guard is None:
            return sql
        self._require_open()
        with driver_errors():
            return self.statement_guard.starting(sql)

    def _working(self) -> AbstractContextManager[None]:
        return nullcontext() if self.statement_guard is None else self.statement_guard.working()

    def _require_open(self) -> None:
        if self._guard is not None:
            self._guard()
        if self.closed:
            raise ConnectionException("The connection is closed.")

    def _keep_unread_rows(self) -> None:
        if self._current is not None and (cursor := self._current()) is not None:
            with self._working(), driver_errors():
                self._failed |= not cursor.keep()
        self._current = None


_open_here: WeakRegistry[Connection] = WeakRegistry()


def _abandon_after_fork() -> None:
    """Keep the connections of the parent from being used or destroyed in a forked child."""
    for connection in _open_here:
        connection.closed = True
        keep_from_destruction(connection.driver)


in_forked_children(_abandon_after_fork)
