"""DuckDB's Python client as the PEP 249 module that SQLAlchemy expects.

DuckDB's own cursors are connections, and one connection holds one result. Here a
:class:`Connection` wraps one DuckDB connection, and each :class:`Cursor` on it keeps its own
result: when a newer statement starts, the rest of the older result is fetched first.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
from duckdb import (
    ConnectionException,
    DatabaseError,
    DataError,
    DuckDBPyConnection,
    DuckDBPyRelation,
    Error,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    TransactionException,
    Warning,  # noqa: A004 (the name is PEP 249's)
)

if TYPE_CHECKING:
    import pandas as pd

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

Row = tuple[Any, ...]
Parameters = Sequence[Any] | dict[str, Any]
_T = TypeVar("_T")


def Binary(value: bytes) -> bytes:  # noqa: N802 (the name is PEP 249's)
    """Return the bytes as they are: DuckDB binds them to BLOB itself."""
    return value


def connect(database: str = ":memory:", **options: Any) -> Connection:
    """Open a database and wrap it; the options are those of ``duckdb.connect``."""
    return Connection(duckdb.connect(database, **options))


@contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Give Ctrl-C its own exception back: DuckDB 1.5 makes a ``RuntimeError`` of it."""
    try:
        yield
    except RuntimeError as error:
        if type(error) is RuntimeError and str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


class Connection:
    """One DuckDB connection with a transaction of its own.

    Args:
        driver: The DuckDB connection to wrap. ``close()`` closes it.
        guard: Called before anything is done; raises when nothing may be done any more.

    Attributes:
        driver: The DuckDB connection.
        closed: True when the DuckDB connection is closed, by us or with its whole database.
        autocommit: True when ``begin()`` shall start nothing, so that every statement commits
            by itself.
        on_interrupt: What :meth:`interrupt` calls first, None for nothing: a statement that waits
            for its input is deaf to DuckDB's own interrupt.
    """

    def __init__(
        self, driver: DuckDBPyConnection, guard: Callable[[], object] | None = None
    ) -> None:
        self.driver = driver
        self._guard = guard
        self.closed = False
        self.autocommit = False
        self.on_interrupt: Callable[[], object] | None = None
        self._in_transaction = False
        self._failed = False
        self._current: weakref.ref[Cursor] | None = None

    def cursor(self) -> Cursor:
        """Return a new cursor, independent of the others."""
        return Cursor(self)

    def begin(self) -> None:
        """Start a transaction, unless the connection is in autocommit mode."""
        if not self.autocommit:
            self._require_open()
            self._keep_unread_rows()
            with keyboard_interrupts():
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
        if self._failed:
            self.rollback()
            raise TransactionException(
                "A statement of this transaction failed, so nothing of it was committed. "
                "Roll back after an error, then run the transaction again."
            )
        self._keep_unread_rows()
        self._in_transaction = False
        with keyboard_interrupts():
            self.driver.commit()

    def rollback(self) -> None:
        """Roll the transaction back, if there is one."""
        self._current = None
        if self._in_transaction:
            self._in_transaction = False
            if not self.closed:
                with keyboard_interrupts():
                    self.driver.rollback()

    def register(self, name: str, data: object) -> None:
        """Make data readable as a view of this connection."""
        with keyboard_interrupts():
            self.driver.register(name, data)

    def unregister(self, name: str) -> None:
        """Undo :meth:`register`."""
        with keyboard_interrupts():
            self.driver.unregister(name)

    def interrupt(self) -> None:
        """Make the running statement fail, if there is one; from any thread."""
        if self.on_interrupt is not None:
            self.on_interrupt()
        with suppress(duckdb.ConnectionException):  # closed already
            self.driver.interrupt()

    def close(self) -> None:
        """Close the DuckDB connection; an open transaction is rolled back."""
        if not self.closed:
            self.closed = True
            self.driver.close()

    def run(self, cursor: Cursor, statement: Callable[[], _T]) -> _T:
        """Call a function that makes DuckDB work for a cursor, and note when it fails.

        Raises:
            OperationalError: The connection is closed.
        """
        self._require_open()
        if self._current is None or self._current() is not cursor:
            self._keep_unread_rows()
        try:
            with keyboard_interrupts():
                result = statement()
        except Error:
            self._failed = True
            raise
        self._current = weakref.ref(cursor)
        return result

    def _require_open(self) -> None:
        if self._guard is not None:
            self._guard()
        if self.closed:
            raise ConnectionException("The connection is closed.")

    def _keep_unread_rows(self) -> None:
        if self._current is not None and (cursor := self._current()) is not None:
            cursor.detach()
        self._current = None


class Cursor:
    """One statement and its result.

    Attributes:
        arraysize: How many rows ``fetchmany()`` gives by default.
        description: PEP 249's description of the columns, None when there is no result.
        rowcount: Always -1: DuckDB does not tell.
        relation: The relation that :meth:`relate` made.
    """

    arraysize = 1
    rowcount = -1
    relation: DuckDBPyRelation

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self._kept: deque[Row] | None = None

    def execute(self, statement: str, parameters: Parameters = ()) -> None:
        """Run a statement, with a sequence for ``?`` or ``$1`` or a dict for ``$name``."""
        driver = self.connection.driver
        self._kept = None
        self.connection.run(self, lambda: driver.execute(statement, parameters))
        self.description = driver.description

    def executemany(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Run a statement once for every set of parameters."""
        driver = self.connection.driver
        self._kept = None
        self.connection.run(self, lambda: driver.executemany(statement, list(parameters)))
        self.description = driver.description

    def relate(self, statement: str, parameters: Parameters = ()) -> None:
        """Make a lazy relation of a query instead of running it."""
        driver = self.connection.driver
        bound = parameters or None
        relation = self.connection.run(self, lambda: driver.sql(statement, params=bound))
        if relation is None:  # DuckDB 1.5 has none for a statement without rows
            relation = driver.sql('SELECT 0 AS "Count" LIMIT 0')
        self.relation = relation

    def fetchone(self) -> Row | None:
        """Return the next row, or None when there is none."""
        if self._kept is not None:
            return self._kept.popleft() if self._kept else None
        return self.connection.run(self, self.connection.driver.fetchone)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return the next ``size`` rows, fewer at the end."""
        count = self.arraysize if size is None else size
        if self._kept is not None:
            return [self._kept.popleft() for _ in range(min(count, len(self._kept)))]
        return self.connection.run(self, lambda: self.connection.driver.fetchmany(count))

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        if self._kept is not None:
            rows = list(self._kept)
            self._kept.clear()
            return rows
        return self.connection.run(self, self.connection.driver.fetchall)

    def df(self) -> pd.DataFrame:
        """Return all remaining rows as a DataFrame, built by DuckDB column by column."""
        return self.connection.run(self, self.connection.driver.df)

    def detach(self) -> None:
        """Fetch and keep what is unread, so that the connection is free for another statement."""
        if self._kept is None and self.description is not None:
            self._kept = deque(self.connection.driver.fetchall())

    def close(self) -> None:
        """Let go of the result."""
        self._kept = deque()
        self.description = None

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing: DuckDB infers the types of parameters."""

    def setoutputsize(self, *sizes: Any) -> None:
        """Do nothing: DuckDB needs no buffer sizes."""
