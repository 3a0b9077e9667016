"""Queries: SQL text or SQLAlchemy statements in, DuckDB's own results out.

Every function takes a connection in autocommit mode, so a statement that writes commits by itself.
Values are as DuckDB's client gives them, without SQLAlchemy's types in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Executable

from mixpanel_data.database.error_translation import query_errors

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyRelation

    from mixpanel_data.dialect.driver.cursor import Cursor

Query = str | Executable
Params = Sequence[Any] | Mapping[str, Any]


def relation(connection: Connection, query: Query, params: Params | None) -> DuckDBPyRelation:
    """Return a lazy relation, which keeps the connection for itself until it is closed."""
    connection.detach()
    with query_errors(query, connection.engine):
        return _run(connection, query, params, duckdb_relation=True).relation


def data_frame(connection: Connection, query: Query, params: Params | None) -> pd.DataFrame:
    """Return all rows as a DataFrame, built by DuckDB column by column."""
    with query_errors(query, connection.engine):
        return _run(connection, query, params).df()


def rows(connection: Connection, query: Query, params: Params | None) -> list[tuple[Any, ...]]:
    """Return all rows."""
    with query_errors(query, connection.engine):
        return _run(connection, query, params).fetchall()


def scalar(connection: Connection, query: Query, params: Params | None) -> Any:
    """Return the first column of the first row, None when there is no row."""
    with query_errors(query, connection.engine):
        row = _run(connection, query, params).fetchone()
    return None if row is None else row[0]


def plan(connection: Connection, query: Query, params: Params | None) -> str:
    """Return DuckDB's plan of a query, on a connection that explains every statement."""
    with query_errors(query, connection.engine):
        plans = _run(connection, query, params).fetchall()
    return "\n".join(text for _, text in plans)


def count(connection: Connection, query: Query, params: Params | None) -> int:
    """Return the number of rows that a statement has written."""
    with query_errors(query, connection.engine):
        return _run(connection, query, params).rowcount


def _run(connection: Connection, query: Query, params: Params | None, **options: Any) -> Cursor:
    """Run a query and return the driver's cursor, for its results in any form."""
    if isinstance(query, str):
        bound = dict(params) if isinstance(params, Mapping) else tuple(params or ())
        result = connection.exec_driver_sql(query, bound, execution_options=options)
    else:
        named = dict(params) if isinstance(params, Mapping) else None
        result = connection.execute(query, named, execution_options=options)
    return cast("Cursor", result.context.cursor)
