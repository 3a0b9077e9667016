"""Draws values as tables, in notebooks and on terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from mixpanel_data.common.printable import printable

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
        return rich_table(self._drawing())


def drawing_of(value: Drawn) -> Drawing:
    """Return what is to be drawn of a value."""
    return value._drawing()


def rich_table(drawing: Drawing, *, is_whole: bool = False, widths: Sequence[int] = ()) -> Table:
    """Return a drawing as a table of rich.

    Args:
        drawing: What to draw.
        is_whole: Leave nothing out: all rows, and all of each text. Nor is there a frame.
        widths: The least widths of the columns, such as those of the rows before.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title, headers, rows, notes = _whole(drawing) if is_whole else _shortened(drawing)
    caption = "\n".join(notes)
    above = Text(printable(title))
    drawn = Table(
        title=above if title else None,
        title_justify="left",
        caption=Text(printable(caption)) if caption else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD if is_whole else box.HEAVY_HEAD,
        show_edge=not is_whole,
        pad_edge=not is_whole,
        show_header=any(headers),
        # Else the title would be wrapped where the columns end.
        min_width=above.cell_len,
    )
    for number, header in enumerate(headers):
        least = widths[number] if widths else None
        name = Text(printable(header, one_line=True))
        drawn.add_column(name, overflow="fold", min_width=least)
    for row in rows:
        drawn.add_row(*(Text(printable(cell, one_line=True)) for cell in row))
    return drawn


class _Texts(NamedTuple):
    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: list[str]


def _whole(drawing: Drawing) -> _Texts:
    """Return a drawing as texts."""
    rows = [list(map(_text, row)) for row in drawing.rows]
    return _Texts(drawing.title, list(drawing.headers), rows, list(drawing.notes))


def _shortened(drawing: Drawing) -> _Texts:
    """Return a drawing as texts, without what nobody would read."""
    title, headers, rows, notes = _whole(drawing._replace(rows=drawing.rows[:_MAX_ROWS]))
    if (left := len(drawing.rows) - len(rows)) > 0:
        notes.insert(0, f"{left:,} more rows")
    rows = [list(map(_cut, row)) for row in rows]
    return _Texts(_cut(title), list(map(_cut, headers)), rows, notes)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 1] + "…"


def text_of(value: Any) -> str:
    """Return a value as text for people: members of lists and mappings with commas between."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text_of, value))
    return _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(member)}" for name, member in value.items())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return str(value)
