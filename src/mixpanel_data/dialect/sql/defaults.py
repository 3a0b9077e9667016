"""Server defaults of PostgreSQL's models in DuckDB's words."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ARRAY, Column

_TEXT = r"(?P<text>'(?:[^']|'')*')"
_ARRAY = re.compile(rf"{_TEXT}(?:\s*::\s*[\w ]+(?:\(\d+\))?(?:\[\])+)?", re.DOTALL)
_DOCUMENT = re.compile(
    rf"{_TEXT}\s*::\s*jsonb?|CAST\s*\(\s*{_TEXT.replace('text', 'cast')}\s+AS\s+jsonb?\s*\)",
    re.DOTALL | re.IGNORECASE,
)

#: What is in double quotes in an array of PostgreSQL's, and what is a bracket in DuckDB.
_BRACES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
_BRACKETS = {"{": "[", "}": "]"}


def default_in_duckdb(column: Column[Any], default: str) -> str:
    """Return the SQL of a default: of documents without a cast, of arrays in brackets.

    DuckDB has no type ``jsonb``, and would refuse ``'{}'`` as an array with every INSERT only.
    """
    if (document := _DOCUMENT.fullmatch(default)) is not None:
        return document["text"] or document["cast"]
    is_array = column.type._type_affinity is ARRAY
    if is_array and (array := _ARRAY.fullmatch(default)) and array["text"].startswith("'{"):
        return _BRACES.sub(lambda part: _BRACKETS.get(part[0], part[0]), array["text"])
    return default
