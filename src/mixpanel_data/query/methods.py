"""The asking half of ``StorageEngine``: its methods that query and inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.common.names import check_table_name
from mixpanel_data.database.handle import Database
from mixpanel_data.query import execution
from mixpanel_data.query.execution import Params, Query
from mixpanel_data.schema import catalog
from mixpanel_data.schema.table_lifecycle import require_free_name
from mixpanel_data.types import TableInfo, TableMetadata, TableSchema

if TYPE_CHECKING:
    import pandas as pd


class QueryMethods:
    """Methods that read. A query that writes commits by itself."""

    _database: Database

    def execute(self, sql: Query, params: Params | None = None) -> duckdb.DuckDBPyRelation:
        """Return the result of a query as a lazy DuckDB relation.

        Relations can be filtered, joined and aggregated further before anything is computed. They
        live until the engine is closed. In a sandbox the query runs at once, and the relation has
        its rows.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Raises:
            QueryError: The database refuses the query.
            SandboxError: The SQL of others runs in a worker.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     numbers = storage.execute("SELECT * FROM range(10) AS t(n)")
            ...     numbers.filter("n > 6").order("n").fetchall()
            [(7,), (8,), (9,)]
        """
        self._database.require_no_worker("a lazy relation")
        return execution.relation(self._database.autocommit_connection(), sql, params)

    def execute_df(self, sql: Query, params: Params | None = None) -> pd.DataFrame:
        """Return the result of a query as a DataFrame.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: Values to bind: a sequence for ``?`` or ``$1``, a mapping for ``$name``, or a
                mapping for the ``:name`` of a SQLAlchemy statement.

        Raises:
            QueryError: The database refuses the query; ``details["query"]`` is its text.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_df("SELECT ? AS answer", [42])["answer"].tolist()
            [42]
        """
        with self._database.autocommit_connection() as connection:
            return execution.data_frame(connection, sql, params)

    def execute_rows(self, sql: Query, params: Params | None = None) -> list[tuple[Any, ...]]:
        """Return the result of a query as a list of tuples.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Raises:
            QueryError: The database refuses the query.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_rows("SELECT $low, $high", {"low": 1, "high": 2})
            [(1, 2)]
        """
        with self._database.autocommit_connection() as connection:
            return execution.rows(connection, sql, params)

    def execute_scalar(self, sql: Query, params: Params | None = None) -> Any:
        """Return the first column of the first row of a query, None when there is no row.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Raises:
            QueryError: The database refuses the query.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_scalar("SELECT count(*) FROM range(5)")
            5
        """
        with self._database.autocommit_connection() as connection:
            return execution.scalar(connection, sql, params)

    def explain(self, sql: Query, params: Params | None = None, *, analyze: bool = False) -> str:
        """Return DuckDB's plan of a query, for people to read.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.
            analyze: Run the query, and tell how long each step took. What it writes to tables is
                undone.

        Raises:
            QueryError: The database refuses the query.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     "RANGE" in storage.explain("SELECT * FROM range(10)")
            True
        """
        words = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
        looking = self._database.catalog_connection()
        with looking as connection, self._database.within(connection, words):
            return execution.plan(connection, sql, params)

    def create_table_as(self, name: str, select: Query, params: Params | None = None) -> int:
        """Keep the result of a query as a table of its own; all of it, or no table at all.

        The table is not one of events or profiles: :meth:`list_tables` does not name it. In a
        sandbox the query is judged like any other, and takes no longer.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            select: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Returns:
            The number of rows in the table.

        Raises:
            TableNameError: No table can have that name. It is a ``ValueError``.
            TableExistsError: A table or view of that name exists. It is left as it is.
            QueryError: The database refuses the query.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.create_table_as("squares", "SELECT n * n AS square FROM range(4) t(n)")
            4
        """
        check_table_name(name)
        with self._database.write_transaction(name) as connection:
            quoted = require_free_name(connection, name)
            with self._database.within(connection, f"CREATE TABLE {quoted} AS"):
                return execution.count(connection, select, params)

    def list_tables(self) -> list[TableInfo]:
        """Return the events and profiles tables, by name, with their number of rows now."""
        with self._database.catalog_connection() as connection:
            return catalog.list_tables(connection)

    def table_exists(self, name: str) -> bool:
        """Tell whether there is a table of that name, ours or the application's."""
        with self._database.catalog_connection() as connection:
            return catalog.find_table(connection, name) is not None

    def get_schema(self, table: str) -> TableSchema:
        """Return the columns of a table or view, ours or the application's.

        Raises:
            TableNotFoundError: There is none of that name.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.execute_rows("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
            ...     storage.get_schema("orders").columns
            [ColumnInfo(name='id', type='INTEGER', nullable=False, primary_key=True)]
        """
        with self._database.catalog_connection() as connection:
            return catalog.get_schema(connection, table)

    def get_metadata(self, table: str) -> TableMetadata:
        """Return how and when the rows of an events or profiles table were fetched.

        Raises:
            TableNotFoundError: There is no such table of ours.
        """
        with self._database.catalog_connection() as connection:
            return catalog.get_metadata(connection, table)
