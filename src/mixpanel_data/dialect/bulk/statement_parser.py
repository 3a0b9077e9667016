"""Takes INSERT and UPDATE statements of parameters apart, and leaves all others alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.parsing import unquote

_PIECE = re.compile(
    r"""
    \s+
    | "(?:[^"]|"")*"                                # quoted name
    | '(?:[^'\\]|'')*'                              # string
    | \$\d+ | \?                                   # parameter
    | [(),] | ::
    | (?:[^\s"'(),$?:/\\-] | -(?!-) | /(?!\*))+    # word or number, no comment
    """,
    re.VERBOSE,
)
_NAME = re.compile(r'"(?:[^"]|"")*"|[^\s".]+')
_PARAMETER = re.compile(r"\$\d+|\?")
_QUOTED = r'"(?:[^"]|"")*"'
_COLUMN = re.compile(rf"(?:(?:{_QUOTED}|\w+)\s*\.\s*)*({_QUOTED}|\w+)")
_EXCLUDED = re.compile(rf"excluded\s*\.\s*({_QUOTED}|\w+)", re.IGNORECASE)

#: What a bulk UPDATE has not: several tables, rows that are returned.
_TOO_MUCH = {"FROM", "SELECT", "RETURNING"}
_CELL = re.compile(
    r"(CAST\s*\(\s*)?(\$\d+|\?)((?(1)\s+AS\s[^$?]+\)|(?:\s*::[^$?]+)?))", re.IGNORECASE | re.DOTALL
)


class Cell(NamedTuple):
    """One value: a parameter by its position and the SQL around it, or SQL alone."""

    before: str
    parameter: int | None = None
    after: str = ""


class Insert(NamedTuple):
    """``INSERT INTO table (columns) VALUES (cells)`` and what comes after it.

    Attributes:
        head: The text before ``VALUES``.
        table: The table.
        columns: The names between the parentheses, empty without them.
        cells: The values.
        tail: The text after the values.
        keys: The columns in ``ON CONFLICT (…) DO UPDATE``, folded; none without it.
        changed: The columns that it sets, folded.
    """

    head: str
    table: str
    columns: str
    cells: tuple[Cell, ...]
    tail: str
    keys: tuple[str, ...]
    changed: frozenset[str]


class Update(NamedTuple):
    """``UPDATE table SET column = cell, … WHERE column = cell AND …``.

    Attributes:
        table: The table.
        changed: The columns that are set.
        matched: The columns in the condition.
        cells: The values of both, in this order.
    """

    table: str
    changed: tuple[str, ...]
    matched: tuple[str, ...]
    cells: tuple[Cell, ...]


def name_of(column: str) -> str:
    """Return the folded name of a column, which may be quoted and have its table before it."""
    match = _COLUMN.fullmatch(column.strip())
    return fold(unquote(match[1])) if match else ""


def table_name(table: str) -> str:
    """Return the name of a table without its schema."""
    *_, name = _NAME.findall(table)
    return unquote(name)


@lru_cache(maxsize=256)
def parse(statement: str) -> Insert | Update | None:
    """Take a statement apart; None for anything but one row of parameters and plain SQL."""
    words = [word for word in _words(statement) if not word.isspace()]
    verb = words[0].upper() if words else ""
    if verb == "UPDATE":
        return _parse_update(words[1:], statement)
    return _parse_insert(words) if verb == "INSERT" else None


def _parse_insert(words: list[str]) -> Insert | None:
    upper = [word.upper() for word in words]
    into = 3 if upper[1:3] == ["OR", "IGNORE"] else 1
    if "VALUES" not in upper or upper[into : into + 1] != ["INTO"]:
        return None
    values = upper.index("VALUES")
    target, tail = words[into + 1 : values], words[values + 2 :]
    end = upper.index("RETURNING") if "RETURNING" in upper else len(upper)
    conflict = upper[values + 2 : end]
    keys: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()
    if conflict[:2] == ["ON", "CONFLICT"] and conflict[3:6] == ["DO", "UPDATE", "SET"]:
        keys = tuple(map(name_of, tail[2][1:-1].split(",")))
        pairs = _pairs(tail[6:], ",")
        changed = frozenset(name_of(column) for column, _ in pairs)
        # What an upsert returns does not come in the order of the rows. Where it reads many rows
        # of its own transaction, DuckDB 2.0.0 sometimes fails: "Corrupted uncompressed string
        # segment".
        understood = end == len(upper) and "" not in {*keys, *changed}
        understood &= all(_EXCLUDED.fullmatch(value) for _, value in pairs)
    else:
        keeps_first = conflict[:2] == ["ON", "CONFLICT"] and conflict[-2:] == ["DO", "NOTHING"]
        understood = keeps_first or not conflict
    cells = _cells(words[values + 1]) if values + 1 < len(words) else None
    if cells is None or not understood or _has_parameter(" ".join(tail)):
        return None
    columns = target.pop()[1:-1] if target[-1].startswith("(") else ""
    return Insert(
        " ".join(words[:values]),
        " ".join(target),
        columns,
        cells,
        " ".join(tail),
        keys,
        changed,
    )


def _parse_update(words: list[str], statement: str) -> Update | None:
    upper = [word.upper() for word in words]
    if {"SET", "WHERE"} - {*upper} or _TOO_MUCH & {*map(str.upper, _PIECE.findall(statement))}:
        return None
    set_, where = upper.index("SET"), upper.index("WHERE")
    table = " ".join(words[:set_])
    changed = _pairs(words[set_ + 1 : where], ",")
    matched = _pairs(words[where + 1 :], "AND")
    pairs = [*changed, *matched]
    cells = _cells("({})".format(", ".join(value for _, value in pairs)))
    names = [name_of(column) for column, _ in pairs]
    if cells is None or len(cells) != len(pairs) or "" in names or not _COLUMN.fullmatch(table):
        return None
    if any(cell.parameter is None for cell in cells[len(changed) :]):
        return None
    return Update(
        table, tuple(column for column, _ in changed), tuple(column for column, _ in matched), cells
    )


def _pairs(words: Sequence[str], separator: str) -> list[tuple[str, str]]:
    """Split ``a = b, c = d`` into pairs."""
    text = " ".join("\0" if word.upper() == separator else word for word in words)
    pairs = []
    for part in text.split("\0"):
        name, _, value = part.partition("=")
        pairs.append((name.strip(), value.strip()))
    return pairs


def _cells(group: str) -> tuple[Cell, ...] | None:
    """Take ``(a, b)`` apart; None where a parameter stands within an expression."""
    cells: list[Cell] = []
    texts = "".join("\0" if word == "," else word for word in _words(group[1:-1])).split("\0")
    for text in map(str.strip, texts):
        match = _CELL.fullmatch(text)
        if match is not None:
            before, parameter, after = match.groups(default="")
            before_it = sum(cell.parameter is not None for cell in cells)
            position = before_it if parameter == "?" else int(parameter[1:]) - 1
            cells.append(Cell(before, position, after))
        elif _has_parameter(text):
            return None
        else:
            cells.append(Cell(text))
    used = {cell.parameter for cell in cells} - {None}
    return tuple(cells) if used == set(range(len(used))) else None


def _has_parameter(sql: str) -> bool:
    return any(map(_PARAMETER.fullmatch, _PIECE.findall(sql)))


def _words(sql: str) -> list[str]:
    """Split SQL into words and spaces, with what stands in parentheses as one word.

    Nothing comes of SQL with comments or other things that are not worth understanding.
    """
    pieces = _PIECE.findall(sql)
    words: list[str] = []
    depth = 0
    for piece in pieces:
        if depth:
            words[-1] += piece
        else:
            words.append(piece)
        depth += (piece == "(") - (piece == ")")
    return words if sum(map(len, pieces)) == len(sql) and depth == 0 else []
