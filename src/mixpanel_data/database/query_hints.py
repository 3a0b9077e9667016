"""What helps with SQL that DuckDB refuses: what people mostly meant, or have to do first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mixpanel_data.dialect.sql.json_paths import path_literal

# To DuckDB, a text that starts with $ is a path, "$name" a column, and $name a parameter.
_PATH = re.compile(r"JSON path error near '(?P<rest>[^']*)'")
_COLUMN = re.compile(r'column "(?P<name>\$[^"]*)" not found')
_PARAMETER = re.compile(r"not provided for the following (?:prepared statement )?parameters: (\w+)")
_TEXT = re.compile(r"'(\$(?:[^']|'')*)'")

_READ_ONLY = "attached in read-only mode"


def hint_for(message: str, query: str) -> str | None:
    r"""Return the sentence that helps with an error of DuckDB's, None where there is none.

    Args:
        message: What DuckDB says.
        query: The SQL.

    Example:
        >>> hint_for("JSON path error near 'os'", "SELECT properties->>'$os' FROM e")
        'Write the property as properties->>\'$."$os"\'.'
    """
    if _READ_ONLY in message:
        return "Open it for writing: without read_only=True, or for the command query with --write."
    name = next(_names_meant(message, query), None)
    if name is None:
        return None
    return f"Write the property as properties->>{path_literal([name])}."


def _names_meant(message: str, query: str) -> Iterator[str]:
    if found := _PATH.search(message):
        for text in _TEXT.findall(query):
            name = text.replace("''", "'")
            if name.startswith(f"${found['rest']}"):
                yield name
    if found := _COLUMN.search(message):
        yield found["name"]
    if (found := _PARAMETER.search(message)) and not found[1].isdigit():
        yield f"${found[1]}"
