"""Many rows for one ``INSERT … VALUES``: handed to DuckDB as one Arrow batch.

DuckDB's ``executemany`` runs the statement once a row. Here ``VALUES ($1, $2)`` becomes
``SELECT "1", "2" FROM`` a batch, whose columns have the very types that DuckDB would give to the
values one by one. Where that cannot be had (an expression around a parameter, an upsert, a value
without an exact Arrow type), there is no batch, and the rows go one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from duckdb import DuckDBPyConnection

from mixpanel_data.dialect.arrays import Part, encode
from mixpanel_data.dialect.sql_text import unquote

if TYPE_CHECKING:
    import pyarrow as pa

#: Fewer rows are not worth the fixed costs of a batch.
LEAST_ROWS = 8

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
_CELL = re.compile(
    r"(CAST\s*\(\s*)?(\$\d+|\?)((?(1)\s+AS\s[^$?]+\)|(?:::[^$?]+)?))", re.IGNORECASE | re.DOTALL
)


class Bulk(NamedTuple):
    """A statement over a batch.

    Attributes:
        statement: The statement.
        name: The name under which it reads the batch.
        batch: The rows, for one reading.
    """

    statement: str
    name: str
    batch: pa.RecordBatchReader


class _Cell(NamedTuple):
    """One value in ``VALUES``: a parameter by its position and the SQL around it, or SQL alone."""

    before: str
    parameter: int | None = None
    after: str = ""


class _Insert(NamedTuple):
    """The parts of ``INSERT INTO table (columns) VALUES (cells)`` and what comes after it."""

    head: str
    table: str
    columns: str
    cells: tuple[_Cell, ...]
    tail: str


def prepare(driver: DuckDBPyConnection, statement: str, rows: Sequence[Any]) -> Bulk | None:
    """Make one statement of many, or None where the rows have to go one by one.

    Args:
        driver: Connection to the database, which is asked for the types of columns where the
            values of one parameter differ in theirs.
        statement: Any statement.
        rows: The parameters.
    """
    insert = _parse(statement) if len(rows) >= LEAST_ROWS else None
    if insert is None:
        return None
    width = len({cell.parameter for cell in insert.cells} - {None})
    if not {tuple, list}.issuperset(map(type, rows)) or {*map(len, rows)} != {width}:
        return None
    columns: list[list[Part]] = []
    for position in range(width):  # zip(*rows) would make an iterator for every row
        parts = encode(tuple(map(itemgetter(position), rows)))
        if parts is None:
            return None
        columns.append(parts)
    if not any(columns) or _refers_to_itself(driver, insert.table):
        return None
    targets: list[str | None] = [None] * len(insert.cells)
    if any(len(parts) > 1 for parts in columns):
        targets = _target_types(driver, insert)
    return _over_batch(insert, columns, targets) if len(targets) == len(insert.cells) else None


def _refers_to_itself(driver: DuckDBPyConnection, table: str) -> bool:
    """Tell whether rows of a table may refer to each other.

    DuckDB looks for the row that another one refers to among those of earlier statements only.
    """
    *_, name = _NAME.findall(table)
    query = (
        "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' "
        "AND lower(table_name) = lower($1) AND lower(referenced_table) = lower($1)"
    )
    return driver.execute(query, [unquote(name)]).fetchall() != [(0,)]


def _target_types(driver: DuckDBPyConnection, insert: _Insert) -> list[str | None]:
    """Return the types of the columns to fill.

    Values of several types are cast to them before they meet in one column: they would become the
    type that they have in common.
    """
    driver.execute(" ".join(["SELECT", insert.columns or "*", "FROM", insert.table, "LIMIT 0"]))
    targets: list[str | None] = [str(column[1]) for column in driver.description or ()]
    driver.fetchall()
    return targets


def _over_batch(insert: _Insert, columns: list[list[Part]], targets: list[str | None]) -> Bulk:
    import pyarrow as pa

    name = f"_batch_{uuid4().hex}"
    batch = pa.record_batch(
        {
            f"{position}.{number}": part.array
            for position, parts in enumerate(columns)
            for number, part in enumerate(parts)
        }
    )
    cells = ", ".join(
        _expression(cell, columns, target)
        for cell, target in zip(insert.cells, targets, strict=True)
    )
    # All rows as one batch: several would be read in parallel, and a sequence count out of order.
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    statement = " ".join([insert.head, "SELECT", cells, "FROM", name, insert.tail])
    return Bulk(statement, name, reader)


def _expression(cell: _Cell, columns: list[list[Part]], target: str | None) -> str:
    """Return the SQL of a cell over the columns of the batch."""
    if cell.parameter is None:
        return cell.before
    values = []
    for number, part in enumerate(columns[cell.parameter]):
        value = f'"{cell.parameter}.{number}"'
        value = f"CAST({value} AS {part.cast})" if part.cast else value
        value = f"{cell.before}{value}{cell.after}"
        values.append(f"CAST({value} AS {target})" if target else value)
    if not values:
        return f"{cell.before}NULL{cell.after}"
    return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"


@lru_cache(maxsize=256)
def _parse(statement: str) -> _Insert | None:
    """Take an INSERT apart; None when it is anything but one row of parameters and plain SQL."""
    words = [word for word in _words(statement) if not word.isspace()]
    upper = [word.upper() for word in words]
    into = 3 if upper[1:3] == ["OR", "IGNORE"] else 1
    if "VALUES" not in upper or upper[:1] != ["INSERT"] or upper[into : into + 1] != ["INTO"]:
        return None
    values = upper.index("VALUES")
    target, tail = words[into + 1 : values], upper[values + 2 :]
    clause = tail[: tail.index("RETURNING")] if "RETURNING" in tail else tail
    keeps_first = clause[:2] == ["ON", "CONFLICT"] and clause[-2:] == ["DO", "NOTHING"]
    cells = _cells(words[values + 1]) if values + 1 < len(words) else None
    if cells is None or (clause and not keeps_first) or _has_parameter(" ".join(tail)):
        return None
    columns = target.pop()[1:-1] if target[-1].startswith("(") else ""
    return _Insert(
        " ".join(words[:values]),
        " ".join(target),
        columns,
        cells,
        " ".join(words[values + 2 :]),
    )


def _cells(group: str) -> tuple[_Cell, ...] | None:
    """Take ``(a, b)`` apart; None where a parameter stands within an expression."""
    cells = []
    texts = "".join("\0" if word == "," else word for word in _words(group[1:-1])).split("\0")
    for number, text in enumerate(map(str.strip, texts)):
        match = _CELL.fullmatch(text)
        if match is not None:
            before, parameter, after = match.groups(default="")
            position = number if parameter == "?" else int(parameter[1:]) - 1
            cells.append(_Cell(before, position, after))
        elif _has_parameter(text):
            return None
        else:
            cells.append(_Cell(text))
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
