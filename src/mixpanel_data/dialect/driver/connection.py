"""PEP 249's connection: transactions over one DuckDB connection, and cursors on it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from types import SimpleNamespace
from typing import Any, Protocol

from duckdb import DuckDBPyConnection, DuckDBPyRelation, Error, TransactionException

from mixpanel_data.common.forks import in_forked_children, keep_from_destruction
from mixpanel_data.common.open_files import Lease
from mixpanel_data.common.weak_registry import WeakRegistry
from mixpanel_data.dialect.driver.cursor import Cursor
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.driver.frames import Frames
from mixpanel_data.dialect.driver.guards import Parameters
from mixpanel_data.dialect.driver.shared_connection import GONE, SharedConnection
from mixpanel_data.dialect.driver.stale_columns import StaleColumns
from mixpanel_data.dialect.sql.derived import Write
from mixpanel_data.exceptions import DatabaseMovedError

#: How long to wait before DuckDB is told again to stop: it may not have listened yet.
_INSIST_SECONDS = 0.01

#: What a connection has of its own last result, as DuckDB's has: rows, frames, and these.
_OF_RESULTS = {
    *("description", "rowcount", "fetchone", "fetchmany", "fetchall"),
    *(name for name in vars(Frames) if not name.startswith("_")),
}

_END = re.compile(
    r"\s*(?:(commit|end)|rollback|abort)(?:\s+(?:work|transaction))?\s*;?\s*", re.IGNORECASE
)


class BackgroundStatement(Protocol):
    """A statement of a connection that runs in another thread."""

    def abort(self) -> None:
        """Make the statement fail that waits for its input: DuckDB cannot interrupt it."""
        ...

    def stop(self) -> None:
        """Interrupt the statement, and wait until it has ended."""
        ...


class Connection(SharedConnection):
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
        background: The statement that runs in another thread, None for none. It is stopped before
            the transaction is rolled back: DuckDB takes one call at a time.
        statement_guard: Watches over the statements, None for nothing.
        must_roll_back: Whether to roll back before closing: of a lake whose catalog has gone,
            DuckDB would end the process otherwise.
    """

    # polars looks at the name of the package, and at this attribute of a connection of a pool, to
    # find out whether it can fetch Arrow data.
    __module__ = "duckdb"
    engine = SimpleNamespace(driver="duckdb_engine")

    def __init__(
        self,
        driver: DuckDBPyConnection,
        guard: Callable[[], object] | None = None,
        lease: Lease | None = None,
    ) -> None:
        super().__init__(driver, guard)
        self._lease = lease
        if lease is not None:
            self.require_in_place = lease.require_in_place
        self.autocommit = False
        self.background: BackgroundStatement | None = None
        self.must_roll_back = False
        self._stale_columns = StaleColumns()
        self._own: Cursor | None = None
        _open_here.add(self)

    def cursor(self) -> Cursor:
        """Return a new cursor, independent of the others."""
        return Cursor(self)

    def execute(self, statement: str, parameters: Parameters | None = None) -> Cursor:
        """Run a statement with a new cursor, and return that; polars gives SQLAlchemy's text.

        Its result is also that of the connection: ``fetchall()``, ``df()``, ``description``.
        """
        return self._take_own().execute(getattr(statement, "text", statement), parameters)

    def executemany(self, statement: str, parameters: Iterable[Parameters] | None = None) -> Cursor:
        """Run a statement for many rows with a new cursor, and return that."""
        return self._take_own().executemany(statement, parameters)

    def _take_own(self) -> Cursor:
        self._own = None  # the rows of the last one are only kept where the application has it
        self._own = self.cursor()
        return self._own

    def sql(self, query: str, *, params: Parameters | None = None) -> DuckDBPyRelation:
        """Return a lazy relation of a query."""
        return self.cursor().sql(query, params=params)

    def before(self, writes: Iterable[Write], *, keeps_columns: bool) -> None:
        """Mark the columns that a statement is about to make stale, in its transaction.

        Args:
            writes: What the statement writes.
            keeps_columns: Whether the tables have the same columns afterwards.
        """
        if not (keeps_columns and self._in_transaction):
            self._stale_columns.forget()
        if self.statement_guard is None:  # which lets nobody write
            for write in writes:
                self._stale_columns.mark(self.cursor, write)

    def __getattr__(self, name: str) -> Any:
        """Return what else DuckDB's connection has: its result, or such as ``create_function``.

        A guard of the statements sees none of the latter, so there is nothing then.
        """
        if name == "_ConnectionWrapper__c":  # how users of duckdb-engine find the connection
            return self.driver
        if name in _OF_RESULTS:
            return getattr(self._own or self.cursor(), name)
        if name.startswith("_") or name == "driver" or self.statement_guard is not None:
            raise AttributeError(name)
        found = getattr(self.driver, name)
        return self._as_call(found) if callable(found) else found

    def _as_call(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            with self._calling(), driver_errors():
                self.keep_unread_rows()
                self.discard_result()
                with self._working():
                    return method(*arguments, **options)

        return call

    def control(self, statement: str, parameters: Parameters) -> bool:
        """Do what a text means that is no statement for DuckDB, and tell whether it is one.

        COMMIT and ROLLBACK in SQL end the transaction as the methods do. A guard judges everything.
        """
        if self.statement_guard is not None:
            return False
        if self._in_transaction and (found := _END.fullmatch(statement)) is not None:
            (self.commit if found[1] else self.rollback)()
            return True
        return super().control(statement, parameters)

    def begin(self) -> None:
        """Start a transaction, unless the connection is in autocommit mode."""
        if not self.autocommit:
            with self._calling(), driver_errors():
                self.keep_unread_rows()
                self.driver.begin()
                self._in_transaction = True
                self._failed = False
                self._first = None
                self._changes = False
                self._stale_columns.forget()

    def commit(self) -> None:
        """Commit the transaction, if there is one.

        Raises:
            DatabaseMovedError: It has changes, and the file is no longer in its place, so that they
                would be lost. The transaction is rolled back.
            Error: A statement of the transaction failed, whose error is the ``__cause__`` and in
                the message; the class is the same. The transaction is rolled back. DuckDB 2.0
                would do the same without a word, and 1.5 would commit the rest.
        """
        if self._in_transaction:
            with self._calling():
                self._commit()

    def _commit(self) -> None:
        if not self._in_transaction:  # another thread was faster
            return
        self.keep_unread_rows()
        if self._failed:
            first = self._first
            self.rollback()
            raise _failed_before(first)
        if self._changes:
            try:
                self.require_in_place()
            except DatabaseMovedError:
                self.rollback()
                raise
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
        self.stop_background()
        with self.lock:
            self._own = None  # the next user of a pool's connection must not find it
            self._drop_result()
            began, self._in_transaction = self._in_transaction, False
            self._first = None
            if self.closed:
                return
            if began:
                with suppress(*GONE), driver_errors():
                    self.driver.rollback()
                    while self._registered:
                        self.driver.unregister(self._registered.pop())
            elif self.autocommit:
                with suppress(*GONE, TransactionException):  # there is none
                    self.driver.rollback()

    def interrupt(self) -> None:
        """Make the running statement fail, if there is one; from any thread."""
        if (background := self.background) is not None:
            background.abort()
        self.interrupt_driver()

    def stop_background(self) -> None:
        """Make the background statement fail, if there is one, and wait for its end."""
        if (background := self.background) is not None and not self.closed:
            background.stop()
            self.background = None

    def close(self) -> None:
        """Close the DuckDB connection; an open transaction is rolled back."""
        if not self.closed:
            self.stop_background()
            with self.lock:
                if self.closed:
                    return
                self._own = None
                self._drop_result()
                self.closed = True
                self._end_transaction()
                self.driver.close()
                if self._lease is not None:
                    self._lease.release()

    def retire(self) -> None:
        """Let nothing run on the connection any more; from any thread, before it is closed.

        A statement that runs fails.
        """
        self.interrupt()
        while not self.lock.acquire(timeout=_INSIST_SECONDS):
            self.interrupt()
        self.closed = True
        self._end_transaction()
        self.lock.release()

    def _end_transaction(self) -> None:
        if self.must_roll_back:
            with suppress(Error):
                self.driver.rollback()

    def detach_after_fork(self) -> None:
        """Keep it from being used or destroyed in a forked child, where it is the parent's."""
        self.lock = threading.RLock()  # a thread of the parent may have held it
        self.closed = True
        keep_from_destruction(self.driver)


def _failed_before(first: tuple[str, BaseException] | None) -> Error:
    """Return the error of a commit after a failed statement.

    It begins with the first error and has its class: pandas, for one, commits after an error, and
    raises what the commit raises.
    """
    advice = (
        "A statement of this transaction failed, so nothing of it was committed. "
        "Roll back after an error, then run the transaction again."
    )
    if first is None:
        return TransactionException(advice)
    statement, cause = first
    kind = type(cause) if isinstance(cause, Error) else TransactionException
    error = kind(f"{cause}\n[SQL: {statement}]\n{advice}")
    error.__cause__ = cause
    return error


_open_here: WeakRegistry[Connection] = WeakRegistry()


def interrupt_all() -> None:
    """Make every statement fail that runs in this process; from any thread."""
    for connection in _open_here:
        connection.interrupt()


def _detach_after_fork() -> None:
    """Keep the connections of the parent from being used or destroyed in a forked child."""
    for connection in _open_here:
        connection.detach_after_fork()


in_forked_children(_detach_after_fork)
