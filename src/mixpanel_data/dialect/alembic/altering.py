"""Changes tables in the cheapest way that is correct on every version of DuckDB.

A direct ``ALTER TABLE`` costs next to nothing. DuckDB refuses it if an index, a foreign key or a
constraint depends on the column, and some that it accepts fail (seen with 1.5.6 and 2.0.0):

- ``ALTER … TYPE … USING`` and casts to JSON are written to the WAL as expressions, which DuckDB
  may fail to replay after a crash: ``Failure while replaying WAL file``. (So are defaults that
  call functions, which are refused.)
- After an ``UPDATE``, neither version sets NOT NULL on the same table, and 1.5 refuses to commit an
  ``ADD COLUMN`` or ``DROP COLUMN``: ``Attempting to modify table``.
- ``DROP INDEX``, ``RENAME COLUMN``, ``CREATE INDEX`` in one transaction crash the process on 1.5.

In these cases, the table is recreated and filled with one ``INSERT … SELECT``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

from duckdb_engine.datatypes import Map
from sqlalchemy import (
    ARRAY,
    JSON,
    CheckConstraint,
    Column,
    Connection,
    MetaData,
    Table,
    inspect,
)
from sqlalchemy.exc import InvalidRequestError, NoSuchColumnError
from sqlalchemy.schema import ColumnCollectionConstraint, SetColumnComment

from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.dialect.alembic.rebuilding import default_of, rebuild, type_of
from mixpanel_data.dialect.alembic.references import referring_tables, require_unreferred
from mixpanel_data.dialect.datatypes import Struct, Union
from mixpanel_data.dialect.sql.names import fold, mentions

logger = logging.getLogger("mixpanel_data")

#: Literals: numbers, strings, booleans, NULL.
_LITERAL = re.compile(r"-?\d+(\.\d+)?|'([^']|'')*'|true|false|null", re.IGNORECASE)

#: Types whose values DuckDB updates by deleting the row and inserting another.
_NESTED = (ARRAY, Map, Struct, Union)


def alter_tables(
    connection: Connection, names: Sequence[str], changes: Changes, updated: set[str]
) -> None:
    """Change tables and their rows, in the caller's transaction.

    Keys, constraints, indexes, comments and the order of the rows are kept.

    Args:
        connection: Connection with a transaction open.
        names: Names of the tables, as the catalog spells them; they change in this order.
        changes: What to change in each.
        updated: Names of the tables that were updated earlier in the transaction; those that are
            updated now are added.

    Raises:
        NoSuchColumnError: A table has no such column.
        InvalidRequestError: Something prevents the change, such as a foreign key of another table.
        DBAPIError: DuckDB refuses the change, for instance because a value cannot be cast.
    """
    for column in changes.added.values():
        _require_literal_default(connection, column)
    # Reflected all at once: fifty tables take about as long as one.
    inspector = inspect(connection)
    metadata = MetaData()
    metadata.reflect(connection, only=names)
    indexes = {name: found for (_, name), found in inspector.get_multi_indexes().items()}
    referring = referring_tables(inspector)
    for name in names:
        table = metadata.tables[name]
        for touched in {*changes.filled, *changes.renamed, *changes.retyped, *changes.dropped}:
            if touched not in table.c and touched not in changes.added:
                raise NoSuchColumnError(f"Table {name!r} has no column {touched!r}.")
        keys = referring.get(fold(name), [])
        others = [other for other in keys if fold(other) != fold(name)]
        obstacles = _obstacles(connection, table, changes, is_referred=bool(others))
        if name in updated:
            obstacles.append("an earlier change of this migration has filled it")
        if not obstacles:
            for statement in _statements(connection, table, changes):
                connection.exec_driver_sql(statement)
            if changes.filled:
                updated.add(name)
        else:
            require_unreferred(name, keys, "changed", obstacles[0])
            logger.debug("Table %s is recreated: %s", name, "; ".join(obstacles))
            rebuild(connection, table, indexes[name], changes)


def _require_literal_default(connection: Connection, column: Column[Any]) -> None:
    default = default_of(connection, column)
    if default is not None and not _LITERAL.fullmatch(default):
        raise InvalidRequestError(
            f"The default of column {column.name!r} is {default}, which DuckDB could not read from "
            "its log after a crash. Use a number, a text or a truth value; fill= takes the rest."
        )


def _obstacles(
    connection: Connection, table: Table, changes: Changes, *, is_referred: bool
) -> list[str]:
    """Return the reasons why ``ALTER TABLE``, then one ``UPDATE``, cannot make all changes."""
    is_bound = is_referred or bool(table.indexes)
    reshaped = {*changes.renamed, *changes.retyped, *changes.dropped}
    required = {column.name for column in changes.added.values() if not column.nullable}
    types = {name: column.type for name, column in {**table.c, **changes.added}.items()}
    positions = table.c.keys()
    keyed = [positions.index(column.name) for column in table.columns if _is_keyed(table, column)]
    touched = {*changes.filled, *changes.retyped, *changes.dropped}
    found = {
        "an index or a foreign key depends on the table": is_bound and (reshaped or required),
        "columns are filled and others change": changes.filled and reshaped,
        "a new column must not be NULL and is filled": required & set(changes.filled),
        "a column is in an index, a constraint or an expression": _constrained(table) & touched,
        "the catalog only widens types": (
            not connection.dialect.narrows_types and changes.retyped  # type: ignore[attr-defined]
        ),
        "a column becomes JSON": any(isinstance(kind, JSON) for kind in changes.retyped.values()),
        "a nested column is filled": any(isinstance(types[n], _NESTED) for n in changes.filled),
        "a column before a key is dropped": any(
            positions.index(name) < max(keyed, default=-1) for name in changes.dropped
        ),
    }
    return [reason for reason, holds in found.items() if holds]


def _is_keyed(table: Table, column: Column[Any]) -> bool:
    """Tell whether the column is in a constraint that has an index."""
    return any(
        isinstance(constraint, ColumnCollectionConstraint)
        and not isinstance(constraint, CheckConstraint)
        and column.name in constraint.columns
        for constraint in table.constraints
    )


def _constrained(table: Table) -> set[str]:
    """Return the columns in an index or a constraint, or possibly in an expression."""
    texts = [
        str(constraint.sqltext)
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    ]
    texts += [str(column.computed.sqltext) for column in table.columns if column.computed]
    indexed = {column.name for index in table.indexes for column in index.columns}
    return indexed | {
        column.name
        for column in table.columns
        if column.computed is not None
        or _is_keyed(table, column)
        or any(mentions(expression, column.name) for expression in texts)
    }


def _statements(connection: Connection, table: Table, changes: Changes) -> Iterator[str]:
    """Yield the direct statements; the update comes last."""
    quote = connection.dialect.identifier_preparer.quote
    alter = f"ALTER TABLE {quote(table.name)}"
    for column in changes.added.values():
        default = default_of(connection, column)
        clause = "" if default is None else f" DEFAULT {default}"
        name = quote(column.name)
        yield f"{alter} ADD COLUMN {name} {type_of(connection, column.type)}{clause}"
        if not column.nullable:
            yield f"{alter} ALTER COLUMN {name} SET NOT NULL"
        if column.comment is not None:
            declared = Table(table.name, MetaData(), Column(column.name, comment=column.comment))
            yield str(SetColumnComment(declared.c[0]).compile(dialect=connection.dialect))
    for name, type_ in changes.retyped.items():
        yield f"{alter} ALTER COLUMN {quote(name)} TYPE {type_of(connection, type_)}"
    for name in changes.dropped:
        yield f"{alter} DROP COLUMN {quote(name)}"
    for name, new_name in changes.renamed.items():
        yield f"{alter} RENAME COLUMN {quote(name)} TO {quote(new_name)}"
    if changes.filled:
        values = ", ".join(f"{quote(name)} = ({sql})" for name, sql in changes.filled.items())
        yield f"UPDATE {quote(table.name)} SET {values}"  # noqa: S608 (SQL of a version script)
