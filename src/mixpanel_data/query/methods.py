"""Query and inspection methods of ``StorageEngine``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb

from mixpanel_data.common.names import check_table_name
from mixpanel_data.common.quoting import quoted
from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.database import paths
from mixpanel_data.database.error_translation import query_errors
from mixpanel_data.database.handle import Database
from mixpanel_data.query import execution
from mixpanel_data.query.execution import Params, Query
from mixpanel_data.schema import catalog, lake_catalog, property_columns, versions
from mixpanel_data.schema.property_sql import expressions
from mixpanel_data.schema.table_lifecycle import require_free_name
from mixpanel_data.types import (
    DatabaseInfo,
    ExportResult,
    PropertyColumn,
    TableList,
    TableMetadata,
    TableSchema,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from mixpanel_data.query.export_formats import ExportFormat


class QueryMethods:
    """Query and inspection methods of :class:`StorageEngine`.

    Queries run in autocommit mode: a statement that writes commits.
    """

    _database: Database

    def execute(self, sql: Query, params: Params | None = None) -> duckdb.DuckDBPyRelation:
        """Return the result of a query as a lazy DuckDB relation.

        Relations can be filtered, joined and aggregated further before anything is computed. They
        can be used until the engine is closed, and ``.limit(n)`` bounds their rows. In a sandbox
        the query is executed at once, and the relation holds its rows.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query.
            SandboxError: The sandbox runs queries in a worker process.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     numbers = storage.execute("SELECT * FROM range(10) AS t(n)")
            ...     numbers.filter("n > 6").order("n").fetchall()
            [(7,), (8,), (9,)]
        """
        self._database.require_no_worker("a lazy relation")
        return execution.relation(self._database.autocommit_connection(), sql, params)[0]

    def execute_df(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> pd.DataFrame:
        """Return the result of a query as a DataFrame of pandas.

        Args:
            sql: SQL text, or a SQLAlchemy statement. Values of a statement are what its types say,
                as in ``pandas.read_sql``: aware times and dicts. Those of text are DuckDB's: naive
                times in UTC, and JSON as text.
            params: Values to bind: a sequence for ``?`` or ``$1``, a mapping for ``$name``, or a
                mapping for the ``:name`` of a SQLAlchemy statement.
            max_rows: The most rows that the result may have, None for any number.

        Raises:
            TypeError: ``max_rows`` is no integer, or ``params`` are no parameters.
            ValueError: ``max_rows`` is negative.
            QueryError: DuckDB or the sandbox rejects the query; ``details["query"]`` is its text.
            ResultTooLargeError: The result has more rows than ``max_rows``. It was not built.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_df("SELECT ? AS answer", [42])["answer"].tolist()
            [42]
        """
        with self._database.autocommit_connection() as connection:
            return execution.data_frame(connection, sql, params, max_rows)

    def execute_arrow(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> pa.Table:
        """Return the result of a query as an Arrow table, without pandas.

        Args:
            sql: As for :meth:`execute_df`. Times of a statement are in UTC; JSON is text.
            params: As for :meth:`execute_df`.
            max_rows: As for :meth:`execute_df`.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query.
            ResultTooLargeError: The result has more rows than ``max_rows``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_arrow("SELECT 42 AS answer")["answer"].to_pylist()
            [42]
        """
        with self._database.autocommit_connection() as connection:
            return execution.arrow(connection, sql, params, max_rows)

    def execute_polars(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> pl.DataFrame:
        """Return the result of a query as a DataFrame of polars, which must be installed.

        Args:
            sql: As for :meth:`execute_arrow`.
            params: As for :meth:`execute_df`.
            max_rows: As for :meth:`execute_df`.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query, or polars has no such type, or two
                columns have one name.
            ResultTooLargeError: The result has more rows than ``max_rows``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_polars("SELECT 42 AS answer")["answer"].to_list()
            [42]
        """
        with self._database.autocommit_connection() as connection:
            return execution.polars(connection, sql, params, max_rows)

    def execute_dicts(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the result of a query as a list of dicts by the names of the columns.

        Args:
            sql: As for :meth:`execute_df`.
            params: As for :meth:`execute_df`.
            max_rows: As for :meth:`execute_df`.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query, or two columns have one name.
            ResultTooLargeError: The result has more rows than ``max_rows``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_dicts("SELECT 42 AS answer")
            [{'answer': 42}]
        """
        with self._database.autocommit_connection() as connection:
            return execution.dicts(connection, sql, params, max_rows)

    def stream(
        self, sql: Query, params: Params | None = None, *, batch_size: int = 65_536
    ) -> pa.RecordBatchReader:
        """Return the result of a query as a reader of Arrow batches, for results of any size.

        DuckDB computes while it is read, whatever else the engine runs meanwhile. Read it, or close
        it, before you close the engine.

        Args:
            sql: As for :meth:`execute_arrow`.
            params: As for :meth:`execute_df`.
            batch_size: The most rows of a batch.

        Raises:
            TypeError: ``batch_size`` is no integer.
            ValueError: ``batch_size`` is not positive.
            QueryError: DuckDB or the sandbox rejects the query, here or while it is read.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     with storage.stream("FROM range(100000)") as batches:
            ...         sum(batch.num_rows for batch in batches)
            100000
        """
        size = execution.checked_count("batch_size", batch_size, 1)
        if size is None:
            raise TypeError("batch_size is None. Use a number of rows from 1.")
        lazy = not self._database.policy.is_sandbox
        return execution.stream(
            self._database.autocommit_connection(), sql, params, size, lazy=lazy
        )

    def execute_rows(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the result of a query as a list of tuples.

        Args:
            sql: As for :meth:`execute_df`.
            params: As for :meth:`execute_df`.
            max_rows: As for :meth:`execute_df`.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query.
            ResultTooLargeError: The result has more rows than ``max_rows``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_rows("SELECT $low, $high", {"low": 1, "high": 2})
            [(1, 2)]
        """
        with self._database.autocommit_connection() as connection:
            return execution.rows(connection, sql, params, max_rows)

    def execute_scalar(
        self, sql: Query, params: Params | None = None, *, max_rows: int | None = None
    ) -> Any:
        """Return the first column of the first row of a query, None when there is no row.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.
            max_rows: As for :meth:`execute_df`; 1 makes sure that there is no second row.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query.
            ResultTooLargeError: The result has more rows than ``max_rows``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.execute_scalar("SELECT count(*) FROM range(5)")
            5
        """
        with self._database.autocommit_connection() as connection:
            return execution.scalar(connection, sql, params, max_rows)

    def export(
        self,
        source: Query,
        path: str | os.PathLike[str] | IO[bytes],
        format: ExportFormat | None = None,  # noqa: A002
        *,
        params: Params | None = None,
        overwrite: bool = False,
        progress_callback: Callable[[int], object] | None = None,
    ) -> ExportResult:
        """Write a table, or the result of a query, to a file.

        The file appears under its name when it is complete, and only its user may read it.

        Args:
            source: Name of a table or view, SQL text, or a SQLAlchemy statement. In a sandbox, SQL
                has to follow its rules and limits; a table does not.
            path: The file. Its folder must be there. Or a file that is open for writing bytes, such
                as ``sys.stdout.buffer``: rows are written as they come, and it stays open.
            format: ``"parquet"`` (Zstandard, events in the order of time), ``"csv"``, ``"ndjson"``
                (one JSON object a line; a table's lines are without its property columns), or
                ``"mixpanel"``. :meth:`load_events_export` and :meth:`load_profiles_export` read all
                but CSV. By default the ending says it: ``.parquet``, ``.csv``, ``.json``,
                ``.jsonl``, ``.ndjson``. Text is compressed where the name ends in ``.gz`` or
                ``.zst``.
            params: As for :meth:`execute_df`.
            overwrite: Replace a file that is there. An open one has no such question.
            progress_callback: Called with the number of rows so far. An exception that it raises
                aborts the export.

        Returns:
            The number of rows, with path, format, size and seconds.

        Raises:
            ValueError: The format is unknown.
            ExportExistsError: There is a file of that name. It is a ``FileExistsError``.
            ExportFileError: The file cannot be written, or Mixpanel's format cannot express a row,
                since a property has the name of a column. It is an ``OSError``.
            DiskFullError: There is no room. Nothing is left of the file.
            QueryError: DuckDB or the sandbox rejects the query, or it is no query. It did not run.

        Example:
            >>> from pathlib import Path
            >>> with StorageEngine.memory() as storage:
            ...     storage.export("SELECT 42 AS answer", "answer.csv")
            1
            >>> print(Path("answer.csv").read_text())
            "answer"
            42
            <BLANKLINE>
        """
        from mixpanel_data.query import exporting

        execution.require_query("source", source)
        target: Any = path
        if not hasattr(target, "write"):
            target = paths.path_of(target, example="events.parquet")
        named = target if isinstance(target, Path) else None
        form, compression = exporting.format_of(named, format)
        table = self._exported_table(source, form)
        derived: Sequence[str] = ()
        if table is None:
            self._database.require_open()
            connection, query = self._database.autocommit_connection(), source
        else:
            connection, params = self._database.catalog_connection(), None
            query, derived = table
        with query_errors(query, connection.engine):
            is_trusted = not self._database.policy.is_sandbox
            rows, interrupt = execution.relation(connection, query, params, only_query=is_trusted)
            if form == "parquet" and table is not None and "event_time" in rows.columns:
                rows = rows.order("event_time")
            return exporting.export(
                rows,
                target,
                form,
                compression,
                overwrite=overwrite,
                property_columns=derived,
                progress=progress_callback,
                interrupt=interrupt,
            )

    def _exported_table(
        self, source: Query, form: ExportFormat
    ) -> tuple[str, Sequence[str]] | None:
        """Return the SQL of all rows of a table, and its property columns, None for a query.

        Lines of JSON have no property columns: a load would take them for further properties.
        Elsewhere a stale column has what it would have if it were not.
        """
        if not isinstance(source, str):
            return None
        with self._database.catalog_connection() as connection:
            found = catalog.find_table(connection, source, views=True)
            if found is None and source.isidentifier():
                raise catalog.not_found(connection, source)
            if found is None:
                return None
            columns: Sequence[PropertyColumn] = ()
            if found in catalog.managed_tables(connection):
                columns = property_columns.find_all(connection, [found])[found]
        selected = ""
        if form == "ndjson" and columns:
            names = ", ".join(_name(column.column_name) for column in columns)
            selected = f" SELECT * EXCLUDE ({names})"
        elif stale := [column for column in columns if column.stale]:
            cells = [f"{sql} AS {_name(name)}" for name, sql in expressions(stale).items()]
            selected = f" SELECT * REPLACE ({', '.join(cells)})"
        return f"FROM {_name(found)}{selected}", [column.column_name for column in columns]

    def explain(self, sql: Query, params: Params | None = None, *, analyze: bool = False) -> str:
        """Return DuckDB's query plan as text.

        Args:
            sql: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.
            analyze: Execute the query, and show how long each step took. Changes to tables are
                rolled back.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     "RANGE" in storage.explain("SELECT * FROM range(10)")
            True
        """
        prefix = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
        with (
            self._database.catalog_connection() as connection,
            self._database.prefixing(connection, prefix),
        ):
            return execution.plan(connection, sql, params)

    def create_table_as(self, name: str, select: Query, params: Params | None = None) -> int:
        """Create a table from the result of a query, in one transaction.

        The table is not an events or profiles table, so :meth:`list_tables` does not list it. In a
        sandbox the query has to follow the same rules and limits as any other.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            select: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`execute_df`.

        Returns:
            The number of rows in the table.

        Raises:
            TableNameError: The name is not allowed. It is a ``ValueError``.
            TableExistsError: A table or view of that name exists. It is not changed.
            QueryError: DuckDB or the sandbox rejects the query, or it is no query. It did not run.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.create_table_as("squares", "SELECT n * n AS square FROM range(4) t(n)")
            4
        """
        check_table_name(name)
        execution.require_query("select", select)
        with self._database.write_transaction(name) as connection:
            quoted = require_free_name(connection, name)
            with self._database.prefixing(connection, f"CREATE TABLE {quoted} AS"):
                is_trusted = not self._database.policy.is_sandbox
                return execution.count(connection, select, params, only_query=is_trusted)

    def list_tables(self) -> TableList:
        """Return the events and profiles tables, by name, with their current number of rows."""
        with self._database.catalog_connection() as connection:
            return catalog.list_tables(connection)

    def info(self) -> DatabaseInfo:
        """Return what there is to know about the database as a whole.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.info().tables
            []
        """
        with self._database.catalog_connection() as connection:
            tables = catalog.list_tables(connection)
            revision = versions.version_of(connection).revision
            if self._database.is_shared:
                found = lake_catalog.size(connection)
                return DatabaseInfo(
                    None,
                    found.bytes,
                    revision,
                    tables,
                    duckdb.__version__,
                    lake=str(self._database.name),
                    files=found.files,
                    snapshots=found.snapshots,
                )
        path = self._database.path
        size = (
            None
            if path is None
            else sum(file.stat().st_size for file in (path, wal_of(path)) if file.exists())
        )
        return DatabaseInfo(path, size, revision, tables, duckdb.__version__)

    def table_exists(self, name: str) -> bool:
        """Return whether a table of that name exists, managed or not."""
        with self._database.catalog_connection() as connection:
            return catalog.find_table(connection, name) is not None

    def get_schema(self, table: str) -> TableSchema:
        """Return the columns of a table or view, managed or not.

        Raises:
            TableNotFoundError: There is no table or view of that name.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.execute_rows("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
            ...     [(column.name, column.type) for column in storage.get_schema("orders").columns]
            [('id', 'INTEGER')]
        """
        with self._database.catalog_connection() as connection:
            return catalog.get_schema(connection, table)

    def get_metadata(self, table: str) -> TableMetadata:
        """Return how and when the rows of an events or profiles table were fetched.

        Raises:
            TableNotFoundError: There is no events or profiles table of that name.
        """
        with self._database.catalog_connection() as connection:
            return catalog.get_metadata(connection, table)


def _name(name: str) -> str:
    return quoted(name, '"')
