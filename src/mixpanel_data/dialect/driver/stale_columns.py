"""Marks derived columns that a write leaves as they are, or sets to something else.

A class or table may be declared without the property columns that its table has in a database.
What is written through it changes the document only. Marks are only ever inserted, so that two
writers do not conflict; whoever derives the columns anew deletes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.derived import Origin, Write
from mixpanel_data.dialect.sql.names import fold

#: Table that tells which columns of which tables are derived.
RECORDS = "_property_columns"

#: Table with the marks: a row for a column that was made stale.
MARKS = "_stale_columns"

_EXISTS = qualify_builtins(
    f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{MARKS}' "  # noqa: S608 (names are ours)
    "AND database_name = current_database()"
)
_RECORDED = f"SELECT table_name, column_name, property, type FROM {RECORDS}"  # noqa: S608
_MARK = f"INSERT INTO {MARKS} (table_name, column_name) VALUES ($1, $2)"  # noqa: S608


class StaleColumns:
    """What one transaction knows of derived columns, and which it has marked.

    Most tables have none: it asks once in a transaction that writes documents.
    """

    def __init__(self) -> None:
        self._is_recorded = False
        self.forget()

    def forget(self) -> None:
        """Forget the columns, which may be others from now on."""
        self._recorded: list[tuple[str, str, Origin]] | None = None
        self._marked: set[tuple[str, str]] = set()

    def mark(self, cursor: Callable[[], Any], write: Write) -> None:
        """Mark the columns that a statement makes stale.

        Args:
            cursor: Returns a new cursor of the connection.
            write: What the statement writes.
        """
        if self._recorded is None:
            self._recorded = self._read(cursor)
        for table, column, origin in self._recorded:
            if fold(table) != write.table or not write.clause.spoils(column, origin):
                continue
            if (table, column) not in self._marked:
                cursor().execute(_MARK, [table, column])
                self._marked.add((table, column))

    def _read(self, cursor: Callable[[], Any]) -> list[tuple[str, str, Origin]]:
        if not self._is_recorded and not cursor().execute(_EXISTS).fetchall():
            return []
        self._is_recorded = False  # unless they can be read
        rows = cursor().execute(_RECORDED).fetchall()
        self._is_recorded = True
        return [(table, column, (name, kind)) for table, column, name, kind in rows]
