"""What the methods that look at data return: frozen, drawn as tables, with their SQL."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, ClassVar

from mixpanel_data.common.display import Drawing, Drawn, text_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Result(Drawn):
    """What the methods that look at data have in common.

    Attributes:
        sql: The SQL that the result comes from, to go on from there. It runs as it stands.
        hint: What the caller may have meant, where a name occurs nowhere; else None.
    """

    #: The field with the rows, ``""`` where the fields themselves are the only row.
    _rows: ClassVar[str] = ""
    #: The names of the columns.
    _columns: ClassVar[tuple[str, ...]] = ()

    sql: str = field(repr=False)
    hint: str | None = None

    @property
    def df(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self._values(), columns=list(self._headers()))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values that JSON can express.

        Times are ISO 8601 text; NaN and infinity, which JSON cannot express, are None.
        """
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    def _headers(self) -> tuple[str, ...]:
        return self._columns

    def _values(self) -> list[list[Any]]:
        rows = getattr(self, self._rows) if self._rows else [self]
        return [[getattr(row, name) for name in self._headers()] for row in rows]

    def _drawing(self) -> Drawing:
        left_out = {"sql", "hint", self._rows, *self._columns}
        facts = [
            f"{each.name}: {text_of(value)}"
            for each in fields(self)
            if each.name not in left_out and (value := getattr(self, each.name)) is not None
        ]
        notes = [", ".join(facts), *([self.hint] if self.hint else [])]
        title = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).capitalize()
        return Drawing(title, self._headers(), self._values(), notes)


def plain(value: Any) -> Any:
    """Return a value as JSON can express it: times are ISO 8601 text, and NaN and infinity None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Sample(Result):
    """Rows that were taken at random.

    Attributes:
        table: Name of the table.
        columns: Names of its columns.
        rows: The rows, as ``execute_rows`` gives them.
    """

    table: str
    columns: list[str]
    rows: list[tuple[Any, ...]]

    def _headers(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def _values(self) -> list[list[Any]]:
        return list(map(list, self.rows))

    def _drawing(self) -> Drawing:
        return Drawing(f"Sample of {self.table}", self.columns, self.rows)


@dataclass(frozen=True, kw_only=True)
class Preview(Result):
    """The first rows of a query.

    Attributes:
        columns: Names of the columns, which may occur twice.
        types: DuckDB's names of their types.
        rows: The rows, as ``execute_rows`` gives them.
        has_more: Whether the query has more rows.
    """

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    has_more: bool

    def _headers(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def _values(self) -> list[list[Any]]:
        return list(map(list, self.rows))

    def _drawing(self) -> Drawing:
        notes = [] if not self.has_more else ["There are more rows."]
        return Drawing("Preview", self.columns, self.rows, notes)


@dataclass(frozen=True)
class ColumnSummary:
    """One column in a :class:`Summary`, as DuckDB's ``SUMMARIZE`` tells it.

    Attributes:
        column_name: Name of the column.
        column_type: DuckDB's name of its type.
        min: The least value, as text.
        max: The greatest value, as text.
        approx_unique: About how many different values there are.
        avg: Average of numbers; None for other types, and where it is infinite or too large.
        std: Standard deviation of numbers; None for other types, and where one of them is beyond
            1e145 or not finite.
        q25: About the first quartile, as text; None for types without one.
        q50: About the median, likewise.
        q75: About the third quartile, likewise.
        count: Number of rows, those with NULL included.
        null_percentage: Percentage of rows with NULL.
    """

    column_name: str
    column_type: str
    min: str | None
    max: str | None
    approx_unique: int
    avg: float | None
    std: float | None
    q25: str | None
    q50: str | None
    q75: str | None
    count: int
    null_percentage: float


@dataclass(frozen=True, kw_only=True)
class Summary(Result):
    """What is in the columns of a table.

    Attributes:
        table: Name of the table.
        row_count: Number of rows.
        columns: One entry per column.
    """

    _rows = "columns"
    _columns = tuple(ColumnSummary.__dataclass_fields__)

    table: str
    row_count: int
    columns: list[ColumnSummary]


@dataclass(frozen=True)
class EventStats:
    """One event in an :class:`EventBreakdown`.

    Attributes:
        event_name: Its name.
        count: How often it occurred.
        unique_users: How many users did it.
        first_seen: When it occurred first, in UTC.
        last_seen: When it occurred last, in UTC.
        pct_of_total: Its percentage of all events.
    """

    event_name: str
    count: int
    unique_users: int
    first_seen: datetime
    last_seen: datetime
    pct_of_total: float


@dataclass(frozen=True, kw_only=True)
class EventBreakdown(Result):
    """Which events a table has.

    In the result of its SQL, the row without a name is all events together.

    Attributes:
        table: Name of the table.
        total_events: Number of events.
        total_users: Number of users.
        date_range: When the first and the last event occurred, in UTC; None without events.
        events: One entry per event name, the most frequent first.
    """

    _rows = "events"
    _columns = tuple(EventStats.__dataclass_fields__)

    table: str
    total_events: int
    total_users: int
    date_range: tuple[datetime, datetime] | None
    events: list[EventStats]


@dataclass(frozen=True)
class CoveredProperty:
    """One property in a :class:`PropertyCoverage`.

    Attributes:
        property: Its name.
        defined_count: Rows in which it has a value other than null.
        null_count: Rows in which it is null.
        missing_count: Rows that do not have it.
        coverage_percentage: Percentage of rows in which it has a value other than null.
        types: How many of its values are of which type: ``string``, ``integer``, ``number``,
            ``boolean``, ``array`` or ``object``. Integers beyond 64 bits count as numbers.
        example: One of its values, None where there is none.
    """

    property: str
    defined_count: int
    null_count: int
    missing_count: int
    coverage_percentage: float
    types: dict[str, int]
    example: Any


@dataclass(frozen=True, kw_only=True)
class PropertyCoverage(Result):
    """Which properties the rows of a table have.

    Attributes:
        table: Name of the table.
        event: Name of the event that was asked for, None for all rows.
        row_count: Rows that were read; all counts are of these.
        sampled: True if these are only a part of the rows.
        sample_share: About which part of the rows was read, 1.0 for all.
        coverage: One entry per property, the most frequent first; or those asked for, in their
            order.
    """

    _rows = "coverage"
    _columns = tuple(CoveredProperty.__dataclass_fields__)

    table: str
    event: str | None
    row_count: int
    sampled: bool
    sample_share: float
    coverage: list[CoveredProperty]


@dataclass(frozen=True)
class ValueCount:
    """A value, and how often it occurs.

    Attributes:
        value: The value. Of a property, text, numbers and booleans are Python's; arrays and objects
            are JSON text.
        count: Rows that have it.
        pct: Their percentage of the rows that have a value other than null.
    """

    value: Any
    count: int
    pct: float


@dataclass(frozen=True, kw_only=True)
class PropertyDistribution(Result):
    """The most frequent values of a property.

    Attributes:
        table: Name of the table.
        event: Name of the event that was asked for, None for all rows.
        property: Name of the property.
        total_count: Rows in which it has a value other than null.
        unique_count: Number of different values other than null.
        values: The most frequent values first. ``1``, ``1.0`` and ``"1"`` are different values.
    """

    _rows = "values"
    _columns = tuple(ValueCount.__dataclass_fields__)

    table: str
    event: str | None
    property: str
    total_count: int
    unique_count: int
    values: list[ValueCount]


@dataclass(frozen=True, kw_only=True)
class PropertyStats(Result):
    """What a property holds.

    Attributes:
        table: Name of the table.
        event: Name of the event that was asked for, None for all rows.
        property: Name of the property.
        row_count: Rows that were asked for.
        defined_count: Rows in which it has a value other than null.
        null_count: Rows in which it is null.
        missing_count: Rows that do not have it.
        coverage_percentage: Percentage of rows in which it has a value other than null.
        unique_count: Number of different values other than null.
        types: As in :class:`CoveredProperty`.
        top_values: The most frequent values, as in :class:`PropertyDistribution`.
    """

    _rows = "top_values"
    _columns = tuple(ValueCount.__dataclass_fields__)

    table: str
    event: str | None
    property: str
    row_count: int
    defined_count: int
    null_count: int
    missing_count: int
    coverage_percentage: float
    unique_count: int
    types: dict[str, int]
    top_values: list[ValueCount]


@dataclass(frozen=True, kw_only=True)
class NumericSummary(Result):
    """The numbers that a property holds, as floats.

    Only what JSON has as a number counts: the text ``"42"`` does not.

    Attributes:
        table: Name of the table.
        event: Name of the event that was asked for, None for all rows.
        property: Name of the property.
        count: Number of numbers; without any, everything else is None.
        other_count: Values that are neither numbers nor null.
        min: The least number.
        max: The greatest number.
        sum: Their sum; None where it is too large for a float.
        avg: Their average; None where their sum is too large.
        stddev: Standard deviation of the sample; None for fewer than two numbers, and where one of
            them is beyond 1e145.
        percentiles: The percentiles asked for, interpolated.
    """

    _columns = (
        *("table", "event", "property", "count", "other_count"),
        *("min", "max", "sum", "avg", "stddev", "percentiles"),
    )

    table: str
    event: str | None
    property: str
    count: int
    other_count: int
    min: float | None
    max: float | None
    sum: float | None
    avg: float | None
    stddev: float | None
    percentiles: dict[float, float | None]


@dataclass(frozen=True, kw_only=True)
class ColumnStats(Result):
    """What a column holds.

    Attributes:
        table: Name of the table.
        column: Name of the column.
        type: DuckDB's name of its type.
        row_count: Number of rows.
        null_count: Rows with NULL.
        null_percentage: Percentage of rows with NULL.
        unique_count: Number of different values other than NULL.
        min: The least value, as ``execute_rows`` gives it.
        max: The greatest value.
        avg: Average of numbers; None for other types, and where it is infinite or too large.
        stddev: Standard deviation of the sample of numbers; None for other types, and where one of
            them is beyond 1e145 or not finite.
        top_values: The most frequent values other than NULL.
    """

    _rows = "top_values"
    _columns = tuple(ValueCount.__dataclass_fields__)

    table: str
    column: str
    type: str
    row_count: int
    null_count: int
    null_percentage: float
    unique_count: int
    min: Any
    max: Any
    avg: float | None
    stddev: float | None
    top_values: list[ValueCount]


@dataclass(frozen=True)
class DailyCount:
    """How often an event occurred on a day.

    Attributes:
        date: The day, in UTC.
        event: Name of the event.
        count: How often.
    """

    date: date
    event: str
    count: int


@dataclass(frozen=True, kw_only=True)
class DailyCounts(Result):
    """How often events occurred on each day.

    Attributes:
        table: Name of the table.
        counts: By day and event. A day on which an event did not occur is left out.
    """

    _rows = "counts"
    _columns = tuple(DailyCount.__dataclass_fields__)

    table: str
    counts: list[DailyCount]
