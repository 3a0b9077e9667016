"""Commands about the revision of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mixpanel_data.cli import databases, output
from mixpanel_data.cli.arguments import (
    DatabaseArgument,
    FormatOption,
    LockTimeoutOption,
    OutputFormat,
    YesOption,
)
from mixpanel_data.cli.asking import require_consent
from mixpanel_data.cli.commands import Commands

if TYPE_CHECKING:
    from mixpanel_data.types import MigrationResult

app = Commands(help="The revision of a database's tables.")

BackupOption = Annotated[
    bool, typer.Option("--backup", help="Copy the database first, beside its file.")
]


@app.add()
def status(
    database: DatabaseArgument, form: FormatOption = None, lock_timeout: LockTimeoutOption = 0
) -> None:
    """Show how the tables compare with what this version works with.

    Example:
        mixpanel-data migrate status app.db
    """
    from mixpanel_data import migrate

    found = migrate.status(
        _target(database), encryption_key=databases.key(), lock_timeout=lock_timeout
    )
    output.write_record(output.fields_of(found), form)
    if found.state == "foreign":  # an error, unlike what can be upgraded
        migrate.check(_target(database), encryption_key=databases.key(), lock_timeout=lock_timeout)


@app.add()
def upgrade(
    database: DatabaseArgument,
    revision: Annotated[
        str, typer.Argument(metavar="REVISION", help="The revision to go to.")
    ] = "head",
    *,
    backup: BackupOption = False,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Take the tables to a newer revision, all of them or none.

    Example:
        mixpanel-data migrate upgrade app.db --backup
    """
    from mixpanel_data import migrate

    key = databases.key()
    target = _target(database)
    _report(
        migrate.upgrade(
            target, revision, backup=backup, encryption_key=key, lock_timeout=lock_timeout
        ),
        form,
    )


@app.add()
def downgrade(
    database: DatabaseArgument,
    revision: Annotated[
        str,
        typer.Argument(metavar="REVISION", help="The revision to go to.", show_default=False),
    ],
    *,
    backup: BackupOption = False,
    yes: YesOption = False,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Take the tables to an older revision; what that has no place for is lost.

    Example:
        mixpanel-data migrate downgrade app.db 0001 --backup --yes
    """
    from mixpanel_data import migrate

    key, target = databases.key(), _target(database)
    migrate.status(
        target, encryption_key=key, lock_timeout=lock_timeout
    )  # nobody is asked about what is not there
    lost = "What that has no place for is lost."
    require_consent(f"Take {database} down to revision {revision}? {lost}", yes=yes)
    _report(
        migrate.downgrade(
            target, revision, backup=backup, encryption_key=key, lock_timeout=lock_timeout
        ),
        form,
    )


@app.add()
def check(
    database: DatabaseArgument, form: FormatOption = None, lock_timeout: LockTimeoutOption = 0
) -> None:
    """Make sure that the tables are what their revision says.

    Example:
        mixpanel-data migrate check app.db
    """
    from mixpanel_data import migrate

    migrate.check(_target(database), encryption_key=databases.key(), lock_timeout=lock_timeout)
    output.report("The tables are what their revision says.", {"is_current": True}, form)


def _target(database: str) -> str:
    """Return a target for migrations, after the checks of all commands."""
    databases.located(database)
    return database


def _report(result: MigrationResult, form: OutputFormat | None) -> None:
    before, after = result.before or "none", result.after or "none"
    sentence = (
        f"Revision {after}, as before." if before == after else f"Revision {before} to {after}."
    )
    if result.backup is not None:
        sentence += f" The copy of before is {result.backup}."
    output.report(sentence, output.fields_of(result), form)
