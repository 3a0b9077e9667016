"""Commands that look at what a database has."""

from __future__ import annotations

from typing import Annotated

import typer

from mixpanel_data.cli import output
from mixpanel_data.cli.arguments import (
    DatabaseArgument,
    EventOption,
    FormatOption,
    LockTimeoutOption,
    OutputFormat,
    TableArgument,
)
from mixpanel_data.cli.databases import open_database


def tables(
    database: DatabaseArgument, form: FormatOption = None, lock_timeout: LockTimeoutOption = 0
) -> None:
    """List the events and profiles tables of a database.

    Example:
        mixpanel-data tables app.db
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        output.write_rows(storage.list_tables(), form)


def info(
    database: DatabaseArgument, form: FormatOption = None, lock_timeout: LockTimeoutOption = 0
) -> None:
    """Show size, revision and tables of a database.

    Example:
        mixpanel-data info app.db
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        output.write_record(output.fields_of(storage.info()), form)


def schema(
    database: DatabaseArgument,
    table: TableArgument,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show the columns of a table or view.

    Example:
        mixpanel-data schema app.db events
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        output.write_rows(storage.get_schema(table), form)


def sample(
    database: DatabaseArgument,
    table: TableArgument,
    rows: Annotated[int, typer.Option("-n", "--rows", min=0, help="How many rows.")] = 10,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show rows of a table, taken at random.

    Example:
        mixpanel-data sample app.db events -n 3
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        found = storage.sample(table, rows)
        if output.chosen(form) is OutputFormat.TABLE:
            output.write_rows(found, form)
        else:
            output.write_query(storage, found.sql, form)


def summarize(
    database: DatabaseArgument,
    table: TableArgument,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show minimum, maximum, quartiles and NULLs of every column.

    Example:
        mixpanel-data summarize app.db events
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        output.write_rows(storage.summarize(table), form)


def breakdown(
    database: DatabaseArgument,
    table: TableArgument,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show which events a table has, how many, of how many users, and when.

    Example:
        mixpanel-data breakdown app.db events
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        output.write_rows(storage.event_breakdown(table), form)


def keys(
    database: DatabaseArgument,
    table: TableArgument,
    event: EventOption = None,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """List the names of the properties that occur.

    Example:
        mixpanel-data keys app.db events --event "Sign Up"
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        found = [[name] for name in storage.property_keys(table, event)]
        output.write_rows(output.rows_of(f"Properties of {table}", ["property"], found), form)


def coverage(
    database: DatabaseArgument,
    table: TableArgument,
    event: EventOption = None,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show in how many rows each property has a value, and of which types.

    Example:
        mixpanel-data coverage app.db events
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        found = storage.property_coverage(table, event=event)
        output.tell_hint(found.hint)
        output.write_rows(found, form)


def stats(
    database: DatabaseArgument,
    table: TableArgument,
    name: Annotated[
        str, typer.Argument(metavar="PROPERTY", help="Name of the property.", show_default=False)
    ],
    event: EventOption = None,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Show what a property holds: types, coverage and the most frequent values.

    Example:
        mixpanel-data stats app.db events '$browser'
    """
    with open_database(database, lock_timeout=lock_timeout) as storage:
        found = storage.property_stats(table, name, event=event)
        if output.chosen(form) is OutputFormat.TABLE:
            output.write_rows(found, form)
        else:
            output.tell_hint(found.hint)
            output.write_record(output.fields_of(found), form)
