"""The keys of events and profiles tables where the catalog has no keys, as in a lake.

Loads keep them unique, so reflection has them as other databases have keys that they do not
enforce: an automap, say, needs to know what identifies a row.
"""

from __future__ import annotations

from sqlalchemy import Connection, column, func, select, table

from mixpanel_data.dialect.reflection import catalog
from mixpanel_data.dialect.reflection.key_columns import KEY_COLUMNS, METADATA


def read(connection: Connection, schema: str | None) -> dict[str, str]:
    """Return the key columns of the events and profiles tables of a schema, by table.

    Args:
        connection: Connection to the database.
        schema: ``schema`` or ``database.schema``; None is the current schema.
    """
    found = catalog.read(connection, catalog.COLUMNS, schema=schema, filter_names=[METADATA])
    names = {detail["column_name"] for entry in found.values() for detail in entry.details}
    metadata = table(METADATA, column("table_name"), column("type"), schema=schema)
    if not names.issuperset(metadata.c.keys()):
        return {}
    kind = func.system.main.min(metadata.c.type).label("type")
    managed = select(metadata.c.table_name, kind).group_by(metadata.c.table_name)
    return {
        row.table_name: KEY_COLUMNS[row.type]
        for row in connection.execute(managed)
        if row.type in KEY_COLUMNS
    }
