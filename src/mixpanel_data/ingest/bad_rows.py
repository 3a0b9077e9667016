"""What happens to rows that cannot be stored: the first one ends the load, or all are left out."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from mixpanel_data.common.full_disks import full_disk
from mixpanel_data.database.unfinished import appearing
from mixpanel_data.exceptions import (
    ExportExistsError,
    ExportFileError,
    ExportLineError,
    RecordError,
)
from mixpanel_data.exceptions.records import AGAIN, NEXT, NEXT_AGAIN

logger = logging.getLogger("mixpanel_data")

#: What differs between reasons that are the same but for the value.
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\d.,]*")

#: Writes a line.
Write = Callable[[str], object]

#: The most reasons that are logged.
_MAX_REASONS = 20

#: The members of a rejected row in a file.
_MEMBERS = ("file", "number", "field", "reason", "line")


class BadRows:
    """Takes the rows of one load that cannot be stored.

    Args:
        skip: Leave them out. Otherwise the first one is raised.
        rejects: Writes them, one line of JSON each; None for nowhere.

    Attributes:
        skip: Whether they are left out.
        count: How many were left out.
    """

    def __init__(self, *, skip: bool = False, rejects: Write | None = None) -> None:
        self.skip = skip
        self.count = 0
        self._rejects = rejects
        self._indices = array("q")
        self._reasons: dict[str, tuple[RecordError, int]] = {}

    def refuse(self, error: RecordError, content: object = None) -> None:
        """Raise an error, or leave its row out.

        Args:
            error: What is wrong with the row.
            content: The row as it came: text or bytes of a line, or a record.

        Raises:
            RecordError: The error, unless bad rows are skipped.
        """
        if not self.skip:
            raise error
        self.count += 1
        self._indices.append(error.index)
        reason = _VALUES.sub("…", f"{error.field} {error.problem}")
        first, count = self._reasons.get(reason, (error, 0))
        if count or len(self._reasons) < _MAX_REASONS:
            self._reasons[reason] = first, count + 1
        if self._rejects is not None:
            line = json.dumps(_reject(error, content), ensure_ascii=False)
            self._rejects(f"{line}\n")

    def index_of(self, position: int) -> int:
        """Return the position in the input of a row that was not left out."""
        skipped = np.sort(np.frombuffer(self._indices, np.int64)) if self.count else np.zeros(0)
        skipped = skipped - np.arange(len(skipped))
        return position + int(np.searchsorted(skipped, position, side="right"))

    def log(self, name: str) -> None:
        """Log each reason once, with the first row that it was found in.

        Args:
            name: The table.
        """
        for error, count in self._reasons.values():
            rows = "row" if count == 1 else "rows"
            # The others are loaded.
            first = str(error).removesuffix(NEXT).rstrip()
            if first.endswith(NEXT_AGAIN):
                first = first.removesuffix(NEXT_AGAIN) + AGAIN
            logger.warning("%s: %d %s rejected, the first: %s", name, count, rows, first)


def _reject(error: RecordError, content: object) -> dict[str, Any]:
    file, number = None, error.index
    if isinstance(error, ExportLineError):
        file, number = str(error.path), error.line
    values = file, number, error.field, error.problem, _text(content)
    return dict(zip(_MEMBERS, values, strict=True))


def _text(content: object) -> str:
    if isinstance(content, bytes):
        return content.decode(errors="backslashreplace")
    if isinstance(content, str):
        return content.encode(errors="backslashreplace").decode()
    try:
        return json.dumps(content, default=repr, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError):  # keys of other types, or within itself
        return repr(content)[:1_000_000].encode(errors="backslashreplace").decode()


def require_rejects(path: Path) -> None:
    """Make sure that a file of rejected rows can be written where it is to be.

    Raises:
        ExportExistsError: There is a file with something else in it, which would be lost.
        ExportFileError: There can be no file of that name.
    """
    if not path.name or (path.exists() and not path.is_file()):
        raise ExportFileError(str(path), "rejects has to be the path of a file.")
    if not path.parent.is_dir():
        problem = f"rejects cannot be written: there is no folder {path.parent}. Create it first."
        raise ExportFileError(str(path), problem)
    if path.exists() and not _has_rejects(path):
        raise ExportExistsError(
            str(path),
            "there is a file of that name, with other things in it than rejected rows. Choose "
            "another for rejects, or remove it.",
        )


def _has_rejects(path: Path) -> bool:
    """Tell whether a file is empty, or begins with a row that an earlier load has rejected."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        return not line or set(_MEMBERS) == json.loads(line).keys()
    except (ValueError, AttributeError, RecursionError):
        return False


@contextmanager
def rejects_file(path: Path | None) -> Iterator[Write | None]:
    """Provide what writes rejected rows to a file, in place when the block ends without an error.

    Args:
        path: The file, replaced when there is one; None for none.

    Raises:
        ExportFileError: It cannot be written.
        DiskFullError: There is no room for it.
    """
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        with _typed(path):
            # Without a name, so that nothing of it is left when the process is killed.
            file = stack.enter_context(tempfile.TemporaryFile(dir=path.parent))

        def write(line: str) -> None:
            with _typed(path):
                # Of a file's name that is no UTF-8, escapes: those of JSON, too.
                file.write(line.encode(errors="backslashreplace"))

        try:
            yield write
        except BaseException:
            with suppress(OSError):  # what is left in the buffer may have no room
                file.close()
            raise
        with _typed(path):
            file.seek(0)
            with appearing(path, overwrite=True) as target:
                shutil.copyfileobj(file, target)


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """Turn errors of the system into errors of this library."""
    try:
        yield
    except OSError as error:
        if (full := full_disk(path, error, "The rejected rows cannot be written.")) is not None:
            raise full from error
        problem = f"rejects cannot be written: {error.strerror or error}."
        raise ExportFileError(str(path), problem) from error
