"""Writing data to stdout: as a table for people, and whole and plain for programs."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import IO, TYPE_CHECKING, Any, cast

import typer

from mixpanel_data.cli.arguments import OutputFormat
from mixpanel_data.cli.drawing import draw, draw_query
from mixpanel_data.common.printable import printable, printable_json
from mixpanel_data.common.quoting import quoted

if TYPE_CHECKING:
    from mixpanel_data.common.display import Drawing, Drawn
    from mixpanel_data.storage import StorageEngine


def chosen(given: OutputFormat | None) -> OutputFormat:
    """Return the format to write: the one asked for, or what suits stdout.

    Raises:
        typer.BadParameter: A terminal cannot show it.
    """
    if given is None:
        return OutputFormat.TABLE if sys.stdout.isatty() else OutputFormat.JSONL
    if given is OutputFormat.PARQUET:
        binary_stdout()
    return given


def binary_stdout() -> IO[bytes]:
    """Return stdout for Parquet.

    Raises:
        typer.BadParameter: It is a terminal.
    """
    if sys.stdout.isatty():
        raise typer.BadParameter("A terminal cannot show Parquet. Write it to a file: > FILE")
    return sys.stdout.buffer


def rows_of(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Drawn:
    """Return rows as a value that can be written."""
    from mixpanel_data.common.display import Drawing, Drawn

    class Rows(Drawn):
        def _drawing(self) -> Drawing:
            return Drawing(title, headers, rows)

    return Rows()


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, the SQL and the hint of a result last."""
    names = sorted((each.name for each in fields(value)), key=("sql", "hint").__contains__)
    return {name: getattr(value, name) for name in names}


def tell_hint(hint: str | None) -> None:
    """Tell on stderr what the user may have meant."""
    from mixpanel_data.cli.exit_codes import say

    if hint is not None:
        say(hint)


def write_rows(value: Drawn, given: OutputFormat | None) -> None:
    """Write a value that has rows.

    Args:
        value: The value. All formats but the table have its rows only.
        given: The format asked for.
    """
    from mixpanel_data.common.display import drawing_of

    form, drawing = chosen(given), drawing_of(value)
    if form is OutputFormat.TABLE:
        draw(drawing)
        return
    records = [dict(zip(drawing.headers, row, strict=True)) for row in drawing.rows]
    _write_records(records, form, drawing.headers)


def write_record(record: Mapping[str, Any], given: OutputFormat | None) -> None:
    """Write facts about one thing."""
    from mixpanel_data.common.display import Drawing, text_of

    form = chosen(given)
    if form is OutputFormat.TABLE:
        rows = [(name, text_of(value)) for name, value in record.items()]
        draw(Drawing("", ("", ""), rows))
    elif form is OutputFormat.JSON:
        _write(_json(record, indent=2) + b"\n", is_json=True)
    else:
        _write_records([record], form, list(record))


def report(sentence: str, record: Mapping[str, Any], given: OutputFormat | None) -> None:
    """Tell what was done: people on stderr, programs on stdout."""
    from mixpanel_data.cli.exit_codes import say

    say(sentence)
    if given is not None or not sys.stdout.isatty():
        write_record(record, given)


def write_query(storage: StorageEngine, sql: str, given: OutputFormat | None) -> None:
    """Run a query and write its result, row by row but for tables."""
    from mixpanel_data.database.error_translation import query_errors
    from mixpanel_data.dialect.driver.connection import interrupt_all
    from mixpanel_data.query import exporting

    form = chosen(given)
    if form is OutputFormat.TABLE:
        draw_query(storage, sql)
        return
    is_json = form in (OutputFormat.JSON, OutputFormat.JSONL)
    target = stdout(is_json=is_json)
    array = _JsonArray(target) if form is OutputFormat.JSON else None
    target = cast(IO[bytes], array or target)
    name, _ = exporting.format_of(None, "ndjson" if is_json else form.value)
    # export() would refuse what is not a query; here, it is the user who says --write.
    found = storage.execute(sql)
    with query_errors(sql, storage.engine):
        exporting.export(
            found, target, name, None, overwrite=False, progress=None, interrupt=interrupt_all
        )
    if array is not None:
        array.end()
    sys.stdout.buffer.flush()


def _write_records(
    records: Sequence[Mapping[str, Any]], form: OutputFormat, names: Sequence[str]
) -> None:
    if form is OutputFormat.JSON:
        lines = b",\n".join(map(_json, records))
        _write(b"[" + lines + b"]\n", is_json=True)
    elif form is OutputFormat.JSONL:
        _write(b"".join(_json(record) + b"\n" for record in records), is_json=True)
    elif form is OutputFormat.CSV:
        _write(_csv(records, names))
    else:
        _write(_parquet(records, names))


def _json(record: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    from mixpanel_data.types.results import plain

    # The name of a file may have what UTF-8 cannot express, and JSON can.
    return _json_text(plain(record), indent).encode(errors="backslashreplace")


def _json_text(value: Any, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)


def _cell(value: Any) -> Any:
    """Return a value as one cell: lists and mappings as JSON."""
    from mixpanel_data.types.results import plain

    value = plain(value)
    return _json_text(value) if isinstance(value, (dict, list)) else value


def _csv(records: Iterable[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """Return records as exports write CSV: text in quotes, so that NULL and an empty one differ."""
    lines: list[Iterable[Any]] = [names, *(map(_cell, each.values()) for each in records)]
    return "".join(",".join(map(_csv_cell, line)) + "\n" for line in lines).encode()


def _csv_cell(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value, '"')
    return "" if value is None else _json_text(value)


def _parquet(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    columns = []
    for name in names:
        cells = [_cell(record[name]) for record in records]
        kinds = {type(cell) for cell in cells if cell is not None}
        is_mixed = len(kinds) > 1 and kinds != {int, float}
        columns.append([None if c is None else str(c) for c in cells] if is_mixed else cells)
    file = io.BytesIO()
    parquet.write_table(pa.table(dict(zip(names, columns, strict=True))), file, compression="zstd")
    return file.getvalue()


def _write(data: bytes, *, is_json: bool = False) -> None:
    sys.stdout.flush()
    stdout(is_json=is_json).write(data)
    sys.stdout.buffer.flush()


def stdout(*, is_json: bool) -> IO[bytes]:
    """Return where text goes: on a terminal, escapes stand for the characters that steer it."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer
    return cast(IO[bytes], _Terminal(sys.stdout.buffer, printable_json if is_json else printable))


class _Terminal(io.RawIOBase):
    """Writes UTF-8 to a terminal, in any parts, as a function makes it printable."""

    def __init__(self, file: IO[bytes], shown: Callable[[str], str]) -> None:
        self._file, self._shown = file, shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(self._shown(self._decoder.decode(bytes(data))).encode())
        return len(data)


class _JsonArray(io.RawIOBase):
    """Makes one array of JSON of lines, as they are written to it."""

    def __init__(self, file: Any) -> None:
        self._file, self._before = file, b"["

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        text = bytes(data)
        if not text:
            return 0
        is_whole = text.endswith(b"\n")
        lines = text[:-1] if is_whole else text
        self._file.write(self._before + lines.replace(b"\n", b",\n"))
        self._before = b",\n" if is_whole else b""
        return len(text)

    def end(self) -> None:
        """Write the end, which what broke off does not have."""
        self._file.write(b"[]\n" if self._before == b"[" else b"]\n")
