"""Mixpanel events and profiles in DuckDB: fetch once, query many times.

Example:
    >>> from mixpanel_data import StorageEngine
    >>> with StorageEngine.ephemeral() as storage:
    ...     storage.list_tables()
    []
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mixpanel_data import migrate
    from mixpanel_data.exceptions import (
        CatalogueUnavailableError,
        CompactionError,
        DatabaseCorruptError,
        DatabaseExistsError,
        DatabaseFileError,
        DatabaseFormatError,
        DatabaseInUseError,
        DatabaseInvalidatedError,
        DatabaseLinkError,
        DatabaseLockedError,
        DatabaseMovedError,
        DatabaseNotFoundError,
        DatabasePermissionError,
        DatabaseReadOnlyError,
        DatabaseWalError,
        DiskFullError,
        DuplicateRecordError,
        EncryptionKeyError,
        EncryptionUnavailableError,
        ExportExistsError,
        ExportFileError,
        ExportFileNotFoundError,
        ExportLineError,
        KeyCollisionError,
        LakeError,
        LakeExtensionError,
        LakeNotFoundError,
        McpUnavailableError,
        MetadataError,
        MigrationError,
        MixpanelDataError,
        NotADatabaseError,
        OutOfMemoryError,
        PropertyColumnError,
        QueryError,
        QueryTimeoutError,
        RecordDayError,
        RecordError,
        RemoteFilesUnavailableError,
        ResultTooLargeError,
        RevisionError,
        SandboxError,
        SchemaDriftError,
        SchemaForeignError,
        SchemaNewerError,
        SchemaOlderError,
        SchemaUnversionedError,
        SchemaVersionError,
        SettingsError,
        StorageClosedError,
        StorageForkedError,
        TableExistsError,
        TableLockedError,
        TableNameError,
        TableNotFoundError,
        TableShapeError,
        TimeUnitError,
        WorkerCrashedError,
        WriteConflictError,
    )
    from mixpanel_data.ingest.export_reader import read_events_export, read_profiles_export
    from mixpanel_data.lake.definition import S3, Lake
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
    from mixpanel_data.sandbox.limits import Sandbox
    from mixpanel_data.schema.column_types import UtcDateTime
    from mixpanel_data.schema.models import EventMixin, ProfileMixin, property_column
    from mixpanel_data.storage import StorageEngine
    from mixpanel_data.types import (
        ColumnInfo,
        CompactionResult,
        DatabaseInfo,
        ExportResult,
        LoadResult,
        MaintenanceResult,
        MigrationResult,
        PropertyColumn,
        SchemaRevision,
        SchemaStatus,
        Secret,
        Snapshot,
        TableInfo,
        TableMetadata,
        TableSchema,
    )

__all__ = [
    "S3",
    "CatalogueUnavailableError",
    "ColumnInfo",
    "ColumnStats",
    "ColumnSummary",
    "CompactionError",
    "CompactionResult",
    "CoveredProperty",
    "DailyCount",
    "DailyCounts",
    "DatabaseCorruptError",
    "DatabaseExistsError",
    "DatabaseFileError",
    "DatabaseFormatError",
    "DatabaseInUseError",
    "DatabaseInfo",
    "DatabaseInvalidatedError",
    "DatabaseLinkError",
    "DatabaseLockedError",
    "DatabaseMovedError",
    "DatabaseNotFoundError",
    "DatabasePermissionError",
    "DatabaseReadOnlyError",
    "DatabaseWalError",
    "DiskFullError",
    "DuplicateRecordError",
    "EncryptionKeyError",
    "EncryptionUnavailableError",
    "EventBreakdown",
    "EventMixin",
    "EventStats",
    "ExportExistsError",
    "ExportFileError",
    "ExportFileNotFoundError",
    "ExportLineError",
    "ExportResult",
    "KeyCollisionError",
    "Lake",
    "LakeError",
    "LakeExtensionError",
    "LakeNotFoundError",
    "LoadResult",
    "MaintenanceResult",
    "McpUnavailableError",
    "MetadataError",
    "MigrationError",
    "MigrationResult",
    "MixpanelDataError",
    "NotADatabaseError",
    "NumericSummary",
    "OutOfMemoryError",
    "Preview",
    "ProfileMixin",
    "PropertyColumn",
    "PropertyColumnError",
    "PropertyCoverage",
    "PropertyDistribution",
    "PropertyStats",
    "QueryError",
    "QueryTimeoutError",
    "RecordDayError",
    "RecordError",
    "RemoteFilesUnavailableError",
    "ResultTooLargeError",
    "RevisionError",
    "Sample",
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
    "Secret",
    "SettingsError",
    "Snapshot",
    "StorageClosedError",
    "StorageEngine",
    "StorageForkedError",
    "Summary",
    "TableExistsError",
    "TableInfo",
    "TableLockedError",
    "TableMetadata",
    "TableNameError",
    "TableNotFoundError",
    "TableSchema",
    "TableShapeError",
    "TimeUnitError",
    "UtcDateTime",
    "ValueCount",
    "WorkerCrashedError",
    "WriteConflictError",
    "migrate",
    "property_column",
    "read_events_export",
    "read_profiles_export",
]

#: Where the public names are that are no errors; these are in ``exceptions``. A module is imported
#: when the first of its names is asked for.
_MODULES = {
    "ingest.export_reader": ("read_events_export", "read_profiles_export"),
    "lake.definition": ("S3", "Lake"),
    "results": (
        "ColumnStats",
        "ColumnSummary",
        "CoveredProperty",
        "DailyCount",
        "DailyCounts",
        "EventBreakdown",
        "EventStats",
        "NumericSummary",
        "Preview",
        "PropertyCoverage",
        "PropertyDistribution",
        "PropertyStats",
        "Sample",
        "Summary",
        "ValueCount",
    ),
    "sandbox.limits": ("Sandbox",),
    "schema.column_types": ("UtcDateTime",),
    "schema.models": ("EventMixin", "ProfileMixin", "property_column"),
    "storage": ("StorageEngine",),
    "types": (
        "ColumnInfo",
        "CompactionResult",
        "DatabaseInfo",
        "ExportResult",
        "LoadResult",
        "MaintenanceResult",
        "MigrationResult",
        "PropertyColumn",
        "SchemaRevision",
        "SchemaStatus",
        "Secret",
        "Snapshot",
        "TableInfo",
        "TableMetadata",
        "TableSchema",
    ),
}
_MODULE_OF = {name: "exceptions" for name in __all__ if name.endswith("Error")}
_MODULE_OF |= {name: module for module, names in _MODULES.items() for name in names}
_PUBLIC_MODULES = {"exceptions", "migrate", "storage", "types"}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name in _PUBLIC_MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PUBLIC_MODULES})
