"""One DuckDB connection that several cursors share, one result at a time."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from typing import Protocol, TypeVar

import duckdb
from duckdb import ConnectionException, DuckDBPyConnection, Error, TransactionException

from mixpanel_data.common.signals import heard_by
from mixpanel_data.dialect.driver.checks import changes, names_other_database
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.driver.guards import Parameters, StatementGuard
from mixpanel_data.exceptions import DatabaseMovedError

#: What is raised on a connection that has been closed or lost its database.
DISCONNECTED = (ConnectionException, duckdb.FatalException)

#: What comes of a statement of ours, a rollback for instance, when the connection has gone, or
#: another thread is closing the database. It must not hide what went wrong before.
GONE = (*DISCONNECTED, duckdb.InterruptException)

#: What DuckDB 1.5 imports to look at data, losing a Ctrl-C that comes meanwhile.
_IMPORTED_BY_DUCKDB = "pyarrow.dataset" if duckdb.__version__.startswith("1.") else None

_REGISTER = re.compile(
    r"\s*register\s*(?:\(\s*(?:\$1|\?)\s*,\s*(?:\$2|\?)\s*\))?\s*", re.IGNORECASE
)

_T = TypeVar("_T")


def _do_nothing() -> None:
    """Have no file that could be moved."""


class Reader(Protocol):
    """What reads the result of a connection: a cursor."""

    def buffer_remaining(self) -> bool:
        """Fetch what is unread; False when that failed."""
        ...

    def buffer_chunk(self) -> None:
        """Fetch some of what is unread."""
        ...

    def invalidate(self) -> None:
        """Note that the result has gone."""
        ...


class SharedConnection:
    """A DuckDB connection whose one result belongs to the cursor that ran the last statement.

    One thread at a time calls DuckDB, and nobody once the connection is closed: DuckDB 1.5 would
    give rows that are not all of them, or end the process. So several threads may share a
    connection, each with a cursor of its own.

    Args:
        driver: The DuckDB connection to wrap.
        guard: Called before anything is done; raises when nothing may be done any more.

    Attributes:
        driver: The DuckDB connection.
        closed: True when the DuckDB connection is closed, by us or with its whole database.
        lock: Held while DuckDB is called, and while it is decided whose result is unread.
        statement_guard: Watches over the statements, None for nothing.
        require_in_place: Raises ``DatabaseMovedError`` if the file is no longer at its path.
    """

    def __init__(
        self, driver: DuckDBPyConnection, guard: Callable[[], object] | None = None
    ) -> None:
        self.driver = driver
        self.closed = False
        self.statement_guard: StatementGuard | None = None
        self.require_in_place: Callable[[], None] = _do_nothing
        self._guard = guard
        self.lock = threading.RLock()
        self._failed = False
        self._in_transaction = False
        self._changes = False
        self._statement = ""
        self._first: tuple[str, BaseException] | None = None
        self._current: weakref.ref[Reader] | None = None
        self._registered: list[str] = []

    def discard_result(self) -> None:
        """Drop a result that nobody will read, which would keep its transaction open."""
        # DuckDB 2.0's abort() would fail the transaction after an INSERT … RETURNING.
        with self.lock, suppress(*GONE, TransactionException), driver_errors():
            self._current = None
            if not self.closed:
                self.driver.execute("SELECT 1").fetchall()

    def register(self, name: str, data: object) -> None:
        """Make data readable as a view of this connection."""
        if _IMPORTED_BY_DUCKDB is not None:
            with suppress(ImportError):
                import_module(_IMPORTED_BY_DUCKDB)
        with self._calling(), driver_errors():
            self.keep_unread_rows()
            self.discard_result()
            self.driver.register(name, data)

    def unregister(self, name: str) -> None:
        """Undo :meth:`register`, in a transaction that failed as soon as it is rolled back."""
        try:
            with self.lock, driver_errors():
                if not self.closed:
                    self.driver.unregister(name)
        except Error:
            self._registered.append(name)

    def run(self, cursor: Reader, statement: Callable[[], _T]) -> _T:
        """Call a function that makes DuckDB work for a cursor, and note when it fails.

        Raises:
            OperationalError: The connection is closed.
        """
        with self.lock:
            try:
                with self._calling():
                    if self._current is None or self._current() is not cursor:
                        self.keep_unread_rows()
                    with self._working(), driver_errors():
                        result = statement()
                    self._current = weakref.ref(cursor)
            except BaseException as error:
                self._note_failure(error)
                raise
        return result

    def control(self, statement: str, parameters: Parameters) -> bool:
        """Do what a text means that is no statement for DuckDB, and tell whether it is one.

        ``register`` with a name and data is one of duckdb-engine's.
        """
        if _REGISTER.fullmatch(statement) is None:
            return False
        values = parameters.values() if isinstance(parameters, dict) else parameters
        self.register(*values)
        return True

    def starting(self, sql: str) -> str:
        """Ask the guard of the statements, if there is one, what is to run for a statement.

        Raises:
            DatabaseMovedError: It would change a file that is no longer in its place.
        """
        self._statement = sql
        if not self.is_guarded_strictly:
            self._require_kept(sql)
        if self.statement_guard is None:
            with driver_errors():
                sql.encode()  # what DuckDB's client would refuse in one way or another
            return sql
        with self._calling(), driver_errors():
            return self.statement_guard.starting(sql)

    @property
    def is_guarded_strictly(self) -> bool:
        """Whether a guard lets only pass what reads."""
        return self.statement_guard is not None and self.statement_guard.is_strict

    def _require_kept(self, sql: str) -> None:
        """Note a change of the transaction, and refuse one that would be lost."""
        try:
            self.require_in_place()
        except DatabaseMovedError:
            with self._calling(), suppress(Error):  # which the statement will raise
                if changes(self.driver, sql) and not names_other_database(self.driver, sql):
                    raise
        else:
            if self._in_transaction and not self._changes:
                with self._calling(), suppress(Error):
                    self._changes = changes(self.driver, sql)

    def _note_failure(self, error: BaseException) -> None:
        """Keep the first error of a transaction: of later statements DuckDB says "aborted"."""
        self._failed = True
        if not self._in_transaction:
            return
        if self._first is None:
            self._first = (self._statement, error)
        elif isinstance(error, TransactionException) and error is not self._first[1]:
            error.__cause__ = self._first[1]

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Keep other threads from the connection in the block, which calls DuckDB.

        Where another thread has begun to close the database, the error is the guard's, whatever
        DuckDB made of it.

        Raises:
            OperationalError: The connection is closed.
        """
        with self.lock:
            self._require_open()
            try:
                yield
            except Error:
                self._require_open()
                raise

    def _working(self) -> AbstractContextManager[object]:
        guard = self.statement_guard
        return heard_by(self.interrupt_driver) if guard is None else guard.working()

    def interrupt_driver(self) -> None:
        """Make the statement fail that DuckDB runs, if there is one; from any thread."""
        with suppress(ConnectionException):  # closed already
            self.driver.interrupt()

    def _require_open(self) -> None:
        if self._guard is not None:
            self._guard()
        if self.closed:
            raise ConnectionException("The connection is closed.")

    def keep_unread_rows(self) -> None:
        """Let the current cursor fetch what it has not; the caller holds the lock."""
        if self._current is not None and (cursor := self._current()) is not None:
            with self._working(), driver_errors():
                self._failed |= not cursor.buffer_remaining()
        self._current = None

    def _drop_result(self) -> None:
        """Keep the first of the unread rows of a result, as a driver that buffers has them."""
        if self._current is not None and (cursor := self._current()) is not None:
            if not (self._failed or self.closed):
                with self._working(), driver_errors():
                    cursor.buffer_chunk()
            cursor.invalidate()
        self._current = None
