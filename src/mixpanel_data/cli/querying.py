"""Commands that run SQL, or write rows to files."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mixpanel_data.cli import output
from mixpanel_data.cli.arguments import DatabaseArgument, FormatOption, LockTimeoutOption
from mixpanel_data.cli.databases import open_database
from mixpanel_data.cli.progress import progress_of_rows


class ExportFormat(str, Enum):
    """Formats of a file, ``jsonl`` being another name of ``ndjson``."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    JSONL = "jsonl"
    MIXPANEL = "mixpanel"


def query(
    database: DatabaseArgument,
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="The query; - reads it from stdin.", show_default=False),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("-f", "--file", help="Read the query from a file.", show_default=False),
    ] = None,
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Let the query change the database.")
    ] = False,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="For SQL of others: no files, no network, limits of time."),
    ] = False,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Run a query and write its result.

    Without --write the database is opened read-only. The SQL may still read and write other files,
    which --sandbox forbids.

    Example:
        mixpanel-data query app.db "SELECT event_name, count(*) FROM events GROUP BY ALL"
    """
    text = _text_of(sql, file)
    if not text.strip():
        raise typer.BadParameter("There is no SQL in it.")
    with open_database(database, write=write, lock_timeout=lock_timeout, sandbox=sandbox) as found:
        output.write_query(found, text, form)
    # A sandbox takes one statement only, and parses it in its worker.
    if not sandbox and (count := _statements_in(text)) > 1:
        output.tell_hint(f"The SQL has {count} statements. This is the result of the last one.")


def _statements_in(sql: str) -> int:
    """Count the statements of SQL that has run; DuckDB makes several of a PIVOT, one with text."""
    import duckdb

    return sum(bool(each.query) for each in duckdb.extract_statements(sql))


def _text_of(sql: str | None, file: str | None) -> str:
    """Return the SQL, which comes in one of three ways.

    Raises:
        typer.BadParameter: It comes in none of them, or in two.
        OSError: The file cannot be read.
    """
    if (sql is None) == (file is None):
        raise typer.BadParameter("Give the SQL, or -f FILE, or - for stdin.")
    if sql is not None and sql != "-":
        return sql
    if file is None or file == "-":
        name, data = "stdin", sys.stdin.buffer.read()
    else:
        name, data = file, Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{name} is not UTF-8 from byte {error.start} on.") from error


def export(
    database: DatabaseArgument,
    source: Annotated[
        str, typer.Argument(metavar="TABLE|SQL", help="What to export.", show_default=False)
    ],
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="The file, - for stdout.", show_default=False),
    ],
    form: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            "-F",
            help="Format of the file, by default what its ending says.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Write a table, or the result of a query, to a file.

    Example:
        mixpanel-data export app.db events events.parquet
    """
    name = "ndjson" if form is ExportFormat.JSONL else None if form is None else form.value
    with open_database(database, lock_timeout=lock_timeout) as storage:
        if path == "-":
            name = name or "ndjson"
            is_binary = name == "parquet"
            target = output.binary_stdout() if is_binary else output.stdout(is_json=name != "csv")
            storage.export(source, target, name)  # type: ignore[arg-type]
            return
        with progress_of_rows("Exporting") as progress:
            result = storage.export(
                source,
                path,
                name,  # type: ignore[arg-type]
                overwrite=overwrite,
                progress_callback=progress,
            )
    record = {name: getattr(result, name) for name in _FACTS}
    sentence = f"{result.path}: {result.rows:,} rows, {result.bytes:,} bytes"
    output.report(f"{sentence}, in {result.seconds:.1f} s", record, None)


_FACTS = ("path", "rows", "format", "bytes", "seconds")
