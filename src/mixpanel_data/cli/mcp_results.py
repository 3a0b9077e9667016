"""Results as JSON that an agent can read, with limits on their size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson

#: How many rows, and how many characters as JSON, a result may have.
MAX_ROWS, MAX_CHARACTERS = 200, 50_000

#: How many characters a value may have where a result is too long, one after the other.
_SHORTER = (1000, 200, 40)

#: How many rows are worth shorter values.
_FEW_ROWS = 20

#: The greatest integer that every reader of JSON takes exactly.
_EXACT = 2**53 - 1

#: How many significant digits of a decimal number a float keeps.
_EXACT_DIGITS = 15

#: How deeply lists and structures may be nested; what is below becomes text.
_DEEPEST = 50

#: The schema of all results.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "array"}},
        "row_count": {"type": "integer", "description": "Number of rows in this result."},
        "truncated": {
            "type": "boolean",
            "description": "True if rows were left out or long values were cut; notes says which.",
        },
        "facts": {"type": "object", "description": "What is true of the result as a whole."},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["columns", "rows", "row_count", "truncated", "facts", "notes"],
}

_ALL_ROWS = "Aggregate with GROUP BY, or page with ORDER BY, LIMIT and OFFSET."


@dataclass(frozen=True)
class Answer:
    """What a tool has found.

    Attributes:
        columns: Names of the columns.
        rows: Their values.
        has_more: Whether there are rows that were not read.
        facts: What is true of the result as a whole.
        notes: Sentences for the agent.
        see_rest: How to see the rows that a result has no room for.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    has_more: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    see_rest: str = _ALL_ROWS


class TooManyColumnsError(ValueError):
    """The names of the columns alone are longer than a result may be."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"The result has {count:,} columns, whose names alone are longer than the "
            f"{MAX_CHARACTERS:,} characters of a result. Select fewer columns."
        )


def as_json(answer: Answer) -> tuple[dict[str, Any], str]:
    """Return an answer as an object of JSON, and as its text.

    Raises:
        TooManyColumnsError: Not even one row fits.
    """
    rows = [[plain(value) for value in row] for row in answer.rows[:MAX_ROWS]]
    facts = {name: cut(plain(value), _SHORTER[0]) for name, value in answer.facts.items()}
    result: dict[str, Any] = {
        "columns": list(answer.columns),
        "rows": rows,
        "row_count": len(rows),
        "truncated": answer.has_more or len(answer.rows) > MAX_ROWS,
        "facts": facts,
        "notes": [cut(note, _SHORTER[0]) for note in answer.notes],
    }
    if _length(result) > MAX_CHARACTERS:
        _shorten(result)
    if answer.has_more or len(result["rows"]) < len(answer.rows):
        result["notes"].append(f"There are more rows than these. {answer.see_rest}")
    return result, text_of(result)


def text_of(value: Any) -> str:
    """Return JSON as text."""
    return orjson.dumps(value).decode()


def _length(value: Any) -> int:
    return len(text_of(value))


def _shorten(result: dict[str, Any]) -> None:
    """Cut long values, and leave out rows, until a result is short enough."""
    names, whole = result["columns"], result["rows"]
    result["truncated"] = True
    for most in _SHORTER:
        result["columns"] = [cut(name, most) for name in names]
        rows = [[cut(value, most) for value in row] for row in whole]
        room = MAX_CHARACTERS - _length(result | {"rows": []}) - 500  # for notes
        fitting = _fitting(rows, room)
        if fitting >= min(len(whole), _FEW_ROWS):
            break
    if room < 0 or (whole and not fitting):
        raise TooManyColumnsError(len(result["columns"]))
    result["rows"] = rows[:fitting]
    result["row_count"] = fitting
    if result["columns"] != names or rows[:fitting] != whole[:fitting]:
        result["notes"].append(
            f"Values of more than {most:,} characters are cut. Select {_part_of(whole)}."
        )


def _part_of(rows: list[list[Any]]) -> str:
    """Return how to see a value that was cut."""
    if len(rows) != 1 or len(rows[0]) != 1:
        return "one alone to see it"
    return "a part of it: substr(text, 1, 10000), or elements of a list with unnest() and LIMIT"


def _fitting(rows: list[list[Any]], room: int) -> int:
    """Return how many rows fit."""
    for count, row in enumerate(rows):
        room -= _length(row) + 1
        if room < 0:
            return count
    return len(rows)


def cut(value: Any, most: int) -> Any:
    """Return a value of JSON, or the beginning of its text where that is longer."""
    text = value if isinstance(value, str) else text_of(value)
    if len(text) <= most:
        return value
    return f"{text[:most]}… ({len(text):,} characters)"


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value of DuckDB's as JSON has it.

    Numbers that a reader of JSON might take for others become text: integers beyond 53 bits,
    decimals of more than 15 digits, NaN and infinity. Times are ISO 8601, blobs hexadecimal.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE.get(str(value), "NaN")
    if isinstance(value, Decimal):
        digits = len(value.as_tuple().digits)
        return float(value) if value.is_finite() and digits <= _EXACT_DIGITS else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"0x{bytes(value).hex()}"
    return _nested(value, depth)


_NOT_FINITE = {"inf": "Infinity", "-inf": "-Infinity"}


def _nested(value: Any, depth: int) -> Any:
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                name if isinstance(name, str) else str(plain(name)): plain(member, depth + 1)
                for name, member in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [plain(member, depth + 1) for member in value]
    return str(value)
