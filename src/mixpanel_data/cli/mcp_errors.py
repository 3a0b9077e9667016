"""What an agent is told of an error: what happened, and what to do next."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mixpanel_data.cli.wording import Words, reworded
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import (
    DatabaseLockedError,
    DatabaseMovedError,
    DatabaseNotFoundError,
    MixpanelDataError,
    OutOfMemoryError,
    QueryTimeoutError,
    ResultTooLargeError,
    SchemaVersionError,
    TableNotFoundError,
    WorkerCrashedError,
)

#: How many characters a message may have: DuckDB's contain values.
_LONGEST = 4000

_ASK_FOR_LESS = (
    "Ask for less at a time: a shorter range of event_time, fewer columns, a filter on event_name, "
    "count(*) with GROUP BY, or FROM (SELECT ...) USING SAMPLE 10%."
)


def _locked(error: DatabaseLockedError) -> str:
    holder = "another process" if error.pid is None else f"process {error.pid}"
    return (
        f"{error.path}: {holder} is writing to it. Call again in some seconds. If that goes on, "
        "tell the user to make a copy for this server in the program that writes, with "
        "storage.backup(path, overwrite=True), and to start the server with the copy."
    )


def _not_found(error: DatabaseNotFoundError) -> str:
    return (
        f"{error.path}: no such file. Tell the user to load data into it, or to start this server "
        "with the path of another database."
    )


def _no_table(error: TableNotFoundError) -> str:
    meant = f" Did you mean {error.nearest!r}?" if error.nearest else ""
    return f"There is no table {error.table_name!r:.200}.{meant} Call list_tables for the names."


def _timeout(error: QueryTimeoutError) -> str:
    return f"Stopped after {error.seconds:g} seconds. {_ASK_FOR_LESS}"


def _too_large(error: ResultTooLargeError) -> str:
    return f"The result has more than {error.limit:,} {error.unit}. {_ASK_FOR_LESS}"


def _out_of_memory(error: OutOfMemoryError) -> str:
    return f"This needs more memory than the server may use. {_ASK_FOR_LESS}"


def _crashed(error: WorkerCrashedError) -> str:
    return (
        f"The process that ran this is gone: {error.reason}. Nothing is lost, and the next call "
        f"gets a new one. Put it in another way. {_ASK_FOR_LESS}"
    )


def _moved(error: DatabaseMovedError) -> str:
    return f"{error.path}: another file has taken its place. Call again to read that one."


def _version(error: SchemaVersionError) -> str:
    return f"{error.message} Tell this to the user, who has to do it."


#: What the library and DuckDB advise, in the words of the tools, or of the user of the agent.
_WORDS: Words = [
    (
        r"sample\(\), summarize\(\), column_stats\(\) and SQL can look at it; "
        r"adopt_table\(\) makes it one of ours if it has the columns\.",
        "query, sample and summarize can look at it.",
    ),
    (r"property_stats\(\) looks at a property", "property_stats looks at a property"),
    (
        r"The owner of the engine has create_table_as\(\) to keep a result\.",
        "Put it into one query, with WITH for the parts; only the user can keep a result.",
    ),
    (r"A query runs without it; its plan is for the owner of the engine.*", "Run the query."),
    (
        r"(Values were not provided for the following (?:prepared statement )?parameters: [\w, ]+)",
        r"\1. Write the values in the SQL: query takes no parameters.",
    ),
    (r"Use SET lambda_syntax=[^\n]*", "Write lambda x: x + 1 instead of x -> x + 1."),
    (
        r"Use \"SET max_expression_depth TO x\"[^\n]*",
        "Write it with fewer levels, such as with IN.",
    ),
]

_MESSAGES: list[tuple[type[MixpanelDataError], Callable[[Any], str]]] = [
    (DatabaseLockedError, _locked),
    (DatabaseMovedError, _moved),
    (DatabaseNotFoundError, _not_found),
    (OutOfMemoryError, _out_of_memory),
    (QueryTimeoutError, _timeout),
    (ResultTooLargeError, _too_large),
    (SchemaVersionError, _version),
    (TableNotFoundError, _no_table),
    (WorkerCrashedError, _crashed),
]


def message_of(error: MixpanelDataError | ValueError, database: Path | Lake) -> str:
    """Return what an agent is told of an error.

    Args:
        error: The error.
        database: The file or lake that is served. No other path of this machine is told.
    """
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            text = message(error)
            break
    else:
        text = str(error)
        text = reworded(text, _WORDS)
    text = without_paths(text, database)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def without_paths(text: str, database: Path | Lake) -> str:
    """Return a text without paths of this machine, but for those of the database."""
    folders = {tempfile.gettempdir(), str(Path.home()), sys.prefix, sys.base_prefix} - {"/"}
    anywhere = "|".join(re.escape(folder) for folder in sorted(folders, key=len, reverse=True))
    own = str(database)

    def hidden(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith(own) else "(a path)"

    return re.sub(rf"{re.escape(own)}|(?:{anywhere})(?:/[^\s'\",;:)]*)?", hidden, text)


def unexpected(error: Exception) -> str:
    """Return what an agent is told of an error that nobody foresaw."""
    return (
        f"The server failed with {type(error).__name__}, which is an error in the server. Its log, "
        "on standard error, says more. Put it in another way, or tell the user."
    )
