"""Columns of their own for properties: which tables have which of them, and what is in them.

A property column is an ordinary column beside the document, filled from it in the same ``INSERT``.
The document stays the truth. A value that does not fit the type of the column is NULL there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    exists,
    func,
    insert,
    inspect,
    literal_column,
    or_,
    select,
    update,
)

from mixpanel_data.dialect.sql.derived import DERIVES_OPTION
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.exceptions import PropertyColumnError
from mixpanel_data.schema.property_sql import (
    DEFAULT_TYPE,
    HOLD_ALL,
    PROPERTY_COLUMN,
    expressions,
    texts,
)
from mixpanel_data.schema.tables import (
    PROPERTY_COLUMNS_TABLE,
    STALE_COLUMNS_TABLE,
    managed_columns,
    managed_table,
)
from mixpanel_data.types import PropertyColumn, TableType

#: Names that DuckDB or SQLAlchemy keeps for itself.
_RESERVED = frozenset({"rowid", "metadata", "registry"})


def resolved(
    kind: TableType, columns: Iterable[PropertyColumn | str], *, beside: Iterable[str] = ()
) -> tuple[PropertyColumn, ...]:
    """Return the columns that a caller names, checked.

    Args:
        kind: Type of the table.
        columns: Property columns, or names of properties.
        beside: Names of other property columns of the table.

    Raises:
        TypeError: It is one text, or an entry is neither a column nor a name.
        PropertyColumnError: A column cannot have its name, or a property or name occurs twice.
    """
    is_list = isinstance(columns, Iterable) and not isinstance(columns, (str, bytes, Mapping))
    if not is_list or isinstance(columns, PropertyColumn):
        raise TypeError(
            f"property_columns is {columns!r:.100}. Pass a list of names of properties, or of "
            "PropertyColumn(...)."
        )
    found: list[PropertyColumn] = []
    taken = {fold(column.name) for column in managed_columns(kind)} | {*map(fold, beside)}
    for column in columns:
        if not isinstance(column, (str, PropertyColumn)):
            raise TypeError(
                f"property_columns has {column!r}. Use names of properties, or PropertyColumn(...)."
            )
        column = PropertyColumn(column) if isinstance(column, str) else column
        if any(other.property == column.property for other in found):
            raise PropertyColumnError(column.property, "is there twice. Name it once.")
        check_column_name(column, taken)
        for other in found:
            if fold(other.column_name) == fold(column.column_name):
                _refuse_name(column, f"which property {other.property!r} gets.")
        found.append(column)
    return tuple(found)


def check_column_name(column: PropertyColumn, taken: Collection[str] = ()) -> None:
    """Make sure that a property column can have its name.

    Args:
        column: The column.
        taken: Folded names of the other columns of its table.

    Raises:
        PropertyColumnError: It cannot.
    """
    name = column.column_name
    # DuckDB's parser stops at a NUL; SQLAlchemy keeps __x__, and 2.0 takes %(x)s for a parameter.
    if not name or name.startswith("__") or "\0" in name or "%(" in name:
        _refuse_name(column, "which cannot be the name of one.")
    if fold(name) in _RESERVED:
        _refuse_name(column, "which is a name of DuckDB's or SQLAlchemy's.")
    if fold(name) in taken:
        _refuse_name(column, "which the table has already.")


def _refuse_name(column: PropertyColumn, reason: str) -> NoReturn:
    raise PropertyColumnError(
        column.property,
        f"cannot have a column {column.column_name!r}, {reason} "
        f"Choose another: PropertyColumn({column.property!r}, name=...).",
    )


def declared_in(table: Table) -> list[PropertyColumn]:
    """Return the property columns that a declaration of a table has."""
    found = (column.info.get(PROPERTY_COLUMN) for column in table.columns)
    return [column for column in found if column is not None]


def count_misfits(
    connection: Connection,
    table: Table,
    columns: Sequence[PropertyColumn],
    values: Mapping[str, str] | None = None,
) -> int:
    """Return how many properties have a value that their column cannot hold.

    Args:
        connection: Connection to the database.
        table: The table.
        columns: Its property columns.
        values: SQL of the columns, where the table does not have them itself.
    """
    typed = [column for column in columns if (column.type or DEFAULT_TYPE) not in HOLD_ALL]
    if not typed:
        return 0
    found = zip(typed, texts(typed), strict=True)
    counts = [
        func.system.main.count_star().filter(
            _value(table, column, values).is_(None), literal_column(text).is_not(None)
        )
        for column, text in found
    ]
    (row,) = connection.execute(select(*counts).select_from(table))
    return sum(row)


def _value(table: Table, column: PropertyColumn, values: Mapping[str, str] | None) -> Any:
    name = column.column_name
    return table.c[name] if values is None else literal_column(f"({values[name]})")


def find(connection: Connection, name: str) -> tuple[PropertyColumn, ...]:
    """Return the property columns of a managed table, in the order of the columns.

    Args:
        connection: Connection to a database at head.
        name: Name of the table, as the catalog spells it.
    """
    return _found(connection, [name]).get(name, ())


def find_all(connection: Connection, names: Iterable[str]) -> dict[str, tuple[PropertyColumn, ...]]:
    """Return the property columns of managed tables, by the name of the table.

    Works with every revision of the schema.
    """
    names = list(names)
    found: dict[str, tuple[PropertyColumn, ...]] = dict.fromkeys(names, ())
    if names and inspect(connection).has_table(PROPERTY_COLUMNS_TABLE.name):
        found.update(_found(connection, names))
    return found


def _found(connection: Connection, names: list[str]) -> dict[str, tuple[PropertyColumn, ...]]:
    """Return the recorded columns that the tables have: SQL may have dropped some."""
    found = {}
    for name, own in recorded(connection, names).items():
        existing = [column["name"] for column in inspect(connection).get_columns(name)]
        found[name] = tuple(own[column] for column in existing if column in own)
    return found


def recorded(
    connection: Connection, names: Collection[str]
) -> dict[str, dict[str, PropertyColumn]]:
    """Return the recorded property columns of those of some tables that have any, by their names.

    The tables may not have all of them any more. The internal tables have to be there.
    """
    columns, marks = PROPERTY_COLUMNS_TABLE.c, STALE_COLUMNS_TABLE.c
    is_marked = exists().where(
        marks.table_name == columns.table_name, marks.column_name == columns.column_name
    )
    rows = select(PROPERTY_COLUMNS_TABLE, is_marked.label("stale"))
    found: dict[str, dict[str, PropertyColumn]] = {}
    for row in connection.execute(rows.where(columns.table_name.in_(names))):
        column = PropertyColumn(row.property, row.type, name=row.column_name)
        object.__setattr__(column, "stale", row.stale)
        found.setdefault(row.table_name, {})[row.column_name] = column
    return found


def record(connection: Connection, name: str, columns: Sequence[PropertyColumn]) -> None:
    """Record property columns of a table that has them."""
    rows = [
        {
            "table_name": name,
            "property": column.property,
            "column_name": column.column_name,
            "type": column.type or DEFAULT_TYPE,
        }
        for column in columns
    ]
    if rows:
        connection.execute(insert(PROPERTY_COLUMNS_TABLE), rows)


def _differs(table: Table, columns: Sequence[PropertyColumn]) -> Any:
    values = expressions(columns)
    return or_(
        *(
            table.c[name].is_distinct_from(literal_column(f"({value})", table.c[name].type))
            for name, value in values.items()
        )
    )


def count_differing(
    connection: Connection, kind: TableType, name: str, columns: Sequence[PropertyColumn]
) -> dict[str, int]:
    """Return for each column in how many rows it is not what the document says."""
    table = managed_table(kind, name, property_columns=columns)
    counts = [func.system.main.count_star().filter(_differs(table, [column])) for column in columns]
    if not counts:
        return {}
    (row,) = connection.execute(select(*counts).select_from(table))
    return {column.column_name: count for column, count in zip(columns, row, strict=True)}


def refresh(
    connection: Connection, kind: TableType, name: str, columns: Sequence[PropertyColumn]
) -> int:
    """Fill the columns of the rows in which one is not what the document says.

    Returns:
        The number of these rows.
    """
    if not columns:
        return 0
    table = managed_table(kind, name, property_columns=columns)
    values: dict[str, ColumnElement[Any]] = {
        column: literal_column(f"({sql})") for column, sql in expressions(columns).items()
    }
    statement = update(table).where(_differs(table, columns)).values(values)
    return connection.execute(statement.execution_options(**{DERIVES_OPTION: True})).rowcount
