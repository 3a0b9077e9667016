"""Property columns, as the command line names them, and the commands about them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from mixpanel_data.cli import output
from mixpanel_data.cli.arguments import (
    DatabaseArgument,
    FormatOption,
    LockTimeoutOption,
    OutputFormat,
    TableArgument,
    YesOption,
)
from mixpanel_data.cli.asking import require_consent_about
from mixpanel_data.cli.commands import Commands
from mixpanel_data.cli.databases import open_database

if TYPE_CHECKING:
    from mixpanel_data.storage import StorageEngine
    from mixpanel_data.types import PropertyColumn

#: ``property``, ``property:TYPE``, and either with ``AS name``.
_COLUMN = re.compile(r"(?P<property>.+?)(:(?P<type>[A-Za-z]+))?(\s+[Aa][Ss]\s+(?P<name>\S+))?")

#: An ``AS`` without a name.
_UNFINISHED = re.compile(r"\s+[Aa][Ss]$")

app = Commands(help="Columns of their own for properties.")


def parse_columns(texts: Sequence[str]) -> list[PropertyColumn]:
    """Return the property columns that texts name.

    Args:
        texts: Each a list with commas of ``property``, ``property:TYPE``, and either with
            ``AS name``. A property with a comma in its name stands in double quotes.

    Raises:
        typer.BadParameter: There is no such type, no name behind ``AS``, or no property in them.

    Example:
        >>> [column.column_name for column in parse_columns(["$browser,amount:DOUBLE AS eur"])]
        ['$browser', 'eur']
    """
    parts = [part.strip() for line in csv.reader(texts) for part in line]
    found = [_parsed(part) for part in parts if part]
    if texts and not found:
        raise typer.BadParameter("No property is named.")
    return found


def _parsed(text: str) -> PropertyColumn:
    from mixpanel_data.types import PropertyColumn, PropertyType

    found = _COLUMN.fullmatch(text)
    if found is None or _UNFINISHED.search(text):
        raise typer.BadParameter(f"{text!r}: give a property, property:TYPE, or either AS name.")
    known = {kind.upper(): kind for kind in get_args(PropertyType)}
    written = found["type"]
    if written is None:
        return PropertyColumn(found["property"], name=found["name"])
    if (kind := known.get(written.upper())) is None:
        raise typer.BadParameter(f"{text!r}: there is no type {written!r}. Use {', '.join(known)}.")
    return PropertyColumn(found["property"], kind, found["name"])


ColumnsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="COLUMNS...",
        help="Such as '$browser' or 'amount:DOUBLE AS eur'.",
        show_default=False,
    ),
]


@app.add("list")
def list_columns(
    database: DatabaseArgument,
    table: TableArgument,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """List the property columns of a table.

    Example:
        mixpanel-data columns list app.db events
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        _write(table, storage.property_columns(table), form)


@app.add("add")
def add_columns(
    database: DatabaseArgument,
    table: TableArgument,
    columns: ColumnsArgument,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Give properties columns of their own. Without a type, the values decide it.

    Example:
        mixpanel-data columns add app.db events '$browser' 'amount:DOUBLE AS eur'
    """
    wanted = parse_columns(columns)
    with open_database(database, write=True, lock_timeout=lock_timeout) as storage:
        added = storage.add_property_columns(table, wanted)
        _write(table, added, form)
        for column in added:
            tell_if_empty(storage, table, column)


def tell_if_empty(storage: StorageEngine, table: str, column: PropertyColumn) -> None:
    """Tell that a new column has no value, and why: a misspelt property, or another type."""
    from sqlalchemy import func, select

    cells = storage.table(table).columns[column.column_name]
    if storage.execute_scalar(select(func.count(cells))):
        return
    stats = storage.property_stats(table, column.property, top_n=1)
    if stats.defined_count:
        output.tell_hint(f"No value of {column.property!r} fits {column.type}: all are NULL.")
    else:
        output.tell_hint(stats.hint)


@app.add("drop")
def drop_columns(
    database: DatabaseArgument,
    table: TableArgument,
    names: Annotated[
        list[str],
        typer.Argument(metavar="PROPERTIES...", help="The properties.", show_default=False),
    ],
    *,
    yes: YesOption = False,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Drop property columns. The documents keep the properties.

    Example:
        mixpanel-data columns drop app.db events '$browser' --yes
    """
    question = f"Drop {', '.join(names)} of table {table}?"
    require_consent_about(database, table, question, yes=yes, lock_timeout=lock_timeout)
    with open_database(database, write=True, lock_timeout=lock_timeout) as storage:
        storage.drop_property_columns(table, names)
    sentence = f"Dropped {', '.join(names)} of table {table}."
    output.report(sentence, {"table": table, "dropped": names}, form)


def _write(table: str, columns: list[PropertyColumn], form: OutputFormat | None) -> None:
    rows = [[each.property, each.type, each.column_name, each.stale] for each in columns]
    headers = ["property", "type", "name", "stale"]
    output.write_rows(output.rows_of(f"Property columns of {table}", headers, rows), form)
