"""The inspector of the dialect."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import CheckConstraint, Index, Table, TextClause, event, text
from sqlalchemy.engine import reflection


class Inspector(reflection.Inspector):
    """Reflects tables, and keeps the SQL of expressions as it is in the database.

    SQLAlchemy reads ``:name`` in a default, a check or an index as a parameter, so
    ``DEFAULT '{"a":1}'`` would lose its ``:1`` in the next ``CREATE TABLE``.
    """

    def reflect_table(self, table: Table, *args: Any, **options: Any) -> None:
        """Load the columns and constraints of a table, see SQLAlchemy's method."""
        before = table.constraints | table.indexes
        event.listen(table, "column_reflect", _escape_column)
        try:
            super().reflect_table(table, *args, **options)
        finally:
            event.remove(table, "column_reflect", _escape_column)
        for item in (table.constraints | table.indexes) - before:
            if isinstance(item, CheckConstraint):
                item.sqltext = _escape_text(item.sqltext)
            elif isinstance(item, Index):
                parts: list[Any] = list(item.expressions)
                item.expressions = [_escape_text(part) for part in parts]


# What SQLAlchemy reads as a parameter, or as an escaped one.
_TAKEN = re.compile(r"(?<![:\w$\\])(?=:[\w$]+(?![:\w$]))|(?=\\:[\w$]*(?![:\w$]))")


def _escape(sql: str) -> TextClause:
    return text(_TAKEN.sub(r"\\", sql))


def _escape_text(clause: Any) -> Any:
    return _escape(clause.text) if isinstance(clause, TextClause) else clause


def _escape_column(inspector: Any, table: Table, column: Any) -> None:
    # A listener of the application may have replaced the string.
    if isinstance(column["default"], str):
        column["default"] = _escape(column["default"])
    if "computed" in column:
        computed = column["computed"]
        column["computed"] = {**computed, "sqltext": _escape(computed["sqltext"])}
