"""The PEP 249 cursor: one statement and its result, independent of other cursors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from duckdb import DuckDBPyRelation

from mixpanel_data.dialect.bulk.bulk import Bulk, prepare
from mixpanel_data.dialect.driver.arrow_types import fit_for_arrow
from mixpanel_data.dialect.driver.checks import (
    bindable,
    has_rows,
    is_returning,
    require_query,
    run_many,
    without_end,
)
from mixpanel_data.dialect.driver.errors import InterfaceError
from mixpanel_data.dialect.driver.frames import Frames
from mixpanel_data.dialect.driver.guards import Parameters
from mixpanel_data.dialect.driver.rows import CLOSED
from mixpanel_data.dialect.driver.shared_connection import SharedConnection
from mixpanel_data.dialect.driver.type_codes import describe


class Cursor(Frames):
    """One statement and its result, as rows, or with DuckDB's own methods for data frames.

    Attributes:
        lastrowid: None: DuckDB has no such number. Use RETURNING.
        relation: The relation that :meth:`relate` built.
    """

    # polars looks at the name of the package to find out whether it can fetch Arrow data.
    __module__ = "duckdb"
    lastrowid: None = None
    relation: DuckDBPyRelation

    def __init__(self, connection: SharedConnection) -> None:
        super().__init__(connection)
        self._statement = ""
        self._changed = -1

    @property
    def rowcount(self) -> int:
        """How many rows an INSERT, UPDATE, DELETE or MERGE changed.

        With RETURNING, its rows are fetched and counted. It is -1 for anything else, and for rows
        that were left unread.
        """
        if (self._more or self._total >= 0) and is_returning(self._statement):
            with self.connection.lock:
                if self._more:
                    self.connection.keep_unread_rows()
            return self._total
        return self._changed

    def execute(self, statement: str, parameters: Parameters | None = None) -> Cursor:
        """Run a statement, with a sequence for ``?`` or ``$1`` or a dict for ``$name``.

        As with duckdb-engine, ``register(?, ?)`` makes data readable under a name.
        """
        bound: Parameters = () if parameters is None else parameters
        if self.connection.control(statement, bound):
            return self
        with self.connection.lock:
            sql = self._begin(statement)
            bound = bindable(bound)
            self.connection.run(self, lambda: self._execute(sql, bound))
        return self

    def executemany(self, statement: str, parameters: Iterable[Parameters] | None = None) -> Cursor:
        """Run a statement once for every set of parameters.

        A simple INSERT or UPDATE becomes one statement over an Arrow batch if DuckDB stores the
        same values from it, see :mod:`~mixpanel_data.dialect.bulk.bulk`. RETURNING rows come in
        the order of the parameters.
        """
        rows = list(parameters or ())
        with self.connection.lock:
            sql = self._begin(statement)
            if rows:
                self.connection.run(self, lambda: self._execute_many(sql, rows))
        return self

    def relate(self, statement: str, parameters: Parameters = ()) -> None:
        """Build a lazy relation of a query instead of running it.

        With a statement guard, the query runs and the relation has its rows: the guard cannot
        check what runs later.
        """
        with self.connection.lock:
            if self.connection.statement_guard is None:
                self.relation = self._lazy(statement, parameters)
                return
            self.execute(statement, parameters)
            if (result := self._result) is not None:
                self._more = False
                self.relation = fit_for_arrow(self._read(result.relation))

    def require_query(self, statement: str) -> None:
        """Refuse a statement that is not one query which only reads.

        A strict guard does so itself.

        Raises:
            InvalidInputException: It is something else.
        """
        with self.connection.lock:
            if not self.connection.is_guarded_strictly:
                driver = self.connection.driver
                self.connection.run(self, lambda: require_query(driver, statement))

    def _lazy(self, statement: str, parameters: Parameters) -> DuckDBPyRelation:
        sql = without_end(self._begin(statement))
        driver = self.connection.driver
        bound = bindable(parameters) or None
        relation = self.connection.run(self, lambda: driver.sql(sql, params=bound))
        # DuckDB 1.5 returns none for a statement without rows
        if relation is None:
            return driver.sql('SELECT 0 AS "Count" LIMIT 0')
        return fit_for_arrow(relation)

    def sql(self, query: str, *, params: Parameters | None = None) -> DuckDBPyRelation:
        """Return a lazy relation of a query."""
        self.relate(query, () if params is None else params)
        return self.relation

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

    def close(self) -> None:
        """Discard the result. The cursor runs nothing any more."""
        self._discard()
        self._closed = True

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing: DuckDB infers the types of parameters."""

    def setoutputsize(self, *sizes: Any) -> None:
        """Do nothing: DuckDB needs no buffer sizes."""

    def _begin(self, statement: str) -> str:
        if self._closed:
            raise InterfaceError(CLOSED)
        sql = self.connection.starting(statement)
        self._discard()
        self._ran = True
        self._statement = statement
        self._changed = self._total = -1
        self._step = 1
        self._fetched = 0
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
            ((self._changed,),) = driver.fetchall() or [(-1,)]

    def _execute_many(self, statement: str, rows: list[Parameters]) -> None:
        driver = self.connection.driver
        bulk = prepare(driver, statement, rows)
        if bulk is not None and self._execute_bulk(bulk):
            return
        rows = list(map(bindable, rows))
        if is_returning(statement):
            for row in rows:
                self._execute_now(statement, row)
        else:
            self._changed = run_many(driver, statement, rows)

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
            rows = self._source.fetchall()
            self._ahead.extend(rows)
            self._note(rows, ended=True)
