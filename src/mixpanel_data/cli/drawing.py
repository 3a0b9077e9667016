"""Drawing tables for people: on a terminal what fits it, into a pipe all there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from mixpanel_data.common.printable import printable
from mixpanel_data.common.signals import each_heard, heard_by

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation
    from rich.console import Console
    from rich.table import Table

    from mixpanel_data.common.display import Drawing
    from mixpanel_data.storage import StorageEngine

#: Rows of a query that a terminal is shown.
TERMINAL_ROWS = 100

#: Letters that a column needs on a terminal, unless its cells are shorter.
_NARROWEST = 8

#: Rows that are drawn at a time.
_BATCH = 1000


def draw_query(storage: StorageEngine, sql: str) -> None:
    """Run a query and draw its rows: the first ones on a terminal, else all, as they come.

    Raises:
        QueryError: DuckDB or the sandbox rejects the query, here or while it is read.
    """
    from mixpanel_data.database.error_translation import query_errors
    from mixpanel_data.dialect.driver.connection import interrupt_all
    from mixpanel_data.query.export_formats import shaped

    with query_errors(sql, storage.engine):
        found = storage.execute(sql)
        columns = found.columns
        # As CSV has them: numbers, and the texts that DuckDB makes of all else.
        texts = shaped(found.project("*"), "csv")
        if sys.stdout.isatty():
            with heard_by(interrupt_all):
                rows = texts.limit(TERMINAL_ROWS + 1).fetchall()
            _draw_beginning(columns, rows)
        else:
            _draw_all(columns, _batches(texts))


def _batches(relation: DuckDBPyRelation) -> Iterator[list[tuple[object, ...]]]:
    """Yield the rows of a table, about a thousand at a time; one empty list if there are none."""
    from mixpanel_data.dialect.driver.connection import interrupt_all

    is_empty = True
    with heard_by(interrupt_all):
        reader = relation.to_arrow_reader(_BATCH)
    with closing(reader):
        for batch in each_heard(reader, interrupt_all):
            is_empty = False
            yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    if is_empty:
        yield []


def _draw_beginning(columns: list[str], rows: list[tuple[object, ...]]) -> None:
    notes = [_only_first(TERMINAL_ROWS)] if len(rows) > TERMINAL_ROWS else []
    draw(_drawing(columns, rows[:TERMINAL_ROWS], notes))


def _only_first(count: int) -> str:
    return f"The first {count} rows. For all: --format jsonl, csv or parquet."


def _draw_all(columns: list[str], batches: Iterator[list[tuple[object, ...]]]) -> None:
    """Draw rows as they come. A column gets wider where later rows need that."""
    from rich.cells import cell_len

    from mixpanel_data.common.display import rich_table

    console, widths, is_first = _console(), [0] * len(columns), True
    for rows in batches:
        table = rich_table(_drawing(columns, rows), is_whole=True, widths=widths)
        table.show_header, is_first = is_first, False
        console.print(table)
        widths = [
            max([width, *(cell_len(str(cell)) for cell in table.columns[place].cells)])
            for place, width in enumerate(widths)
        ]


def _drawing(
    columns: list[str], rows: list[tuple[object, ...]], notes: Sequence[str] = ()
) -> Drawing:
    from mixpanel_data.common.display import Drawing

    # Years and ids are integers too, so these have no commas.
    return Drawing("", columns, [[_in_table(cell) for cell in row] for row in rows], notes)


def _in_table(cell: object) -> object:
    if cell is None:
        return "NULL"  # unlike an empty text
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell) if isinstance(cell, int) else cell


def draw(drawing: Drawing) -> None:
    """Draw a table; where it is too wide for the terminal, each of its cells in a line."""
    from mixpanel_data.common.display import rich_table

    console, shown = _console(), drawing._replace(notes=())
    table = rich_table(shown, is_whole=not sys.stdout.isatty())
    if _needed_width(table) > console.width:
        drawing = _in_lines(drawing)
        table = rich_table(drawing._replace(notes=()), is_whole=True)
    console.print(table)
    for note in drawing.notes:
        console.print(printable(note), markup=False, highlight=False)


def _needed_width(table: Table) -> int:
    """Return the least width at which a table can be read."""
    from rich.cells import cell_len

    widths = [
        max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        for column in table.columns
    ]
    return sum(min(width, _NARROWEST) + 3 for width in widths) + 1


def _in_lines(drawing: Drawing) -> Drawing:
    """Return a table with a row for each cell."""
    count = max(1, TERMINAL_ROWS // len(drawing.headers))
    rows = [
        (str(number), name, cell)
        for number, row in enumerate(drawing.rows[:count], 1)
        for name, cell in zip(drawing.headers, row, strict=True)
    ]
    notes = [_only_first(count)] if len(drawing.rows) > count else drawing.notes
    return drawing._replace(headers=("row", "column", "value"), rows=rows, notes=notes)


def _console() -> Console:
    """Return what draws to stdout: into a pipe as wide as it needs to be, and nothing but text."""
    from rich.console import Console

    class Own(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError, of which rich would make exit code 1

    return Own() if sys.stdout.isatty() else Own(width=1_000_000, color_system=None)
