"""Progress bars, on terminals only."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, Task

Callback = Callable[[int], object]

#: Bytes of a file that are read to tell how many rows there may be.
_SAMPLE = 1 << 20

#: Members that every row of an export has once, of events and of profiles.
_ONCE_A_ROW = (b'"event"', b'"$distinct_id"')


def progress_of_rows(what: str) -> AbstractContextManager[Callback | None]:
    """Provide a callback that shows the number of rows, None where no terminal would show it.

    Args:
        what: What goes on.
    """
    return _bar(what, None, None)


@contextmanager
def progress_of_files(sources: list[Any]) -> Iterator[Callback | None]:
    """Provide a callback that shows rows, bytes and the time left of a load.

    How many rows there are nobody knows before they are read: the beginning of each file tells how
    long its rows are, so that bytes and time are estimates.

    Args:
        sources: Paths, and what else is read.
    """
    if not sys.stderr.isatty():
        yield None
        return
    files = [file for source in sources for file in _files_of(source)]
    size = sum(file.stat().st_size for file in files)
    rows = [_rows_in(file) for file in files] if len(files) >= len(sources) else []
    known = [count for count in rows if count is not None]
    total = sum(known) if rows and len(known) == len(rows) else None
    with _bar("Loading", total, size if total else None) as callback:
        yield callback


@contextmanager
def _bar(what: str, rows: int | None, size: int | None) -> Iterator[Callback | None]:
    if not sys.stderr.isatty():
        yield None
        return
    with _progress() as progress:
        task = progress.add_task(what, total=rows, size=size)

        def show(count: int) -> None:
            total = progress.tasks[task].total
            if total is not None and count > total:  # it was an estimate
                progress.update(task, total=count)
            progress.update(task, completed=count)

        yield show
        progress.update(task, total=progress.tasks[task].completed)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rows(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.completed:,.0f} rows")

    class Size(ProgressColumn):
        def render(self, task: Task) -> Text:
            size = task.fields["size"]
            share = task.completed / task.total if task.total else 0
            return Text("" if size is None else f"{size * share / 1e6:,.1f}/{size / 1e6:,.1f} MB")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")

    columns = [TextColumn("{task.description}"), BarColumn(), Rows(), Size(), Rate()]
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _files_of(source: Any) -> list[Path]:
    """Return the local files of a source, none for anything else."""
    if not isinstance(source, (str, Path)) or (isinstance(source, str) and "://" in source):
        return []
    from mixpanel_data.ingest.sources import LocalFile, find_sources

    return [found.path for found in find_sources(source) if isinstance(found, LocalFile)]


def _rows_in(path: Path) -> int | None:
    """Return about how many rows a file has, None where its beginning does not tell."""
    with path.open("rb") as file:
        try:
            head, taken = _beginning(file)
        except (OSError, EOFError, zlib.error):
            return None  # the load says what is wrong with it
    count = max(head.count(member) for member in _ONCE_A_ROW)
    return round(count * path.stat().st_size / taken) if count and taken else None


def _beginning(file: IO[bytes]) -> tuple[bytes, int]:
    """Return the text that a file begins with, and how many bytes of the file that took."""
    magic = file.read(2)
    file.seek(0)
    if magic != b"\x1f\x8b":
        head = file.read(_SAMPLE)
        return head, len(head)
    with gzip.GzipFile(fileobj=file) as unpacked:
        head = unpacked.read(_SAMPLE)
        return head, file.tell()
