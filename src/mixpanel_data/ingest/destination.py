"""Where a load goes: a table to create, to append to or to replace."""

from __future__ import annotations

from sqlalchemy import Connection

from mixpanel_data.exceptions import PropertyColumnError, TableExistsError, TableNotFoundError
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.schema import catalog, property_columns

#: What to do where if_exists meets what it cannot add to or replace.
_UNMANAGED = (
    "It is no events or profiles table, so nothing is added to it and it is not replaced. "
    "adopt_table() makes it one, if it is a table that has their columns. Or choose another name."
)


def choose(connection: Connection, options: LoadOptions) -> str:
    """Return ``"create"``, ``"append"`` or ``"replace"``.

    Whether the table is there decides, where the caller lets it.
    """
    if options.must_exist:
        if options.days is not None:
            catalog.find_metadata(connection, options.name)  # before anything is read
        return "append"
    if options.if_exists == "fail":
        return "create"
    try:
        found = catalog.find_metadata(connection, options.name)
    except TableNotFoundError:
        if (name := catalog.find_table(connection, options.name, views=True)) is not None:
            raise TableExistsError(name, _UNMANAGED) from None
        return "create"
    if options.if_exists == "append":
        _require_columns(connection, options, found.table_name)
        return "append"
    return "replace"


def _require_columns(connection: Connection, options: LoadOptions, name: str) -> None:
    """Raise for a property column that the table does not have.

    Raises:
        PropertyColumnError: There is one.
    """
    found = {(c.property, c.column_name) for c in property_columns.find(connection, name)}
    for column in options.property_columns:
        if (column.property, column.column_name) not in found:
            raise PropertyColumnError(
                column.property,
                f"has no column {column.column_name!r} in table {name!r}, which exists. "
                "add_property_columns() adds it.",
            )
