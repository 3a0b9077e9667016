"""What is wrong with a record."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from mixpanel_data.exceptions.base import MixpanelDataError

#: Characters of a line that a message shows at most.
_SHOWN = 120

#: What to do about bad lines, and about those that a new export will not have.
_OTHERS = "or load the others with on_error='skip'."
NEXT = f"Repair it, {_OTHERS}"
AGAIN = "Export again."
NEXT_AGAIN = f"{AGAIN.rstrip('.')}, {_OTHERS}"


class RecordError(MixpanelDataError, ValueError):
    """A record that cannot be stored.

    Attributes:
        index: Position of the record in the input, from 0.
        field: The field that is wrong, None when it is the record as a whole.
        problem: What is wrong, to follow on the name of the field.
    """

    def __init__(
        self,
        index: int,
        field: str | None,
        problem: str,
        details: dict[str, Any] | None = None,
        *,
        message: str | None = None,
    ) -> None:
        where = f"Record {index}" if field is None else f"Record {index}, field {field!r}"
        super().__init__(
            message or f"{where}: {problem}", {"index": index, "field": field, **(details or {})}
        )
        self.index = index
        self.field = field
        self.problem = problem

    def add_place(self, path: Path, line: int, unit: str) -> None:
        """Name the file and the line of the record, too, also in ``details``."""
        self.message += f" ({path}, {unit} {line})"
        self.args = (self.message,)
        self.details.update(path=str(path), line=line)


class DuplicateRecordError(RecordError):
    """A record whose key is taken, when duplicates are to be refused.

    Attributes:
        key: The value that occurs again.
    """

    def __init__(self, index: int, field: str, key: str, problem: str | None = None) -> None:
        super().__init__(
            index,
            field,
            problem
            or f"{key!r} occurs already. Nothing was written: remove the record, or load with "
            "on_conflict='ignore' or 'replace'.",
            {"key": key},
        )
        self.key = key

    def at(self, index: int) -> DuplicateRecordError:
        """Return the same error for another position in the input."""
        return type(self)(index, str(self.field), self.key)


class KeyCollisionError(DuplicateRecordError):
    """An event whose id another event has, when such collisions are to be refused."""

    def __init__(self, index: int, field: str, key: str) -> None:
        super().__init__(
            index,
            field,
            key,
            f"{key!r} is the id of another event. Nothing was written: find out where the ids come "
            "from, or load with on_collision='keep' to store both.",
        )


class RecordDayError(RecordError):
    """An event that is not of the days whose events are replaced.

    Attributes:
        time: When it happened, naive UTC.
        days: The first and the last day.
    """

    def __init__(self, index: int, time: datetime, days: tuple[date, date]) -> None:
        super().__init__(
            index,
            "event_time",
            f"is {time.isoformat()}, which is not of the days {days[0]} to {days[1]}. Nothing was "
            "written: leave the event out, or name more days.",
        )
        self.time = time
        self.days = days

    def at(self, index: int) -> RecordDayError:
        """Return the same error for another position in the input."""
        return type(self)(index, self.time, self.days)


class TimeUnitError(MixpanelDataError, ValueError):
    """Times that are numbers of different units in one load.

    Attributes:
        examples: A number of each unit that was found.
    """

    def __init__(self, examples: dict[Any, object]) -> None:
        found = " and ".join(f"{unit!r} ({str(value)[:40]})" for unit, value in examples.items())
        super().__init__(
            f"The times are in different units: {found}. Nothing was written: say which one it is "
            "with time_unit='s', 'ms' or 'us', or load the files one by one.",
            {"examples": dict(examples)},
        )
        self.examples = examples


class ExportLineError(RecordError):
    """A line of an export file that is no event or profile.

    A problem that ends with :data:`AGAIN` is none that the caller could repair.

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
        content: str = "",
    ) -> None:
        subject = f"The {unit}" if field is None else f"Field {field!r}"
        begins = f" The {unit} begins: {content[:_SHOWN]!r}." if content else ""
        said = problem.removesuffix(AGAIN).rstrip(". ")
        advice = NEXT_AGAIN if problem.endswith(AGAIN) else NEXT
        super().__init__(
            index,
            field,
            problem,
            {"path": str(path), "line": line},
            message=f"{subject} {said}.{begins} ({path}, {unit} {line}) {advice}",
        )
        self.path = path
        self.line = line
