"""What needs the columns that a batch drops or renames.

Plain indexes and keys follow a renamed column, and go with a dropped one. DuckDB keeps checks and
generated columns as text: these follow when DuckDB itself renames the column, after all else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Table, TextClause
from sqlalchemy.exc import InvalidRequestError

from mixpanel_data.dialect.sql.names import fold, mentions


def follow(batch: Any, old: Table) -> list[tuple[Column[Any], str]]:
    """Drop the indexes of dropped columns, and return the columns to rename last, with new names.

    They get their old names back.

    Args:
        batch: Alembic's ``ApplyBatchImpl``, before it creates the new table.
        old: The table that is replaced.

    Raises:
        InvalidRequestError: Something that stays needs a column that does not.
    """
    gone = {column.name for column in old.columns if column.name not in batch.columns}
    renamed = [name for name, transfer in batch.column_transfers.items() if "name" in transfer]
    last = []
    for what, expression, remedy in _expressions(batch, old):
        for name in (*gone, *renamed):
            if not mentions(expression, name):
                continue
            if name in gone or what.startswith("index") or not _can_wait(batch, old, name):
                raise InvalidRequestError(
                    f"Table {old.name!r} cannot be recreated: {what} needs column {name!r}. Keep "
                    f"the column, or {remedy}."
                )
            last.append(name)
    for index in list(batch.indexes.values()):
        if gone & {column.name for column in index.columns}:
            del batch.indexes[index.name]
    return [_with_old_name(batch.columns[name], name) for name in dict.fromkeys(last)]


def _expressions(batch: Any, old: Table) -> Iterator[tuple[str, str, str]]:
    """Yield the old expressions that stay: what they are, their text, how to be rid of them."""
    for constraint in batch.named_constraints.values():
        if isinstance(constraint, CheckConstraint) and constraint in old.constraints:
            sql = str(constraint.sqltext)
            remedy = f"drop the check {str(constraint.name)!r} in the same batch"
            yield f"CHECK ({sql})", sql, remedy
    for name, column in batch.columns.items():
        if name in old.columns and column.computed is not None:
            remedy = "drop that in the same batch, and add it again"
            yield f"generated column {name!r}", str(column.computed.sqltext), remedy
    for name, index in batch.indexes.items():
        remedy = "drop the index in the same batch, and create it afterwards"
        for part in index.expressions:
            if isinstance(part, TextClause):
                yield f"index {name!r}", str(part), remedy


def _can_wait(batch: Any, old: Table, name: str) -> bool:
    """Tell whether a column can be renamed when all else is done.

    DuckDB does not rename the columns of foreign keys, and what is new may need the new name.
    """
    new_name = batch.columns[name].name
    constraints = [*batch.named_constraints.values(), *batch.unnamed_constraints]
    fresh = [
        str(one.sqltext)
        for one in constraints
        if isinstance(one, CheckConstraint) and one not in old.constraints
    ]
    fresh += [
        str(column.computed.sqltext)
        for key, column in batch.columns.items()
        if key not in old.columns and column.computed is not None
    ]
    keys = [one for one in constraints if isinstance(one, ForeignKeyConstraint)]
    return not (
        any(mentions(expression, new_name) for expression in fresh)
        or any(name in key.column_keys for key in keys)
        or fold(new_name) in map(fold, batch.columns)
    )


def _with_old_name(column: Column[Any], name: str) -> tuple[Column[Any], str]:
    new_name, column.name = column.name, name
    return column, new_name
