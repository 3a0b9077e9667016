"""Mixpanel events and profiles in DuckDB: fetch once, query many times.

Example:
    >>> from mixpanel_data import StorageEngine
    >>> with StorageEngine.ephemeral() as storage:
    ...     storage.list_tables()
    []
"""

from mixpanel_data import migrate
from mixpanel_data.exceptions import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseFormatError,
    DatabaseLockedError,
    DatabaseLogError,
    DatabaseMovedError,
    DatabaseNotFoundError,
    DatabasePermissionError,
    DatabaseReadOnlyError,
    DatabaseStoppedError,
    DiskFullError,
    DuplicateRecordError,
    ExportLineError,
    MetadataError,
    MigrationError,
    MixpanelDataError,
    NotADatabaseError,
    OutOfMemoryError,
    QueryError,
    QueryTimeoutError,
    RecordError,
    RevisionError,
    SandboxError,
    SchemaDriftError,
    SchemaForeignError,
    SchemaNewerError,
    SchemaOlderError,
    SchemaUnversionedError,
    SchemaVersionError,
    StorageClosedError,
    StorageForkedError,
    TableExistsError,
    TableNameError,
    TableNotFoundError,
    WriteConflictError,
)
from mixpanel_data.exports import read_events_export, read_profiles_export
from mixpanel_data.models import EventMixin, ProfileMixin
from mixpanel_data.sandbox import Sandbox
from mixpanel_data.storage import StorageEngine
from mixpanel_data.types import (
    ColumnInfo,
    MigrationResult,
    SchemaRevision,
    SchemaStatus,
    TableInfo,
    TableMetadata,
    TableSchema,
)
from mixpanel_data.utc import UtcDateTime

__all__ = [
    "ColumnInfo",
    "DatabaseCorruptError",
    "DatabaseFileError",
    "DatabaseFormatError",
    "DatabaseLockedError",
    "DatabaseLogError",
    "DatabaseMovedError",
    "DatabaseNotFoundError",
    "DatabasePermissionError",
    "DatabaseReadOnlyError",
    "DatabaseStoppedError",
    "DiskFullError",
    "DuplicateRecordError",
    "EventMixin",
    "ExportLineError",
    "MetadataError",
    "MigrationError",
    "MigrationResult",
    "MixpanelDataError",
    "NotADatabaseError",
    "OutOfMemoryError",
    "ProfileMixin",
    "QueryError",
    "QueryTimeoutError",
    "RecordError",
    "RevisionError",
    "Sandbox",
    "SandboxError",
    "SchemaDriftError",
    "SchemaForeignError",
    "SchemaNewerError",
    "SchemaOlderError",
    "SchemaRevision",
    "SchemaStatus",
    "SchemaUnversionedError",
    "SchemaVersionError",
    "StorageClosedError",
    "StorageEngine",
    "StorageForkedError",
    "TableExistsError",
    "TableInfo",
    "TableMetadata",
    "TableNameError",
    "TableNotFoundError",
    "TableSchema",
    "UtcDateTime",
    "WriteConflictError",
    "migrate",
    "read_events_export",
    "read_profiles_export",
]
