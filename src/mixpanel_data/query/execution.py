"""Execute queries, and return their results in several forms.

Values of SQL text are those of DuckDB's Python client, values of SQLAlchemy statements what their
types say. On a connection in autocommit mode, a statement that writes commits.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import duckdb
from sqlalchemy import Connection, Executable
from sqlalchemy.engine import CursorResult

from mixpanel_data.common.choices import require
from mixpanel_data.common.signals import each_heard, heard_by
from mixpanel_data.database.error_translation import query_errors
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.exceptions import QueryError, ResultTooLargeError
from mixpanel_data.query.typed_results import typed_frame, typed_schema, types_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from duckdb import DuckDBPyRelation

    from mixpanel_data.dialect.driver.cursor import Cursor

Query = str | Executable
Params = Sequence[Any] | Mapping[str, Any]

#: Rows of a chunk of DuckDB's.
_CHUNK = 2048

#: SQL without a statement: space and comments.
_NOTHING = re.compile(r"(?:[\s;]|--[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/)*")

#: What DuckDB says where NumPy has no type for a column, or no value for an infinite date.
_NO_TYPE = re.compile(r'Unsupported type "')
_NO_VALUE = re.compile(r"Could not convert DATE \(-?infinity\)")
_CAST = "Cast the column in the query, such as to VARCHAR"


def checked_count(name: str, value: int | None, least: int = 0) -> int | None:
    """Return a number of rows, None for any number.

    Args:
        name: The argument that has it.
        value: The number.
        least: The lowest that it may be.

    Raises:
        TypeError: It is no integer.
        ValueError: It is too low.
    """
    if value is None:
        return None
    require(
        name,
        value,
        Integral,
        f"a number of rows from {least}",
        lambda count: least <= count < sys.maxsize,
    )
    return int(value)


def relation(
    connection: Connection, query: Query, params: Params | None, *, only_query: bool = False
) -> tuple[DuckDBPyRelation, Callable[[], object]]:
    """Return a lazy relation, which owns the connection from then on.

    Args:
        connection: Where to run the query.
        query: The query.
        params: Its parameters.
        only_query: Refuse what is not a query before it runs.

    Returns:
        The relation, and a function that interrupts what it computes.
    """
    connection.detach()
    options = {"duckdb_relation": True, "duckdb_query": only_query}
    with query_errors(query, connection.engine):
        cursor = _cursor(_run(connection, query, params, **options))
        return cursor.relation, cursor.connection.interrupt_driver


def data_frame(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> pd.DataFrame:
    """Return all rows as a DataFrame, which DuckDB builds column by column."""
    max_rows = checked_count("max_rows", max_rows)
    with query_errors(query, connection.engine):
        result = _run(connection, query, params)
        cursor = _cursor(result)
        if not result.returns_rows:
            import pandas as pd

            return pd.DataFrame()
        with _advise_without_pandas():
            if max_rows is None:
                frame = cursor.df()
            else:
                frame = cursor.fetch_df_chunk(max_rows // _CHUNK + 1)
        if max_rows is not None:
            _require_few(len(frame), max_rows, query)
        return typed_frame(connection, frame, types_of(query))


@contextmanager
def _advise_without_pandas() -> Iterator[None]:
    """Say what to do about values that DuckDB cannot give to pandas."""
    try:
        yield
    except duckdb.NotImplementedException as error:
        if _NO_TYPE.search(str(error)) is None:
            raise
        raise type(error)(f"{error}\n{_CAST}, or use execute_rows().") from error
    except duckdb.ConversionException as error:
        if _NO_VALUE.search(str(error)) is None:
            raise
        raise type(error)(f"{error}\n{_CAST}.") from error


def rows(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> list[tuple[Any, ...]]:
    """Return all rows."""
    max_rows = checked_count("max_rows", max_rows)
    with query_errors(query, connection.engine):
        result = _run(connection, query, params)
        if not result.returns_rows:
            return []
        if isinstance(query, str):
            cursor = _cursor(result)
            found = cursor.fetchall() if max_rows is None else cursor.fetchmany(max_rows + 1)
        else:
            typed = result.all() if max_rows is None else result.fetchmany(max_rows + 1)
            found = list(map(tuple, typed))
    _require_few(len(found), max_rows, query)
    return found


def dicts(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> list[dict[str, Any]]:
    """Return all rows as dicts by the names of the columns."""
    max_rows = checked_count("max_rows", max_rows)
    with query_errors(query, connection.engine):
        result = _run(connection, query, params)
        if not result.returns_rows:
            return []
        names = [name for name, *_ in _cursor(result).description or ()]
        _require_different(names, query, "a dict")
        typed: Any = _cursor(result) if isinstance(query, str) else result
        found = typed.fetchall() if max_rows is None else typed.fetchmany(max_rows + 1)
    _require_few(len(found), max_rows, query)
    return [dict(zip(names, row, strict=True)) for row in found]


class FirstRows(NamedTuple):
    """The first rows of a result.

    Attributes:
        columns: Names of the columns.
        types: DuckDB's names of their types.
        rows: The rows.
        has_more: Whether there are more.
    """

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    has_more: bool


def first_rows(
    connection: Connection, query: Query, params: Params | None, count: int, *, only_query: bool
) -> FirstRows:
    """Return the first rows; the others are not read.

    Args:
        connection: Where to run the query.
        query: The query.
        params: Its parameters.
        count: How many rows.
        only_query: Refuse what is not a query before it runs.
    """
    with query_errors(query, connection.engine):
        result = _run(connection, query, params, duckdb_query=only_query)
        if not result.returns_rows:
            return FirstRows([], [], [], has_more=False)
        cursor = _cursor(result)
        described = cursor.description or []
        if isinstance(query, str):
            found = cursor.fetchmany(count + 1)
        else:
            found = list(map(tuple, result.fetchmany(count + 1)))
        result.close()
    columns = [name for name, *_ in described]
    types = [str(kind) for _, kind, *_ in described]
    return FirstRows(columns, types, found[:count], has_more=len(found) > count)


def scalar(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> Any:
    """Return the first column of the first row, None when there is no row."""
    max_rows = checked_count("max_rows", max_rows)
    count = 1 if max_rows is None else max_rows + 1
    with query_errors(query, connection.engine):
        result = _run(connection, query, params)
        if not result.returns_rows:
            return None
        source: Any = _cursor(result) if isinstance(query, str) else result
        found = source.fetchmany(count)
    _require_few(len(found), max_rows, query)
    return found[0][0] if found else None


def arrow(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> pa.Table:
    """Return all rows as an Arrow table."""
    import pyarrow as pa

    max_rows = checked_count("max_rows", max_rows)
    with query_errors(query, connection.engine):
        result = _run(connection, query, params)
        cursor = _cursor(result)
        if not result.returns_rows:
            return pa.table({})
        if max_rows is None:
            table = cursor.to_arrow_table()
        else:
            reader = cursor.to_arrow_reader(_CHUNK)
            table = pa.Table.from_batches(_few(reader, max_rows, query), reader.schema)
        return table.cast(typed_schema(table.schema, types_of(query)))


def polars(
    connection: Connection, query: Query, params: Params | None, max_rows: int | None
) -> pl.DataFrame:
    """Return all rows as a DataFrame of polars."""
    import polars as pl

    table = arrow(connection, query, params, max_rows)
    _require_different(table.column_names, query, "polars")
    try:
        return pl.DataFrame(table)
    except pl.exceptions.PolarsError as error:
        raise QueryError(
            f"polars has no such type. {_CAST}, or use execute_arrow(). {str(error).rstrip('.')}.",
            str(query),
        ) from error


def stream(
    connection: Connection, query: Query, params: Params | None, batch_size: int, *, lazy: bool
) -> pa.RecordBatchReader:
    """Return a reader of Arrow batches, which owns the connection from then on.

    Args:
        connection: Where to run the query.
        query: The query.
        params: Its parameters.
        batch_size: The most rows of a batch.
        lazy: Read from a lazy relation. DuckDB 2.0 computes whatever else is executed as a whole.
    """
    import pyarrow as pa

    owner = connection.connection.dbapi_connection
    if lazy:
        source: Any
        source, interrupt = relation(connection, query, params)
    else:
        connection.detach()
        with query_errors(query, connection.engine):
            source = _cursor(_run(connection, query, params))
        interrupt = source.connection.interrupt_driver
    with query_errors(query, connection.engine), driver_errors(), heard_by(interrupt):
        reader = source.to_arrow_reader(batch_size)
    schema = typed_schema(reader.schema, types_of(query))

    def batches(_owner: object) -> Iterator[pa.RecordBatch]:
        try:
            for batch in each_heard(reader, interrupt):
                table = pa.Table.from_batches([batch]).cast(schema)
                yield from table.to_batches(batch_size)
        except (pa.ArrowException, OSError) as error:  # as which Arrow raises DuckDB's errors
            raise QueryError(str(error), str(query)) from error

    # The generator keeps the connection, which counts as open until everything is read.
    return pa.RecordBatchReader.from_batches(schema, batches(owner))


def _require_different(names: Collection[str], query: Query, what: str) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise QueryError(
            f"The result has several columns {twice[0]!r}, of which {what} could have one. "
            "Give them names with AS.",
            str(query),
        )


def _few(reader: pa.RecordBatchReader, max_rows: int, query: Query) -> list[pa.RecordBatch]:
    """Return the batches of a result that has so many rows at most."""
    batches, count = [], 0
    for batch in reader:
        count += batch.num_rows
        _require_few(count, max_rows, query)
        batches.append(batch)
    return batches


def _require_few(count: int, max_rows: int | None, query: Query) -> None:
    if max_rows is not None and count > max_rows:
        raise ResultTooLargeError(max_rows, "rows", str(query), limited_by="max_rows")


def plan(connection: Connection, query: Query, params: Params | None) -> str:
    """Return DuckDB's query plan, on a connection that explains every statement."""
    plans: list[tuple[str, str]] = []

    with query_errors(query, connection.engine):
        _run(connection, query, params, duckdb_rows=plans)
    return "\n".join(text for _, text in plans)


def count(connection: Connection, query: Query, params: Params | None, *, only_query: bool) -> int:
    """Return the number of rows that a query has written, on a connection with a prefix for it.

    Args:
        connection: Where to run the query.
        query: The query.
        params: Its parameters.
        only_query: Refuse what is not a query before it runs.
    """
    with query_errors(query, connection.engine):
        return _cursor(_run(connection, query, params, duckdb_query=only_query)).rowcount


def _run(
    connection: Connection, query: Query, params: Params | None, **options: Any
) -> CursorResult[Any]:
    """Execute a query.

    Raises:
        TypeError: The parameters are not such.
        QueryError: There is no statement.
    """
    require_query("sql", query)
    _check_params(query, params)
    if isinstance(query, str):
        if _NOTHING.fullmatch(query):
            raise QueryError("There is no statement in the SQL. Write one.", query)
        if params is None:
            params = ()
        bound = dict(params) if isinstance(params, Mapping) else tuple(params)
        return connection.exec_driver_sql(query, bound, execution_options=options)
    named = dict(params) if isinstance(params, Mapping) else None
    return connection.execute(query, named, execution_options=options)


def require_query(name: str, query: object) -> None:
    """Make sure that an argument is a query.

    Raises:
        TypeError: It is neither SQL text nor a statement of SQLAlchemy.
    """
    require(name, query, (str, Executable), "SQL text, or a SQLAlchemy statement")


def _check_params(query: Query, params: object) -> None:
    if params is None or isinstance(params, Mapping):
        return
    is_values = isinstance(params, Iterable) and not isinstance(params, (str, bytes))
    if isinstance(query, str) and not is_values:
        use = "a sequence for ? or $1, such as [value], or a mapping for $name"
    elif not isinstance(query, str) and params != () and params != []:
        use = "a mapping for the :name of a SQLAlchemy statement"
    else:
        return
    raise TypeError(f"params is of type {type(params).__name__}. Use {use}.")


def _cursor(result: CursorResult[Any]) -> Cursor:
    """Return the driver's cursor, which gives its results in any form."""
    return cast("Cursor", result.context.cursor)
