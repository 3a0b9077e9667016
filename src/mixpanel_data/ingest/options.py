"""The options of a load, checked before anything is read or written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Table

from mixpanel_data.common import file_names
from mixpanel_data.common.homes import expanded_if_known
from mixpanel_data.common.names import check_table_name
from mixpanel_data.common.values import is_truth
from mixpanel_data.exceptions import ExportFileError, MetadataError
from mixpanel_data.schema.tables import key_of, managed_table
from mixpanel_data.types import (
    IfExists,
    OnCollision,
    OnConflict,
    OnError,
    PropertyColumn,
    TableMetadata,
    TableType,
    TimeUnit,
)

Progress = Callable[[int], object]

_CHOICES = {
    "on_conflict": OnConflict,
    "on_collision": OnCollision,
    "on_error": OnError,
    "if_exists": IfExists,
    "time_unit": TimeUnit,
}


#: What each option has to be, by the name that callers know, and what to pass.
_SORTS: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "metadata": (
        "metadata",
        lambda value: isinstance(value, TableMetadata),
        "TableMetadata(type, fetched_at)",
    ),
    "progress": (
        "progress_callback",
        lambda value: value is None or callable(value),
        "a function of the number of rows, or None",
    ),
    "batch_size": (
        "batch_size",
        lambda value: _is_count(value),
        "a number of rows, or None",
    ),
    "primary_key": ("primary_key", lambda value: isinstance(value, bool), "True or False"),
    "rejects": (
        "rejects",
        lambda value: value is None or isinstance(value, (str, os.PathLike)),
        "the path of a file, or None",
    ),
    "time_zone": (
        "time_zone",
        lambda value: value is None or isinstance(value, str),
        "a name such as 'America/Los_Angeles', or None",
    ),
}


@dataclass(frozen=True)
class LoadOptions:
    """Where rows go, and how.

    Attributes:
        kind: Type of the table.
        name: Name of the table; in any case when rows are appended.
        metadata: How the rows were fetched.
        progress: Called with the number of rows so far, after each batch.
        if_exists: What to do when the table exists: fail, append, or replace it. Where it does not
            exist it is created.
        must_exist: Append to the table, and fail where there is none.
        batch_size: The most rows of a batch, None for a default that fits the data.
        primary_key: Put the constraint on the key column of a new table.
        on_conflict: Which row of several with the same key to keep.
        on_collision: What to do with another event that has the key of one.
        on_error: What to do with a row that cannot be stored.
        rejects: File for the rows that are left out, None for none.
        time_unit: Unit of event times that are numbers.
        time_zone: Name of the time zone of event times that name none; None for UTC.
        property_columns: Properties that get a column of their own in a new table.
        days: The first and the last day, in UTC, of events that are replaced; None for none.
        max_decompressed_bytes: Bytes that an archive may unpack to; None for a thousand times its
            size.

    Raises:
        TableNameError: No table can have that name.
        MetadataError: The metadata is that of another type of table.
        TypeError: Another option is of the wrong sort.
        ValueError: Another option has an impossible value.
    """

    kind: TableType
    name: str
    metadata: TableMetadata
    progress: Progress | None = None
    if_exists: IfExists = "fail"
    must_exist: bool = False
    batch_size: int | None = None
    primary_key: bool = True
    on_conflict: OnConflict = "ignore"
    on_collision: OnCollision = "drop"
    on_error: OnError = "raise"
    rejects: str | os.PathLike[str] | None = None
    time_unit: TimeUnit = "s"
    time_zone: str | None = None
    property_columns: tuple[PropertyColumn, ...] = ()
    days: tuple[date, date] | None = None
    max_decompressed_bytes: int | None = None

    def __post_init__(self) -> None:
        """Check the options, in this order."""
        check_table_name(self.name)
        for option, (name, is_one, wanted) in _SORTS.items():
            if not is_one(value := getattr(self, option)):
                raise wrong_sort(name, value, wanted)
        if self.metadata.type != self.kind:
            problem = f"is {self.metadata.type!r}. Use {self.kind!r} for a table of {self.kind}."
            raise MetadataError("type", problem)
        for option, kind in _CHOICES.items():
            value, known = getattr(self, option), get_args(kind)
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"{option} is {value!r}. Use one of {known}.")
        if self.rejects is not None and self.on_error != "skip":
            raise ValueError("rejects is a file for rows that are left out. Use on_error='skip'.")
        _ = self.zone
        check_count("batch_size", self.batch_size, "rows")
        check_count("max_decompressed_bytes", self.max_decompressed_bytes, "bytes")

    @cached_property
    def zone(self) -> ZoneInfo | None:
        """The time zone.

        Raises:
            ValueError: There is none of that name.
        """
        if self.time_zone is None:
            return None
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"time_zone is {self.time_zone!r}, which is no time zone known here. Use a name "
                "such as 'America/Los_Angeles'; where none is known, install tzdata."
            ) from error

    @cached_property
    def rejects_path(self) -> Path | None:
        """The file for rows that are left out.

        Raises:
            ExportFileError: No file can have that name.
        """
        if self.rejects is None:
            return None
        path = Path(self.rejects)
        if (problem := file_names.problem_of(path)) is not None:
            raise ExportFileError(repr(str(path)), f"rejects: {problem}")
        return expanded_if_known(self.rejects)

    @cached_property
    def table(self) -> Table:
        """Declaration of the table, without property columns."""
        return managed_table(self.kind, self.name)

    @cached_property
    def key(self) -> str:
        """Name of the column that identifies a row."""
        return key_of(self.table).name


def check_count(name: str, value: int | None, unit: str) -> None:
    """Refuse what can be no number of rows or bytes; None is none.

    Raises:
        TypeError: It is no number.
        ValueError: It is not positive.
    """
    if not _is_count(value):
        raise wrong_sort(name, value, f"a number of {unit}, or None")
    if value is not None and value < 1:
        raise ValueError(f"{name} is {value}. Use a positive number of {unit}.")


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, Integral) and not is_truth(value))


def wrong_sort(name: str, value: object, wanted: str) -> TypeError:
    """Return the error for an argument of the wrong sort."""
    return TypeError(f"{name} is {value!r:.100}. Pass {wanted}.")


def days_of(first: date | str, last: date | str) -> tuple[date, date]:
    """Return two days, checked.

    Raises:
        TypeError: One of them is neither a date nor text.
        ValueError: One of them is no day, or the first is after the last.
    """
    days = _day("from_date", first), _day("to_date", last)
    if days[0] > days[1]:
        raise ValueError(f"from_date {days[0]} is after to_date {days[1]}.")
    return days


def _day(name: str, value: date | str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    wanted = "a date, or text such as '2025-01-31'"
    if not isinstance(value, (date, str)):
        raise wrong_sort(name, value, wanted)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
            return date.fromisoformat(str(value))
    except ValueError:
        pass  # such as 31 February
    raise ValueError(f"{name} is {value!r}. Use {wanted}.")
