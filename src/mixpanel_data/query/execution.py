"""Execute queries, and return results as DuckDB's Python client does.

SQLAlchemy's types do not process the values. On a connection in autocommit mode, a statement that
writes commits.
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
    """Return a lazy relation, which owns the connection from then on."""
    connection.detach()
    with query_errors(query, connection.engine):
        return _run(connection, query, params, duckdb_relation=True).relation


def data_frame(connection: Connection, query: Query, params: Params | None) -> pd.DataFrame:
    """Return all rows as a DataFrame, which DuckDB builds column by column."""
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
    """Return DuckDB's query plan, on a connection that explains every statement."""
    with query_errors(query, connection.engine):
        plans = _run(connection, query, params).fetchall()
    return "\n".join(text for _, text in plans)


def count(connection: Connection, query: Query, params: Params | None) -> int:
    """Return the number of rows that a statement has written."""
    with query_errors(query, connection.engine):
        return _run(connection, query, params).rowcount


def _run(connection: Connection, query: Query, params: Params | None, **options: Any) -> Cursor:
    """Execute a query and return the driver's cursor, which gives its results in any form."""
    if isinstance(query, str):
        bound = dict(params) if isinstance(params, Mapping) else tuple(params or ())
        result = connection.exec_driver_sql(query, bound, execution_options=options)
    else:
        named = dict(params) if isinstance(params, Mapping) else None
        result = connection.execute(query, named, execution_options=options)
    return cast("Cursor", result.context.cursor)
