"""What happens to rows that cannot be stored: the first one ends the load, or all are left out."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

from mixpanel_data.exceptions import (
    ExportExistsError,
    ExportFileError,
    ExportLineError,
    RecordError,
)

logger = logging.getLogger("mixpanel_data")

#: What differs between reasons that are the same but for the value.
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\d.,]*")

#: The most reasons that are logged.
_MAX_REASONS = 20

#: The members of a rejected row in a file.
_MEMBERS = ("file", "number", "field", "reason", "line")


class BadRows:
    """Takes the rows of one load that cannot be stored.

    Args:
        skip: Leave them out. Otherwise the first one is raised.
        rejects: Where they are written, one line of JSON each; None for nowhere.

    Attributes:
        skip: Whether they are left out.
        count: How many were left out.
    """

    def __init__(self, *, skip: bool = False, rejects: IO[str] | None = None) -> None:
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
            json.dump(_reject(error, content), self._rejects, ensure_ascii=False)
            self._rejects.write("\n")

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
            logger.warning("%s: %d %s rejected, the first: %s", name, count, rows, error)


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
def rejects_file(path: Path | None) -> Iterator[IO[str] | None]:
    """Open a file of rejected rows, which is in its place when the block ends without an error.

    Args:
        path: The file, replaced when there is one; None for none.

    Raises:
        OSError: It cannot be written.
    """
    if path is None:
        yield None
        return
    # Without a name, so that nothing of it is left when the process is killed.
    with tempfile.TemporaryFile("w+", dir=path.parent, encoding="utf-8") as file:
        yield file
        file.seek(0)
        unfinished = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
        try:
            with unfinished.open("x", encoding="utf-8") as target:
                shutil.copyfileobj(file, target)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
