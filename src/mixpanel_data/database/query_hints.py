"""What helps with SQL that DuckDB refuses: what people mostly meant, or have to do first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mixpanel_data.common.nearest import nearest
from mixpanel_data.database.arrow_hints import arrow_hint
from mixpanel_data.dialect.sql.json_paths import path_literal

# To DuckDB, a text that starts with $ is a path, "$name" a column, and $name a parameter.
_PATH = re.compile(r"JSON path error near '(?P<rest>[^']*)'")
_COLUMN = re.compile(r'column "(?P<name>\$[^"]*)" not found')
_PARAMETER = re.compile(r"not provided for the following (?:prepared statement )?parameters: (\w+)")
_TEXT = re.compile(r"'(\$(?:[^']|'')*)'")
_QUOTED_STEP = re.compile(r'\$\."(.*)"', re.DOTALL)

_NO_COLUMN = re.compile(
    r'(?:column "(?P<name>[^"]+)" not found in FROM clause|'
    r'does not have a column named "(?P<named>[^"]+)")'
    r"(?:.*?Candidate bindings: :?(?P<candidates>[^\n]*))?",
    re.DOTALL,
)

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
    if (name := next(_names_meant(message, query), None)) is not None:
        return f"Write the property as {_spelled(name)}."
    return _parameter_hint(message) or arrow_hint(message, query) or _column_hint(message)


def _names_meant(message: str, query: str) -> Iterator[str]:
    if found := _PATH.search(message):
        for text in _TEXT.findall(query):
            path = text.replace("''", "'")
            if path.startswith(f"${found['rest']}") or path.endswith(found["rest"]):
                yield from _names_in(path)
    if found := _COLUMN.search(message):
        yield found["name"]


def _names_in(path: str) -> Iterator[str]:
    r"""Yield the name in a path of one step, which is nearly right: ``$.""`` or ``$."a"b"``."""
    if not path.startswith("$."):
        yield path
    elif (step := _QUOTED_STEP.fullmatch(path)) is not None and '".' not in step[1]:
        yield re.sub(r'\\(["\\])', r"\1", step[1])


def _parameter_hint(message: str) -> str | None:
    found = _PARAMETER.search(message)
    if found is None or found[1].isdigit():
        return None
    name = f"${found[1]}"
    return f"Give {name} a value in params, or write the property as {_spelled(name)}."


def _column_hint(message: str) -> str | None:
    """Return a hint for a column that is not there, unless DuckDB names one that is alike."""
    found = _NO_COLUMN.search(message)
    if found is None:
        return None
    name = found["name"] or found["named"]
    if nearest(name, re.findall(r'"([^"]+)"', found["candidates"] or "")):
        return None
    return (
        f"property_keys() lists the properties. If {name!r} is one, write it as {_spelled(name)}."
    )


def _spelled(name: str) -> str:
    return f"properties->>{path_literal([name])}"
