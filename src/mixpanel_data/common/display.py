"""Draws values as tables, in notebooks and on terminals."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

#: What is drawn of a long table, and of a long text.
_MAX_ROWS, _MAX_LETTERS = 100, 200


class Drawing(NamedTuple):
    """What is to be drawn.

    Attributes:
        title: The line above.
        headers: Names of the columns.
        rows: The values.
        notes: The lines below.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()


class Drawn:
    """A value that notebooks and rich draw as a table."""

    def _drawing(self) -> Drawing:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        title, headers, rows, notes = _shortened(self._drawing())
        head = "".join(f"<th>{escape(header)}</th>" for header in headers)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        below = "".join(f"<p>{escape(note)}</p>" for note in notes)
        return (
            f"<div><p><strong>{escape(title)}</strong></p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{below}</div>"
        )

    def __rich__(self) -> Table:
        """Return the table for a terminal."""
        from rich.table import Table
        from rich.text import Text

        title, headers, rows, notes = _shortened(self._drawing())
        drawn = Table(title=Text(title), caption=Text("\n".join(notes)) if notes else None)
        for header in headers:
            drawn.add_column(Text(header))
        for row in rows:
            drawn.add_row(*map(Text, row))
        return drawn


class _Texts(NamedTuple):
    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: list[str]


def _shortened(drawing: Drawing) -> _Texts:
    """Return a drawing as texts, without what nobody would read."""
    rows = [list(map(_text, row)) for row in drawing.rows[:_MAX_ROWS]]
    notes = list(drawing.notes)
    if (left := len(drawing.rows) - len(rows)) > 0:
        notes.insert(0, f"{left:,} more rows")
    return _Texts(_text(drawing.title), list(map(_text, drawing.headers)), rows, notes)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    else:
        shown = str(value)
    return shown if len(shown) <= _MAX_LETTERS else shown[: _MAX_LETTERS - 1] + "…"
