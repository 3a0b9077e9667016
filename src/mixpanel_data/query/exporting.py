"""Write the rows of a table or a query to a file that appears when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, get_args
from uuid import uuid4

from mixpanel_data.common.open_files import is_open
from mixpanel_data.exceptions import DiskFullError, ExportExistsError, ExportFileError
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
from mixpanel_data.types import ExportResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


def format_of(path: Path, given: str | None) -> tuple[ExportFormat, str | None]:
    """Return the format and the compression that a name asks for.

    Raises:
        ValueError: No format is given, and the ending says none; or there is none of that name.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression is not None:
        suffixes.pop()
    found: ExportFormat | None = ENDINGS.get(suffixes[-1]) if suffixes else None
    for name in get_args(ExportFormat):
        if given == name:
            found = name
    if found is None or given not in (None, *get_args(ExportFormat)):
        known = ", ".join(map(repr, get_args(ExportFormat)))
        raise ValueError(
            f"format is {given!r}, and the file {path.name!r}. Use one of {known}, or an ending "
            f"such as {', '.join(ENDINGS)}, with .gz or .zst behind where it is text."
        )
    if found == "parquet" and compression is not None:
        raise ValueError(f"{path.name!r}: Parquet compresses itself. Leave out {path.suffix}.")
    return found, compression


def export(
    rows: DuckDBPyRelation,
    path: Path,
    form: ExportFormat,
    compression: str | None,
    *,
    overwrite: bool,
    progress: Callable[[int], object] | None,
) -> ExportResult:
    """Write rows to a file.

    Args:
        rows: The rows.
        path: Where to.
        form: The format.
        compression: As :func:`format_of` returns it.
        overwrite: Replace a file that is there.
        progress: Called with the number of rows so far.

    Raises:
        ExportExistsError: There is a file, and it is not to be replaced.
        ExportFileError: The file cannot be written, or the format cannot express a row.
        DiskFullError: There is no room for it.
    """
    started, count = time.monotonic(), 0
    if form == "mixpanel":
        _require_sayable(rows, path)
    reader = shaped(rows, form).to_arrow_reader(BATCH_SIZE)
    with (
        _appearing(path, overwrite=overwrite) as file,
        writing(file, form, compression, reader.schema) as write,
    ):
        for batch in reader:
            write(batch)
            count += batch.num_rows
            if progress is not None:
                progress(count)
    size, seconds = path.stat().st_size, time.monotonic() - started
    return ExportResult(count, path=path, format=form, bytes=size, seconds=seconds)


def _require_sayable(rows: DuckDBPyRelation, path: Path) -> None:
    kind = kind_of(rows.columns)
    if kind is None:
        raise ExportFileError(
            str(path),
            f"Mixpanel's format needs the columns of events or profiles, and there are "
            f"{', '.join(rows.columns)}. Select them, or use another format.",
        )
    if (found := unsayable(rows, kind)) is not None:
        row, name = found
        raise ExportFileError(
            str(path),
            f"the row {row!r} has a property {name!r}, which Mixpanel's format has for a column. "
            "Use another format, or leave the row out.",
        )


def _exists(path: Path) -> ExportExistsError:
    return ExportExistsError(
        str(path), "there is a file of that name. Choose another, or use overwrite=True."
    )


@contextmanager
def _appearing(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Provide a new private file, which gets its name when the block ends without an error."""
    if is_open(path):
        raise ExportFileError(str(path), "it is a database that is open here. Use another path.")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                yield file
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if overwrite:
            unfinished.replace(path)
        else:
            os.link(unfinished, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if isinstance(error, ExportFileError):
            raise
        if error.errno == errno.ENOSPC:
            free = shutil.disk_usage(path.absolute().parent).free
            raise DiskFullError(path, free, "the export cannot be written.") from error
        problem = f"it cannot be written: {error.strerror or error}."
        raise ExportFileError(str(path), problem) from error
    finally:
        unfinished.unlink(missing_ok=True)
