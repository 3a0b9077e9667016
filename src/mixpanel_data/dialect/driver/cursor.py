"""The PEP 249 cursor: one statement and its result, independent of other cursors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from duckdb import DuckDBPyRelation, ProgrammingError

from mixpanel_data.dialect.bulk.bulk import Bulk, prepare
from mixpanel_data.dialect.driver.checks import has_rows, is_returning, require_shallow
from mixpanel_data.dialect.driver.errors import InterfaceError
from mixpanel_data.dialect.driver.frames import Frames
from mixpanel_data.dialect.driver.guards import Parameters, Result, Row, Source
from mixpanel_data.dialect.driver.shared_connection import SharedConnection
from mixpanel_data.dialect.driver.type_codes import describe

_T = TypeVar("_T")

#: Rows per fetch while buffering: an error does not lose the rows fetched before it.
_CHUNK = 2048

_CLOSED = "The cursor is closed. Take a new one of the connection."
_NO_ROWS = "There are no rows to fetch: no statement was run."


class Cursor(Frames):
    """One statement and its result, as rows, or with DuckDB's own methods for data frames.

    Attributes:
        arraysize: How many rows ``fetchmany()`` returns by default.
        description: PEP 249's description of the columns, None when the statement has no rows.
        rowcount: How many rows an INSERT, UPDATE, DELETE or MERGE changed; -1 for anything else,
            for RETURNING, and for ``executemany()`` where DuckDB (1.5) does not report it.
        lastrowid: None: DuckDB has no such number. Use RETURNING.
        relation: The relation that :meth:`relate` built.
    """

    # polars looks at the name of the package to find out whether it can fetch Arrow data.
    __module__ = "duckdb"
    arraysize = 1
    lastrowid: None = None
    relation: DuckDBPyRelation

    def __init__(self, connection: SharedConnection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        # Buffered rows, whether DuckDB has more, and the error to raise after the last row.
        self._ahead: deque[Row] = deque()
        self._more = False
        self._error: BaseException | None = None
        self._source: Source = connection.driver
        self._result: Result | None = None
        self._step = 1
        self._closed = self._ran = False
        # Whether rows were fetched from DuckDB: 1.5 leaves the rest of their chunk out of a frame.
        self._fetched = False

    def execute(self, statement: str, parameters: Parameters | None = None) -> Cursor:
        """Run a statement, with a sequence for ``?`` or ``$1`` or a dict for ``$name``.

        As with duckdb-engine, ``register(?, ?)`` makes data readable under a name.
        """
        bound: Parameters = () if parameters is None else parameters
        if self.connection.control(statement, bound):
            return self
        sql = self._begin(statement)
        require_shallow(bound)
        self.connection.run(self, lambda: self._execute(sql, bound))
        return self

    def executemany(self, statement: str, parameters: Iterable[Parameters] | None = None) -> Cursor:
        """Run a statement once for every set of parameters.

        A simple INSERT or UPDATE becomes one statement over an Arrow batch if DuckDB stores the
        same values from it, see :mod:`~mixpanel_data.dialect.bulk.bulk`. RETURNING rows come in
        the order of the parameters.
        """
        sql = self._begin(statement)
        rows = list(parameters or ())
        if rows:
            self.connection.run(self, lambda: self._execute_many(sql, rows))
        return self

    def relate(self, statement: str, parameters: Parameters = ()) -> None:
        """Build a lazy relation of a query instead of running it.

        With a statement guard, the query runs and the relation has its rows: the guard cannot
        check what runs later.
        """
        if self.connection.statement_guard is not None:
            self.execute(statement, parameters)
            if (result := self._result) is not None:
                self._more = False
                self.relation = self._read(result.relation)
            return
        sql = self._begin(statement)
        require_shallow(parameters)
        driver = self.connection.driver
        bound = parameters or None
        relation = self.connection.run(self, lambda: driver.sql(sql, params=bound))
        if relation is None:  # DuckDB 1.5 returns none for a statement without rows
            relation = driver.sql('SELECT 0 AS "Count" LIMIT 0')
        self.relation = relation

    def sql(self, query: str, *, params: Parameters | None = None) -> DuckDBPyRelation:
        """Return a lazy relation of a query."""
        self.relate(query, () if params is None else params)
        return self.relation

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

    def __enter__(self) -> Cursor:
        """Return the cursor."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the cursor."""
        self.close()

    def nextset(self) -> None:
        """Return None: a statement has one result."""

    def __getattr__(self, name: str) -> Any:
        """Return what else a cursor of DuckDB has, which is a connection."""
        if name.startswith("_") or name in ("connection", "relation"):
            raise AttributeError(name)
        return getattr(self.connection, name)

    def fetchone(self) -> Row | None:
        """Return the next row, or None when there is none."""
        if not self._ahead:
            if not self._more:
                self._require_rows()
                return None
            # Fetching one row costs as much as many, but the caller may want only one.
            self._ahead.extend(self.fetchmany(self._step))
            self._step = min(self._step * 4, _CHUNK)
        return self._ahead.popleft() if self._ahead else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return the next ``size`` rows, fewer at the end."""
        count = self.arraysize if size is None else size
        rows = [self._ahead.popleft() for _ in range(min(count, len(self._ahead)))]
        if self._more and len(rows) < count:
            self._fetched = True
            rows += self._read(lambda: self._source.fetchmany(count - len(rows)))
            self._more = len(rows) == count
        elif not rows:
            self._require_rows()
        return rows

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        self._require_rows()
        rows = self._read(self._source.fetchall) if self._more else []
        self._more = False
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
        self._more = False
        try:
            self._fetched = True
            rows = self._source.fetchmany(_CHUNK)
            self._more = len(rows) == _CHUNK
            self._ahead.extend(rows)
        except BaseException as error:
            self._error = error
            self._let_go()
            if not isinstance(error, Exception):
                raise

    def invalidate(self) -> None:
        """Discard the result's unfetched rows after a rollback; reading them raises an error."""
        self._let_go()
        if self._more:
            self._more = False
            self._error = ProgrammingError(
                "The transaction was rolled back before all rows were read. Read them first."
            )

    def close(self) -> None:
        """Discard the result. The cursor runs nothing any more."""
        self._discard()
        self._closed = True

    def _discard(self) -> None:
        self._let_go()
        if self._more:
            self.connection.discard_result()
        self._ahead.clear()
        self._more = False
        self._error = None
        self.description = None

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing: DuckDB infers the types of parameters."""

    def setoutputsize(self, *sizes: Any) -> None:
        """Do nothing: DuckDB needs no buffer sizes."""

    def _begin(self, statement: str) -> str:
        if self._closed:
            raise InterfaceError(_CLOSED)
        sql = self.connection.starting(statement)
        self._discard()
        self._ran = True
        self.rowcount = -1
        self._step = 1
        self._fetched = False
        return sql

    def _execute(self, statement: str, parameters: Parameters = ()) -> None:
        driver = self.connection.driver
        guard = self.connection.statement_guard
        if guard is not None and (result := guard.execute(statement, parameters)) is not None:
            self._source = self._result = result
            self.description = describe(result.description)
            self._more = True
            return
        driver.execute(statement, parameters)
        if has_rows(driver, statement):
            self.description = describe(driver.description)
            self._more = True
        else:
            ((self.rowcount,),) = driver.fetchall() or [(-1,)]

    def _execute_many(self, statement: str, rows: list[Parameters]) -> None:
        driver = self.connection.driver
        bulk = prepare(driver, statement, rows)
        if bulk is not None and self._execute_bulk(bulk):
            return
        if is_returning(statement):
            for row in rows:
                self._execute_now(statement, row)
        else:
            driver.executemany(statement, rows)
            self.rowcount = driver.rowcount

    def _execute_bulk(self, bulk: Bulk) -> bool:
        """Run a statement over a batch if its condition holds, and tell whether it does."""
        driver = self.connection.driver
        driver.register(bulk.name, bulk.batch)
        try:
            met = bulk.condition is None or driver.execute(bulk.condition).fetchall() == [(True,)]
            if met:
                self._execute_now(bulk.statement)
        finally:
            self.connection.unregister(bulk.name)
        return met

    def _execute_now(self, statement: str, parameters: Parameters = ()) -> None:
        """Run a statement and buffer its rows, so that another statement can run."""
        self._execute(statement, parameters)
        if self._more:
            self._more = False
            self._ahead.extend(self._source.fetchall())

    def _read(self, fetch: Callable[[], _T]) -> _T:
        try:
            return self.connection.run(self, fetch)
        except BaseException as error:  # DuckDB has dropped the result
            self._more, self._error = False, error
            self._let_go()
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
            raise InterfaceError(_CLOSED if self._closed else _NO_ROWS)
