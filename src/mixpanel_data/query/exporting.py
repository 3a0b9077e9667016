"""Write the rows of a table or a query to a file that appears when it is complete."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, get_args

from mixpanel_data.common import file_names
from mixpanel_data.common.full_disks import full_disk
from mixpanel_data.common.open_files import is_database_or_wal
from mixpanel_data.common.signals import each_heard, heard_by
from mixpanel_data.database.unfinished import appearing
from mixpanel_data.exceptions import ExportExistsError, ExportFileError
from mixpanel_data.query.export_formats import (
    BATCH_SIZE,
    COMPRESSIONS,
    ENDINGS,
    ExportFormat,
    kind_of,
    shaped,
    unsayable,
    writing,
)
from mixpanel_data.schema.property_fields import with_marks
from mixpanel_data.types import ExportResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


def format_of(path: Path | None, given: str | None) -> tuple[ExportFormat, str | None]:
    """Return the format and the compression that a name asks for.

    Args:
        path: The file, None for an open one, whose name says nothing.
        given: The format asked for, None for the one of the ending.

    Raises:
        ValueError: No format is given, and the ending says none; or there is none of that name.
    """
    name = "an open file" if path is None else repr(path.name)
    suffixes = [] if path is None else [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression is not None:
        suffixes.pop()
    found: ExportFormat | None = ENDINGS.get(suffixes[-1]) if suffixes else None
    for known_format in get_args(ExportFormat):
        if given == known_format:
            found = known_format
    if found is None or given not in (None, *get_args(ExportFormat)):
        known = ", ".join(map(repr, get_args(ExportFormat)))
        raise ValueError(
            f"format is {given!r}, and the file is {name}. Use one of {known}, or an ending "
            f"such as {', '.join(ENDINGS)}, with .gz or .zst behind where it is text."
        )
    if path is not None and found == "parquet" and compression is not None:
        raise ValueError(f"{name}: Parquet compresses itself. Leave out {path.suffix}.")
    return found, compression


def export(
    rows: DuckDBPyRelation,
    target: Path | IO[bytes],
    form: ExportFormat,
    compression: str | None,
    *,
    overwrite: bool,
    property_columns: Collection[str] = (),
    progress: Callable[[int], object] | None,
    interrupt: Callable[[], object],
) -> ExportResult:
    """Write rows to a file.

    Args:
        rows: The rows. Of columns with one name, the second is called ``a_1``, as in subqueries.
        target: Where to: a path, or a file that is open for writing and stays so.
        form: The format.
        compression: As :func:`format_of` returns it.
        overwrite: Replace a file that is there.
        property_columns: The columns that a load of the file makes anew.
        progress: Called with the number of rows so far.
        interrupt: Interrupts what the rows compute.

    Raises:
        ExportExistsError: There is a file, and it is not to be replaced.
        ExportFileError: The file cannot be written, or the format cannot express a row.
        DiskFullError: There is no room for it.
    """
    started, count = time.monotonic(), 0
    path = target if isinstance(target, Path) else None
    rows = rows.project("*")
    if form == "mixpanel":
        with heard_by(interrupt):
            _require_sayable(rows, str(path or "<open file>"))
    with ExitStack() as stack:
        if isinstance(target, Path):
            target = stack.enter_context(_file_for(target, overwrite=overwrite))
        file = _Counted(target)
        with heard_by(interrupt):
            reader = shaped(rows, form).to_arrow_reader(BATCH_SIZE)
        stack.callback(reader.close)  # an error that somebody keeps would keep it open
        schema = with_marks(reader.schema, property_columns)
        write = stack.enter_context(writing(file, form, compression, schema))
        for batch in each_heard(reader, interrupt):
            with _typed(str(path or "<open file>"), form):
                write(batch)
            count += batch.num_rows
            if progress is not None:
                progress(count)
    seconds = time.monotonic() - started
    return ExportResult(count, path=path, format=form, bytes=file.bytes, seconds=seconds)


@contextmanager
def _typed(name: str, form: ExportFormat) -> Iterator[None]:
    """Name what pyarrow cannot write.

    Raises:
        ExportFileError: A column has values that it cannot write in this format.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        problem = f"a column cannot be written as {form}: {error}. Cast it to VARCHAR in a query."
        raise ExportFileError(name, problem) from error


class _Counted(io.RawIOBase):
    """Passes bytes on to a file, which it does not close, and counts them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.bytes = file, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        # A file without a buffer may take less than it is given.
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            taken = self._file.write(rest)
            if taken is None:
                raise BlockingIOError(errno.EAGAIN, "the file takes no more at the moment")
            rest = rest[taken:]
        self.bytes += size
        return size


def _require_sayable(rows: DuckDBPyRelation, name: str) -> None:
    kind = kind_of(rows.columns)
    if kind is None:
        raise ExportFileError(
            name,
            f"Mixpanel's format needs the columns of events or profiles, and there are "
            f"{', '.join(rows.columns)}. Select them, or use another format.",
        )
    if (found := unsayable(rows, kind)) is not None:
        row, taken = found
        raise ExportFileError(
            name,
            f"the row {row!r} has a property {taken!r}, which Mixpanel's format has for a column. "
            "Use another format, or leave the row out.",
        )


def _exists(path: Path) -> ExportExistsError:
    return ExportExistsError(
        str(path), "there is a file of that name. Choose another, or use overwrite=True."
    )


@contextmanager
def _file_for(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Provide a new private file, which gets its name when the block ends without an error."""
    if (problem := file_names.problem_of(path)) is not None:
        raise ExportFileError(repr(str(path)), problem)
    if is_database_or_wal(path):
        problem = "it is a database, or the log of one. Nothing was written. Use another path."
        raise ExportFileError(str(path), problem)
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    try:
        with appearing(path, overwrite=overwrite) as file:
            yield file
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if isinstance(error, ExportFileError):
            raise
        if (full := full_disk(path, error, "The export cannot be written.")) is not None:
            raise full from error
        problem = f"it cannot be written: {error.strerror or error}."
        raise ExportFileError(str(path), problem) from error
