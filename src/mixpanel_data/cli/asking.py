"""Asking before something is lost."""

from __future__ import annotations

import sys

import typer

from mixpanel_data.cli.databases import open_database
from mixpanel_data.common.printable import printable


def require_consent_about(
    database: str, table: str, question: str, *, yes: bool, lock_timeout: float
) -> None:
    """Ask about a table that is there, and keep nobody out of the database meanwhile.

    Raises:
        TableNotFoundError: There is no such table.
        typer.BadParameter: Nobody can be asked.
        typer.Exit: The answer is no.
    """
    if not yes:
        with open_database(database, lock_timeout=lock_timeout) as storage:
            storage.get_metadata(table)
    require_consent(question, yes=yes)


def require_consent(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere nobody could answer, so ``--yes`` must be there.

    Raises:
        typer.BadParameter: Nobody can be asked.
        typer.Exit: The answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter(f"{printable(question)} Nobody can be asked here: use --yes.")
    typer.echo(f"{printable(question)} [y/N] ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)
