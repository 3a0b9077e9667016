"""Parses simple INSERT and UPDATE statements with parameters, and no others."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mixpanel_data.dialect.sql.lexer import TokenReader
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.parsing import unquote

_QUOTED = r'"(?:[^"]|"")*"'
_NAME = re.compile(rf'{_QUOTED}|[^\s".]+')
_COLUMN = re.compile(rf"(?:(?:{_QUOTED}|\w+)\s*\.\s*)*({_QUOTED}|\w+)")
_EXCLUDED = re.compile(rf"excluded\s*\.\s*({_QUOTED}|\w+)", re.IGNORECASE)

#: Words of an UPDATE that cannot be batched: it reads another table, or returns rows.
_TOO_MUCH = {"FROM", "SELECT", "RETURNING"}


class Cell(NamedTuple):
    """One value: the position of a parameter and the SQL around it, or SQL alone."""

    before: str
    parameter: int | None = None
    after: str = ""


class Insert(NamedTuple):
    """``INSERT INTO table (columns) VALUES (cells)`` and what comes after it.

    Attributes:
        head: The text before ``VALUES``.
        table: The table.
        columns: The columns in the list, folded; empty without one.
        cells: The values.
        tail: The text after the values.
        keys: The columns in ``ON CONFLICT (…) DO UPDATE``, folded; empty without it.
        changed: The columns that ``DO UPDATE`` sets, folded.
    """

    head: str
    table: str
    columns: tuple[str, ...]
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


class _NotSimpleError(Exception):
    """The statement is more than one row of parameters and plain SQL."""


def name_of(column: str) -> str:
    """Return the folded name of a column, which may be quoted and qualified."""
    match = _COLUMN.fullmatch(column.strip())
    return fold(unquote(match[1])) if match else ""


def table_name(table: str) -> str:
    """Return the name of a table without its schema."""
    *_, name = _NAME.findall(table)
    return unquote(name)


@lru_cache(maxsize=256)
def parse(statement: str) -> Insert | Update | None:
    """Parse a statement; None for anything but one row of parameters and plain SQL."""
    reader = None if "\\" in statement else TokenReader.of(statement)  # the lexer has no E'\''
    if reader is None:
        return None
    try:
        if reader.accept("INSERT"):
            return _insert(reader, statement)
        return _update(reader) if reader.accept("UPDATE") else None
    except _NotSimpleError:
        return None


def _insert(reader: TokenReader, statement: str) -> Insert:
    reader.accept("OR", "IGNORE")
    _require(reader.accept("INTO"))
    table = reader.take_until("(", "VALUES").text()
    columns = reader.take_group()
    values = reader.rest()
    _require(reader.accept("VALUES"))
    group = reader.take_group()
    _require(group is not None and group.rest())
    tail = reader.take_until()
    _require(not tail.has_parameter)
    text = tail.text()
    keys, changed = _conflict(tail)
    return Insert(
        statement[: values[0].start].strip(),
        table,
        () if columns is None else _names(columns),
        _cells([] if group is None else group.split(",")),
        text,
        keys,
        changed,
    )


def _conflict(tail: TokenReader) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the key columns and the set columns of ``ON CONFLICT (…) DO UPDATE SET …``."""
    if tail.accept("ON", "CONFLICT"):
        key = tail.take_group()
        if key is not None and tail.accept("DO", "UPDATE", "SET"):
            return _upsert(key, tail)
        _require(tail.accept("DO", "NOTHING"))
    _require(tail.at_end or tail.accept("RETURNING"))
    return (), frozenset()


def _names(columns: TokenReader) -> tuple[str, ...]:
    names = tuple(name_of(column.text()) for column in columns.split(","))
    _require("" not in names)
    return names


def _upsert(key: TokenReader, tail: TokenReader) -> tuple[tuple[str, ...], frozenset[str]]:
    # The RETURNING rows of an upsert are unordered. If it reads many rows of its own transaction,
    # DuckDB 2.0.0 sometimes fails: "Corrupted uncompressed string segment".
    _require("RETURNING" not in {token.text.upper() for token in tail.rest()})
    keys = _names(key)
    changed = set()
    for pair in tail.split(","):
        column = pair.take_until("=").text()
        _require(pair.accept("=") and _EXCLUDED.fullmatch(pair.text()))
        changed.add(name_of(column))
    _require("" not in changed)
    return keys, frozenset(changed)


def _update(reader: TokenReader) -> Update:
    _require(not _TOO_MUCH & {token.text.upper() for token in reader.rest()})
    table = reader.take_until("SET").text()
    _require(_COLUMN.fullmatch(table) and reader.accept("SET"))
    changed, new_values = _pairs(reader.take_until("WHERE"), ",")
    _require(reader.accept("WHERE"))
    matched, sought = _pairs(reader.take_until(), "AND")
    cells = _cells([*new_values, *sought])
    _require(all(cell.parameter is not None for cell in cells[len(changed) :]))
    return Update(table, changed, matched, cells)


def _pairs(reader: TokenReader, separator: str) -> tuple[tuple[str, ...], list[TokenReader]]:
    """Split ``a = b, c = d`` into columns and values."""
    columns, values = [], []
    for pair in reader.split(separator):
        columns.append(pair.take_until("=").text())
        _require(name_of(columns[-1]) and pair.accept("="))
        values.append(pair)
    return tuple(columns), values


def _cells(values: list[TokenReader]) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for value in values:
        before_it = sum(cell.parameter is not None for cell in cells)
        cells.append(_cell(value, before_it))
    used = {cell.parameter for cell in cells} - {None}
    _require(used == set(range(len(used))))
    return tuple(cells)


def _cell(value: TokenReader, before_it: int) -> Cell:
    """Parse one value, in which a parameter may only be cast."""
    text, tokens = value.text(), value.rest()
    _require(tokens)
    parameters = [token for token in tokens if token.is_parameter]
    if not parameters:
        return Cell(text)
    _require(len(parameters) == 1)
    is_cast = value.accept("CAST", "(")
    (parameter,) = parameters
    _require(value.take() is parameter)
    if is_cast:
        _require(value.accept("AS") and value.take_until(")").rest())
        _require(value.accept(")") and value.at_end)
    else:
        _require(value.at_end or value.accept("::"))
    start = tokens[0].start
    position = before_it if parameter.text == "?" else int(parameter.text[1:]) - 1
    return Cell(text[: parameter.start - start], position, text[parameter.end - start :])


def _require(holds: object) -> None:
    if not holds:
        raise _NotSimpleError
