"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class OutputFormat(str, Enum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


DatabaseArgument = Annotated[
    str, typer.Argument(metavar="DB", help="The database: a file, or a URL.", show_default=False)
]
TableArgument = Annotated[
    str, typer.Argument(metavar="TABLE", help="Name of the table.", show_default=False)
]
FormatOption = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format",
        "-F",
        help="How to write the result. On a terminal a table, into a pipe jsonl.",
        show_default=False,
        case_sensitive=False,
    ),
]
LockTimeoutOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="How long to wait while another process has the database open."
    ),
]
EventOption = Annotated[
    str | None,
    typer.Option("--event", help="Only rows of this event.", show_default=False),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
