"""What a table is: its metadata, its columns, and how both are listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Literal, get_args

from mixpanel_data.common.display import Drawing, Drawn
from mixpanel_data.common.times import as_utc
from mixpanel_data.common.values import text
from mixpanel_data.exceptions import MetadataError

TableType = Literal["events", "profiles"]
PropertyType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "JSON"]


@dataclass(frozen=True)
class TableMetadata:
    """How and when the rows of a table were fetched.

    Args:
        type: ``"events"`` or ``"profiles"``.
        fetched_at: When the rows were fetched. A naive datetime is taken as UTC.
        from_date: First day of the fetch, ``YYYY-MM-DD``.
        to_date: Last day of the fetch, inclusive, ``YYYY-MM-DD``.
        filter_events: Names of the events that were asked for, None for all.
        filter_where: Mixpanel filter expression of the fetch, None for none.

    Raises:
        MetadataError: A field is malformed. It is a ``ValueError``.

    Example:
        >>> metadata = TableMetadata(
        ...     type="events",
        ...     fetched_at=datetime(2025, 2, 1, 12, 0),
        ...     from_date="2025-01-01",
        ...     to_date="2025-01-31",
        ... )
        >>> metadata.fetched_at
        datetime.datetime(2025, 2, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """

    type: TableType
    fetched_at: datetime
    from_date: str | None = None
    to_date: str | None = None
    filter_events: list[str] | None = None
    filter_where: str | None = None

    def __post_init__(self) -> None:
        if self.type not in get_args(TableType):
            raise MetadataError("type", f"is {self.type!r}. Use 'events' or 'profiles'.")
        if not isinstance(self.fetched_at, datetime):
            raise MetadataError("fetched_at", f"is {self.fetched_at!r}. Use a datetime.")
        for name in ("from_date", "to_date"):
            if (value := getattr(self, name)) is not None and not _is_day(value):
                raise MetadataError(name, f"is {value!r}. Use a day such as '2025-01-31'.")
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise MetadataError("from_date", f"{self.from_date} is after to_date {self.to_date}.")
        if self.filter_events is not None:
            object.__setattr__(self, "filter_events", _names(self.filter_events))
        if self.filter_where is not None:
            _require_text("filter_where", self.filter_where)
        try:
            object.__setattr__(self, "fetched_at", as_utc(self.fetched_at))
        except OverflowError as error:
            problem = f"is {self.fetched_at!r}, which is not between the years 1 and 9999 in UTC."
            raise MetadataError("fetched_at", problem) from error


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _names(value: object) -> list[str]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise MetadataError("filter_events", f"is {value!r}. Use a list of event names.")
    names = list(value)
    for name in names:
        _require_text("filter_events", name)
    return names


def _require_text(field: str, value: object) -> None:
    try:
        text(value)
    except ValueError as error:
        raise MetadataError(field, f"has {value!r}, which {error}") from error


@dataclass(frozen=True)
class PropertyColumn:
    """A column of its own for a property, beside the document.

    Args:
        property: Name of the property, such as ``"$browser"``.
        type: DuckDB's name of the type. None means ``VARCHAR`` for a table that is created, and the
            type that all values have for one that has rows. ``VARCHAR`` holds every value as text,
            lists and objects as JSON. ``BIGINT``, ``DOUBLE`` and ``BOOLEAN`` also take text that
            spells such a value. ``TIMESTAMP`` is in UTC and takes ISO 8601 and epoch seconds. A
            value that does not fit is NULL.
        name: Name of the column, by default that of the property.

    Attributes:
        column_name: Name of the column.
        stale: True where a write changed documents and left the column as it was. The methods that
            look at data read the documents then, and
            :meth:`~mixpanel_data.StorageEngine.refresh_property_columns` fills it.

    Raises:
        ValueError: There is no such type, or a name is no text.

    Example:
        >>> PropertyColumn("amount", "DOUBLE", name="amount_eur").column_name
        'amount_eur'
    """

    property: str
    type: PropertyType | None = None
    name: str | None = None
    column_name: str = field(init=False, repr=False, compare=False)
    stale: bool = field(init=False, default=False, compare=False)

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in get_args(PropertyType):
            raise ValueError(f"type is {self.type!r}. Use one of {get_args(PropertyType)}.")
        for argument in ("property", "name"):
            if (value := getattr(self, argument)) is None and argument == "name":
                continue
            try:
                text(value)
            except ValueError as error:
                raise ValueError(f"{argument} is {value!r}, which {error}") from error
        column_name = self.property if self.name is None else self.name
        object.__setattr__(self, "column_name", column_name)


@dataclass(frozen=True)
class TableInfo(Drawn):
    """One line of ``list_tables()``.

    Attributes:
        name: Name of the table.
        type: ``"events"`` or ``"profiles"``.
        row_count: Rows in the table now.
        fetched_at: When its rows were last fetched, in UTC.
    """

    name: str
    type: TableType
    row_count: int
    fetched_at: datetime

    def __str__(self) -> str:
        """Return name, type and size."""
        return f"{self.name} ({self.row_count:,} {self.type})"

    def _drawing(self) -> Drawing:
        return _drawing_of_tables([self])


class TableList(list[TableInfo], Drawn):
    """What ``list_tables()`` returns: a list that notebooks draw as a table."""

    def _drawing(self) -> Drawing:
        return _drawing_of_tables(self)


def _drawing_of_tables(tables: Sequence[TableInfo]) -> Drawing:
    headers = [each.name for each in fields(TableInfo)]
    rows = [[getattr(table, name) for name in headers] for table in tables]
    return Drawing("Tables", headers, rows)


@dataclass(frozen=True)
class ColumnInfo:
    """One column of a table.

    Attributes:
        name: Name of the column.
        type: DuckDB's name of its type, such as ``VARCHAR``, ``TIMESTAMP`` or ``JSON``.
        nullable: True when the column may be NULL.
        primary_key: True when the column belongs to the primary key.
        property: The property that has the column, None for any other column.
        stale: True when it is the column of a property, and not what the documents say.
    """

    name: str
    type: str
    nullable: bool
    primary_key: bool
    property: str | None = None
    stale: bool = False


@dataclass(frozen=True)
class TableSchema(Drawn):
    """The columns of a table, in their order.

    Attributes:
        table_name: Name of the table.
        columns: One entry per column.
    """

    table_name: str
    columns: list[ColumnInfo]

    def _drawing(self) -> Drawing:
        headers = [each.name for each in fields(ColumnInfo)]
        rows = [[getattr(column, name) for name in headers] for column in self.columns]
        return Drawing(f"Columns of {self.table_name}", headers, rows)
