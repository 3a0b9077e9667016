"""What is wrong with a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixpanel_data.exceptions.base import MixpanelDataError


class RecordError(MixpanelDataError, ValueError):
    """A record that cannot be stored.

    Attributes:
        index: Position of the record in the input, from 0.
        field: The field that is wrong, None when it is the record as a whole.
    """

    def __init__(
        self, index: int, field: str | None, problem: str, details: dict[str, Any] | None = None
    ) -> None:
        where = f"Record {index}" if field is None else f"Record {index}, field {field!r}"
        super().__init__(f"{where}: {problem}", {"index": index, "field": field, **(details or {})})
        self.index = index
        self.field = field


class DuplicateRecordError(RecordError):
    """A record whose key is taken, when duplicates are to be refused.

    Attributes:
        key: The value that occurs again.
    """

    def __init__(self, index: int, field: str, key: str) -> None:
        super().__init__(
            index,
            field,
            f"{key!r} occurs already. Nothing was written: remove the record, or load with "
            "on_conflict='ignore' or 'replace'.",
            {"key": key},
        )
        self.key = key


class ExportLineError(RecordError):
    """A line of an export file that is no event or profile.

    Attributes:
        path: The file.
        line: Number of the line in the file, from 1; or of the document, where lines do not
            tell them apart.
    """

    def __init__(
        self,
        index: int,
        field: str | None,
        problem: str,
        path: Path,
        line: int,
        unit: str = "line",
    ) -> None:
        super().__init__(
            index, field, f"{problem} ({path}, {unit} {line})", {"path": str(path), "line": line}
        )
        self.path = path
        self.line = line
