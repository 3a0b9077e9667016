"""The PEP 249 cursor: one statement and its result, independent of other cursors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation, ProgrammingError

from mixpanel_data.dialect.bulk.bulk import Bulk, prepare
from mixpanel_data.dialect.driver.guards import Parameters, Result, Row, Source
from mixpanel_data.dialect.driver.shared_connection import SharedConnection

if TYPE_CHECKING:
    import pandas as pd

_T = TypeVar("_T")

#: How deeply lists and dicts may be nested in a parameter.
_DEEPEST = 60

#: Rows per fetch while buffering: an error does not lose the rows fetched before it.
_CHUNK = 2048


class Cursor:
    """One statement and its result.

    Attributes:
        arraysize: How many rows ``fetchmany()`` returns by default.
        description: PEP 249's description of the columns, None when the statement has no rows.
        rowcount: How many rows an INSERT, UPDATE, DELETE or MERGE changed; -1 for anything else,
            for RETURNING, and for ``executemany()`` where DuckDB (1.5) does not report it.
        relation: The relation that :meth:`relate` built.
    """

    arraysize = 1
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

    def execute(self, statement: str, parameters: Parameters = ()) -> None:
        """Run a statement, with a sequence for ``?`` or ``$1`` or a dict for ``$name``."""
        sql = self._begin(statement)
        _require_shallow(parameters)
        self.connection.run(self, lambda: self._execute(sql, parameters))

    def executemany(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Run a statement once for every set of parameters.

        A simple INSERT or UPDATE becomes one statement over an Arrow batch if DuckDB stores the
        same values from it, see :mod:`~mixpanel_data.dialect.bulk.bulk`. RETURNING rows come in
        the order of the parameters.
        """
        sql = self._begin(statement)
        self.connection.run(self, lambda: self._execute_many(sql, list(parameters)))

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
        _require_shallow(parameters)
        driver = self.connection.driver
        bound = parameters or None
        relation = self.connection.run(self, lambda: driver.sql(sql, params=bound))
        if relation is None:  # DuckDB 1.5 returns none for a statement without rows
            relation = driver.sql('SELECT 0 AS "Count" LIMIT 0')
        self.relation = relation

    def fetchone(self) -> Row | None:
        """Return the next row, or None when there is none."""
        if not self._ahead:
            if not self._more:
                self._raise_kept_error()
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
            rows += self._read(lambda: self._source.fetchmany(count - len(rows)))
            self._more = len(rows) == count
        elif not rows:
            self._raise_kept_error()
        return rows

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        self._raise_kept_error()
        rows = self._read(self._source.fetchall) if self._more else []
        self._more = False
        if self._ahead:
            rows[:0] = self._ahead
            self._ahead.clear()
        return rows

    def df(self) -> pd.DataFrame:
        """Return all remaining rows as a DataFrame, built by DuckDB column by column."""
        if self._more and not self._ahead:
            self._more = False
            return self._read(self._source.df)
        import pandas as pd

        return pd.DataFrame(self.fetchall(), columns=[name for name, *_ in self.description or ()])

    def buffer_remaining(self) -> bool:
        """Buffer the unread rows, so that the connection can run another statement.

        Returns:
            False if that failed; reading this cursor raises the error after the buffered rows.
        """
        while self._more:
            self._more = False
            try:
                rows = self._source.fetchmany(_CHUNK)
                self._more = len(rows) == _CHUNK
                self._ahead.extend(rows)
            except BaseException as error:
                self._error = error
                self._let_go()
                if not isinstance(error, Exception):
                    raise
        return self._error is None

    def invalidate(self) -> None:
        """Discard the result's unfetched rows after a rollback; reading them raises an error."""
        self._let_go()
        if self._more:
            self._more = False
            self._error = ProgrammingError(
                "The transaction was rolled back before all rows were read. Read them first."
            )

    def close(self) -> None:
        """Discard the result."""
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
        sql = self.connection.starting(statement)
        self.close()
        self.rowcount = -1
        self._step = 1
        return sql

    def _execute(self, statement: str, parameters: Parameters = ()) -> None:
        driver = self.connection.driver
        guard = self.connection.statement_guard
        if guard is not None and (result := guard.execute(statement, parameters)) is not None:
            self._source = self._result = result
            self.description = result.description
            self._more = True
            return
        driver.execute(statement, parameters)
        if _has_rows(driver, statement):
            self.description = driver.description
            self._more = True
        else:
            ((self.rowcount,),) = driver.fetchall() or [(-1,)]

    def _execute_many(self, statement: str, rows: list[Parameters]) -> None:
        driver = self.connection.driver
        bulk = prepare(driver, statement, rows)
        if bulk is not None and self._execute_bulk(bulk):
            return
        if _is_returning(statement):
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

    def _raise_kept_error(self) -> None:
        if self._error is not None:
            raise self._error


def _require_shallow(parameters: Parameters) -> None:
    """Refuse values nested so deeply, or in themselves, that DuckDB's client would crash.

    Raises:
        InvalidInputException: A parameter is nested too deeply.
    """
    level = list(parameters.values() if isinstance(parameters, dict) else parameters)
    for _ in range(_DEEPEST):
        nested = {id(value): value for value in level if isinstance(value, (list, tuple, dict))}
        if not nested:
            return
        level = [
            item
            for value in nested.values()
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    raise duckdb.InvalidInputException(f"A parameter is nested more than {_DEEPEST} levels deep.")


def _has_rows(driver: DuckDBPyConnection, statement: str) -> bool:
    """Tell whether the statement that ran returns rows.

    For one that does not, DuckDB returns a column ``Success``, or ``Count`` with the number of
    changed rows.
    """
    description = driver.description
    if description is None:
        return False
    if len(description) != 1 or description[0][0] not in ("Count", "Success"):
        return True
    *_, last = driver.extract_statements(statement)
    without = {duckdb.ExpectedResultType.CHANGED_ROWS, duckdb.ExpectedResultType.NOTHING}
    return without.isdisjoint(last.expected_result_type) or _is_returning(statement)


def _is_returning(statement: str) -> bool:
    """Tell whether the word RETURNING is in a statement, outside of names and strings."""
    encoded = statement.encode()  # DuckDB counts bytes
    return any(
        kind == duckdb.token_type.keyword and encoded[start : start + 9].upper() == b"RETURNING"
        for start, kind in duckdb.tokenize(statement)
    )
