"""Helpers of the tests of reflection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Connection, event, inspect

SINGLE_FORMS = [
    "get_columns",
    "get_pk_constraint",
    "get_foreign_keys",
    "get_unique_constraints",
    "get_check_constraints",
    "get_indexes",
    "get_table_comment",
    "get_table_options",
]
MULTI_FORMS = [name.replace("get_", "get_multi_") for name in SINGLE_FORMS]

#: DuckDB 2.0 lets a schema stand inside another, and knows nanoseconds with a time zone.
DUCKDB_2 = int(duckdb.__version__.split(".")[0]) >= 2


def execute_all(connection: Connection, *statements: str) -> None:
    """Run statements and commit each of them."""
    for statement in statements:
        connection.exec_driver_sql(statement)
        connection.commit()


def attach(connection: Connection, path: Path, name: str) -> None:
    """Attach a new database."""
    execute_all(connection, f"ATTACH '{path}' AS {name}")


def column(connection: Connection, definition: str) -> dict[str, Any]:
    """Return the reflected column of a new table with that one column."""
    execute_all(connection, f"CREATE OR REPLACE TABLE one_column ({definition})")
    (found,) = inspect(connection).get_columns("one_column")
    return dict(found)


@contextmanager
def counted_statements(connection: Connection) -> Iterator[list[str]]:
    """Collect the SQL that runs on a connection."""
    statements: list[str] = []

    def count(*details: Any) -> None:
        statements.append(details[2])

    event.listen(connection, "before_cursor_execute", count)
    yield statements
    event.remove(connection, "before_cursor_execute", count)
