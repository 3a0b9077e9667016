"""Commands that rename and drop tables."""

from __future__ import annotations

from typing import Annotated

import typer

from mixpanel_data.cli import output
from mixpanel_data.cli.arguments import (
    DatabaseArgument,
    FormatOption,
    LockTimeoutOption,
    TableArgument,
    YesOption,
)
from mixpanel_data.cli.asking import require_consent_about
from mixpanel_data.cli.databases import open_database


def rename(
    database: DatabaseArgument,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)],
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Rename an events or profiles table.

    Example:
        mixpanel-data rename app.db events events_2025
    """
    with open_database(database, write=True, lock_timeout=lock_timeout) as storage:
        storage.rename_table(old, new)
    output.report(f"Renamed table {old} to {new}.", {"old": old, "new": new}, form)


def drop(
    database: DatabaseArgument,
    table: TableArgument,
    *,
    yes: YesOption = False,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Drop an events or profiles table, with all its rows.

    Example:
        mixpanel-data drop app.db events --yes
    """
    question = f"Drop table {table}, with all its rows?"
    require_consent_about(database, table, question, yes=yes, lock_timeout=lock_timeout)
    with open_database(database, write=True, lock_timeout=lock_timeout) as storage:
        storage.drop_table(table)
    output.report(f"Dropped table {table}.", {"dropped": table}, form)
