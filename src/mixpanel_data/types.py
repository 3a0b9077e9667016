"""The values that go in and come out: frozen, comparable, checked when made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

from mixpanel_data.common.choices import IfExists, OnCollision, OnConflict, OnError, TimeUnit
from mixpanel_data.common.display import Drawing, Drawn
from mixpanel_data.common.secret import Secret
from mixpanel_data.common.values import text
from mixpanel_data.exceptions import MetadataError
from mixpanel_data.results import (
    ColumnStats,
    ColumnSummary,
    CoveredProperty,
    DailyCount,
    DailyCounts,
    EventBreakdown,
    EventStats,
    NumericSummary,
    Preview,
    PropertyCoverage,
    PropertyDistribution,
    PropertyStats,
    Sample,
    Summary,
    ValueCount,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ColumnInfo",
    "ColumnStats",
    "ColumnSummary",
    "CoveredProperty",
    "DailyCount",
    "DailyCounts",
    "DatabaseInfo",
    "EventBreakdown",
    "EventStats",
    "ExportResult",
    "IfExists",
    "LoadResult",
    "MaintenanceResult",
    "MigrationResult",
    "NumberUnit",
    "NumericSummary",
    "OnCollision",
    "OnConflict",
    "OnError",
    "Preview",
    "PropertyColumn",
    "PropertyCoverage",
    "PropertyDistribution",
    "PropertyStats",
    "PropertyType",
    "Sample",
    "SchemaRevision",
    "SchemaState",
    "SchemaStatus",
    "Secret",
    "Snapshot",
    "Summary",
    "TableInfo",
    "TableList",
    "TableMetadata",
    "TableSchema",
    "TableType",
    "TimeUnit",
    "ValueCount",
]

TableType = Literal["events", "profiles"]
NumberUnit = Literal["s", "ms", "us"]
PropertyType = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "JSON"]
SchemaState = Literal["current", "older", "newer", "unversioned", "foreign", "absent"]


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


def as_utc(moment: datetime) -> datetime:
    """Return a datetime as aware UTC; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


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


class LoadResult(int):
    """What a load did. It is the number of rows by which the table grew, and can be used as that.

    Always ``read == added + replaced + duplicates + collisions + rejected``.

    Attributes:
        read: Rows that the data had.
        added: Rows by which the table grew.
        replaced: Rows that took the place of one that was in the table.
        duplicates: Rows that were left out, because the row of their key is the same event or
            profile.
        collisions: Events that were left out, though the event with their key is another one. Those
            that ``on_collision="keep"`` stores under a key of their own are added.
        rejected: Rows that cannot be stored and were left out.
        generated_ids: Events without an id, which got one.
        misfits: Values of properties that are NULL in their column, because its type cannot hold
            them. They are in the document.
        files: Files that were read.
        seconds: Seconds that the load took.

    Example:
        >>> result = LoadResult(3, read=5, duplicates=2)
        >>> result, result + 1, result.duplicates
        (3, 4, 2)
        >>> print(result.summary)
        3 rows added, 2 duplicates, in 0.0 s
    """

    read: int
    added: int
    replaced: int
    duplicates: int
    collisions: int
    rejected: int
    generated_ids: int
    misfits: int
    files: int
    seconds: float

    def __new__(
        cls,
        added: int,
        *,
        read: int,
        replaced: int = 0,
        duplicates: int = 0,
        collisions: int = 0,
        rejected: int = 0,
        generated_ids: int = 0,
        misfits: int = 0,
        files: int = 0,
        seconds: float = 0.0,
    ) -> Self:
        """Make a result of its parts."""
        result = super().__new__(cls, added)
        parts = {
            "read": read,
            "added": added,
            "replaced": replaced,
            "duplicates": duplicates,
            "collisions": collisions,
            "rejected": rejected,
            "generated_ids": generated_ids,
            "misfits": misfits,
            "files": files,
            "seconds": seconds,
        }
        result.__dict__.update(parts)
        return result

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse to change a result."""
        raise AttributeError(f"a LoadResult cannot be changed: {name}")

    def __reduce__(self) -> tuple[object, ...]:
        """Return what pickle and copy make the result of."""
        return _load_result, (dict(self.__dict__),)

    @property
    def summary(self) -> str:
        """What happened, in one line."""
        counts = [
            (self.replaced, "replaced"),
            (self.duplicates, "duplicate" if self.duplicates == 1 else "duplicates"),
            (self.collisions, "collision" if self.collisions == 1 else "collisions"),
            (self.rejected, "rejected"),
            (self.generated_ids, "without an id"),
            (self.misfits, "misfit" if self.misfits == 1 else "misfits"),
        ]
        told = [f"{count:,} {name}" for count, name in counts if count]
        rows = f"{self.added:,} {'row' if self.added == 1 else 'rows'} added"
        if self.files:
            rows += f" from {self.files:,} {'file' if self.files == 1 else 'files'}"
        return ", ".join([rows, *told, f"in {self.seconds:.1f} s"])


class ExportResult(int):
    """What an export wrote. It is the number of rows, and can be used as that.

    Attributes:
        path: The file, None for one that was open.
        format: Its format.
        bytes: Its size.
        seconds: Seconds that the export took.

    Example:
        >>> result = ExportResult(3, path=Path("a.csv"), format="csv", bytes=40, seconds=0.1)
        >>> result, result.path.name, result.bytes
        (3, 'a.csv', 40)
    """

    path: Path | None
    format: str
    bytes: int
    seconds: float

    def __new__(
        cls,
        rows: int,
        *,
        path: Path | None,
        format: str,  # noqa: A002
        bytes: int,  # noqa: A002
        seconds: float,
    ) -> Self:
        """Make a result of its parts."""
        result = super().__new__(cls, rows)
        result.path, result.format, result.bytes, result.seconds = path, format, bytes, seconds
        return result

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return int(self)


def _load_result(parts: dict[str, Any]) -> LoadResult:
    return LoadResult(**parts)


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
class DatabaseInfo:
    """A database as a whole.

    Attributes:
        path: The file, None in memory and for a lake.
        size: Bytes of the file and of its WAL, or of the files of a lake; None in memory.
        revision: The revision of the schema, None where there is no table of ours.
        tables: The events and profiles tables, by name.
        duckdb_version: Version of DuckDB that has it open.
        lake: Where the catalog of a lake is, None for other databases.
        files: How many files the current snapshot of a lake has; None for other databases.
        snapshots: How many snapshots of a lake can be read; None for other databases.
    """

    path: Path | None
    size: int | None
    revision: str | None
    tables: list[TableInfo]
    duckdb_version: str
    lake: str | None = None
    files: int | None = None
    snapshots: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a lake: what one transaction left.

    Attributes:
        id: Its number, for ``as_of``.
        time: When it was committed, aware UTC.
        changes: What the transaction did, as DuckLake describes it.
    """

    id: int
    time: datetime
    changes: dict[str, list[str]]


@dataclass(frozen=True)
class MaintenanceResult:
    """What the maintenance of a lake did, or would do.

    Attributes:
        dry_run: Whether nothing was changed.
        merged_files: Files that were merged with others into larger ones; 0 for a dry run.
        expired_snapshots: Snapshots that cannot be read any more.
        deleted_files: Files that were deleted, because no snapshot needs them.
        orphaned_files: Files of loads that did not end, which were deleted.
    """

    dry_run: bool
    merged_files: int
    expired_snapshots: int
    deleted_files: int
    orphaned_files: int


@dataclass(frozen=True)
class CompactionResult:
    """How a database was compacted.

    Attributes:
        bytes_before: Bytes of the file and of its WAL before.
        bytes_after: Bytes of the file afterwards.
    """

    bytes_before: int
    bytes_after: int


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


@dataclass(frozen=True)
class SchemaStatus:
    """How a database compares with what this library works with.

    Attributes:
        state: ``"current"``; ``"older"`` or ``"newer"`` than this library; ``"unversioned"``,
            made by the original library; ``"foreign"``, with a table ``_metadata`` that is not
            ours; or ``"absent"``, without any table of ours.
        revision: The schema revision, None when there is none.
        head: The revision this library works with.
        tables: Names of the events and profiles tables, sorted.
        unrecorded: Names of tables that look like ours but have no metadata, sorted: a load died
            half-way, or an application made them. Migrations leave them as they are.
    """

    state: SchemaState
    revision: str | None
    head: str
    tables: list[str]
    unrecorded: list[str]


@dataclass(frozen=True)
class MigrationResult:
    """What a migration did.

    Attributes:
        before: The revision the database had, None for none.
        after: The revision it has now.
        unrecorded: As in :class:`SchemaStatus`.
        backup: The copy of the file as it was, None when none was asked for or needed.
    """

    before: str | None
    after: str | None
    unrecorded: list[str]
    backup: Path | None


@dataclass(frozen=True)
class SchemaRevision:
    """One step in the history of the schema.

    Attributes:
        revision: Its name.
        follows: The revision before, None for the first.
        summary: What it does.
        applied: Whether the database has it; None when none was given.
    """

    revision: str
    follows: str | None
    summary: str
    applied: bool | None
