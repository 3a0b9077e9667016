"""What a whole database is: its files, its snapshots, its revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from mixpanel_data.types.tables import TableInfo

SchemaState = Literal["current", "older", "newer", "unversioned", "foreign", "absent"]


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
