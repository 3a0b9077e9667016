"""What no DuckDB runs, or not the one that is installed, of the SQL that ``--sql`` would print."""

from __future__ import annotations

from typing import Any

import duckdb
from alembic.ddl.base import AddColumn
from alembic.util import CommandError
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.schema import AddConstraint, DropConstraint

#: Whether this DuckDB adds unique constraints, and columns that are unique or NOT NULL.
_ADDS_KEYS = int(duckdb.__version__.split(".", 1)[0]) >= 2


def require_possible(construct: Any) -> None:
    """Refuse a statement that DuckDB would refuse whatever is in the database.

    Raises:
        CommandError: It would.
    """
    if what := _impossible(construct):
        raise CommandError(
            f"This operation cannot proceed in --sql mode: DuckDB has no ALTER TABLE that {what}. "
            "Run the migration online, and write the change in op.batch_alter_table(), which "
            "recreates the table; that requires a live database connection."
        )


def _impossible(construct: Any) -> str | None:
    if isinstance(construct, DropConstraint):
        return "drops a constraint"
    if isinstance(construct, AddConstraint):
        if isinstance(construct.element, CheckConstraint):
            return "adds a check"
        if isinstance(construct.element, ForeignKeyConstraint):
            return "adds a foreign key"
        is_unique = isinstance(construct.element, UniqueConstraint)
        return "adds a unique constraint" if is_unique and not _ADDS_KEYS else None
    if isinstance(construct, AddColumn):
        return _impossible_column(construct)
    return None


def _impossible_column(construct: AddColumn) -> str | None:
    column = construct.column
    if column.computed is not None:
        return "adds a generated column"
    if column.constraints:
        return "adds a column with a check"
    if getattr(construct, "inline_references", None):
        return "adds a column with a foreign key"
    if getattr(construct, "inline_primary_key", None) and column.primary_key:
        return "adds a column with a primary key"
    return None if column.nullable or _ADDS_KEYS else "adds a column that is NOT NULL"
