"""The rows of a cursor: what is buffered in Python, then what DuckDB has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from duckdb import ProgrammingError

from mixpanel_data.dialect.driver.errors import InterfaceError
from mixpanel_data.dialect.driver.guards import Result, Row, Source
from mixpanel_data.dialect.driver.shared_connection import SharedConnection

_T = TypeVar("_T")

#: Rows per fetch while buffering: an error does not lose the rows fetched before it.
_CHUNK = 2048

_NO_ROWS = "There are no rows to fetch: no statement was run."

#: Why a cursor does nothing any more.
CLOSED = "The cursor is closed. Take a new one of the connection."


class Rows:
    """The rows of the last statement of a cursor.

    Another thread may run a statement of its own on the connection, which buffers the rows of this
    cursor first. ``_more`` becomes False after that, and only while the connection's lock is held:
    rows are taken from the buffer without the lock, and from DuckDB with it.

    Attributes:
        arraysize: How many rows ``fetchmany()`` returns by default.
        connection: Where they come from.
        description: PEP 249's description of the columns, None when the statement has no rows.
    """

    arraysize = 1

    def __init__(self, connection: SharedConnection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        # Buffered rows, whether DuckDB has more, and the error to raise after the last row.
        self._ahead: deque[Row] = deque()
        self._more = False
        self._error: BaseException | None = None
        self._source: Source = connection.driver
        self._result: Result | None = None
        self._step = 1
        self._closed = self._ran = False
        # How many rows were fetched from DuckDB, and how many there are, once that is known. Of a
        # result that was read in part, DuckDB 1.5 leaves the rest of a chunk out of a frame.
        self._fetched = 0
        self._total = -1

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the remaining rows."""
        return iter(self.fetchone, None)

    def __next__(self) -> Row:
        """Return the next row.

        Raises:
            StopIteration: There is none.
        """
        if (row := self.fetchone()) is None:
            raise StopIteration
        return row

    def fetchone(self) -> Row | None:
        """Return the next row, or None when there is none."""
        if not self._ahead and self._more:
            self._buffer_next()
        if self._ahead:
            return self._ahead.popleft()
        self._require_rows()
        return None

    def _buffer_next(self) -> None:
        # Fetching one row costs as much as many, but the caller may want only one.
        with self.connection.lock:
            if self._more:
                self._ahead.extend(self._fetch(self._step))
                self._step = min(self._step * 4, _CHUNK)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return the next ``size`` rows, fewer at the end."""
        count = self.arraysize if size is None else size
        if self._more and len(self._ahead) < count:
            with self.connection.lock:
                rows = self._take(count)
                if self._more and len(rows) < count:
                    rows += self._fetch(count - len(rows))
        else:
            rows = self._take(count)
        if not rows:
            self._require_rows()
        return rows

    def _take(self, count: int) -> list[Row]:
        """Return rows of the buffer."""
        return [self._ahead.popleft() for _ in range(min(count, len(self._ahead)))]

    def _fetch(self, count: int) -> list[Row]:
        """Return rows of DuckDB; the caller holds the lock."""
        rows = self._read(lambda: self._source.fetchmany(count))
        self._note(rows, ended=len(rows) < count)
        return rows

    def _note(self, rows: list[Row], *, ended: bool) -> None:
        """Count rows that were fetched from DuckDB."""
        self._fetched += len(rows)
        self._more = not ended
        if ended:
            self._total = self._fetched

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        rows: list[Row] = []
        if self._more:
            with self.connection.lock:
                if self._more:
                    rows = self._read(self._source.fetchall)
                    self._note(rows, ended=True)
        self._require_rows()
        if self._ahead:
            rows[:0] = self._ahead
            self._ahead.clear()
        return rows

    def buffer_remaining(self) -> bool:
        """Buffer the unread rows, so that the connection can run another statement.

        Returns:
            False if that failed; reading this cursor raises the error after the buffered rows.
        """
        while self._more:
            self.buffer_chunk()
        return self._error is None

    def buffer_chunk(self) -> None:
        """Buffer the next unread rows, or keep the error, to raise it after them."""
        if not self._more:
            return
        try:
            rows = self._source.fetchmany(_CHUNK)
            self._ahead.extend(rows)
            self._note(rows, ended=len(rows) < _CHUNK)
        except BaseException as error:
            self._end_with(error)
            if not isinstance(error, Exception):
                raise

    def invalidate(self) -> None:
        """Discard the result's unfetched rows after a rollback; reading them raises an error."""
        self._let_go()
        if self._more:
            self._end_with(
                ProgrammingError(
                    "The transaction was rolled back before all rows were read. Read them first."
                )
            )

    def _end_with(self, error: BaseException) -> None:
        """Raise an error after the rows that are buffered: DuckDB has dropped the result."""
        self._error = error
        self._more = False
        self._let_go()

    def _discard(self) -> None:
        if self._more:
            with self.connection.lock:
                self._let_go()
                if self._more:
                    self.connection.discard_result()
                    self._more = False
        self._let_go()
        self._ahead.clear()
        self._error = None
        self.description = None

    def _read(self, fetch: Callable[[], _T]) -> _T:
        try:
            return self.connection.run(self, fetch)
        except BaseException as error:
            self._end_with(error)
            raise

    def _let_go(self) -> None:
        if self._result is not None:
            self._result.close()
            self._result = None

    def _require_rows(self) -> None:
        """Raise the error that was kept, or that there is no result."""
        if self._error is not None:
            raise self._error
        if self._closed or not self._ran:
            raise InterfaceError(CLOSED if self._closed else _NO_ROWS)
