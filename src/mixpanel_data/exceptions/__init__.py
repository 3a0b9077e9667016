"""Every error the library raises: one tree, facts as attributes, messages built here.

The classes that concern a file or folder are also ``OSError``, those that concern a value the
caller gave are also ``ValueError``, so existing ``except`` clauses keep working. Every message ends
with what to do next, where there is something to do.

In parentheses, the class of Python's that an error is as well::

    MixpanelDataError
        DatabaseFileError (OSError)
            CompactionError
            DatabaseCorruptError
                DatabaseWalError
                NotADatabaseError
            DatabaseExistsError (FileExistsError)
            DatabaseFormatError
            DatabaseInUseError
            DatabaseInvalidatedError
            DatabaseLinkError
            DatabaseLockedError
            DatabaseMovedError
            DatabaseNotFoundError (FileNotFoundError)
            DatabasePermissionError (PermissionError)
            DatabaseReadOnlyError (PermissionError)
            DiskFullError
            EncryptionKeyError
            EncryptionUnavailableError
            SchemaVersionError
                MigrationError
                SchemaDriftError
                SchemaForeignError
                SchemaNewerError
                SchemaOlderError
                SchemaUnversionedError
        ExportFileError (OSError)
            ExportExistsError (FileExistsError)
            ExportFileNotFoundError (FileNotFoundError)
        LakeError (OSError)
            CatalogueUnavailableError
            DeletedRowsError (ValueError)
            LakeNotFoundError (FileNotFoundError)
            LakePermissionError (PermissionError)
            TableLockedError
        LakeExtensionError (ImportError)
        McpUnavailableError (ImportError)
        MetadataError (ValueError)
        PropertyColumnError (ValueError)
        QueryError
            OutOfMemoryError
            QueryTimeoutError
            ResultTooLargeError
            SandboxError
            WorkerCrashedError
        RecordError (ValueError)
            DuplicateRecordError
                KeyCollisionError
            ExportLineError
            RecordDayError
        RemoteFilesUnavailableError (ImportError)
        RevisionError (ValueError)
        SettingsError (ValueError)
        StorageClosedError (RuntimeError)
        StorageForkedError (RuntimeError)
        TableExistsError
        TableNameError (ValueError)
        TableNotFoundError
        TableShapeError (ValueError)
        TimeUnitError (ValueError)
        WriteConflictError
"""

from mixpanel_data.exceptions.base import MixpanelDataError
from mixpanel_data.exceptions.exports import (
    ExportExistsError,
    ExportFileError,
    ExportFileNotFoundError,
    RemoteFilesUnavailableError,
)
from mixpanel_data.exceptions.files import (
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
    EncryptionKeyError,
    EncryptionUnavailableError,
    KeyState,
    NotADatabaseError,
    SettingsError,
    StorageClosedError,
    StorageForkedError,
)
from mixpanel_data.exceptions.lakes import (
    CatalogueUnavailableError,
    DeletedRowsError,
    LakeError,
    LakeExtensionError,
    LakeNotFoundError,
    LakePermissionError,
    TableLockedError,
)
from mixpanel_data.exceptions.packages import McpUnavailableError
from mixpanel_data.exceptions.queries import (
    OutOfMemoryError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    SandboxError,
    WorkerCrashedError,
)
from mixpanel_data.exceptions.records import (
    DuplicateRecordError,
    ExportLineError,
    KeyCollisionError,
    RecordDayError,
    RecordError,
    TimeUnitError,
)
from mixpanel_data.exceptions.schema import (
    MigrationError,
    RevisionError,
    SchemaDriftError,
    SchemaForeignError,
    SchemaNewerError,
    SchemaOlderError,
    SchemaUnversionedError,
    SchemaVersionError,
)
from mixpanel_data.exceptions.tables import (
    MetadataError,
    PropertyColumnError,
    TableExistsError,
    TableNameError,
    TableNotFoundError,
    TableShapeError,
    WriteConflictError,
)

__all__ = [
    "CatalogueUnavailableError",
    "CompactionError",
    "DatabaseCorruptError",
    "DatabaseExistsError",
    "DatabaseFileError",
    "DatabaseFormatError",
    "DatabaseInUseError",
    "DatabaseInvalidatedError",
    "DatabaseLinkError",
    "DatabaseLockedError",
    "DatabaseMovedError",
    "DatabaseNotFoundError",
    "DatabasePermissionError",
    "DatabaseReadOnlyError",
    "DatabaseWalError",
    "DeletedRowsError",
    "DiskFullError",
    "DuplicateRecordError",
    "EncryptionKeyError",
    "EncryptionUnavailableError",
    "ExportExistsError",
    "ExportFileError",
    "ExportFileNotFoundError",
    "ExportLineError",
    "KeyCollisionError",
    "KeyState",
    "LakeError",
    "LakeExtensionError",
    "LakeNotFoundError",
    "LakePermissionError",
    "McpUnavailableError",
    "MetadataError",
    "MigrationError",
    "MixpanelDataError",
    "NotADatabaseError",
    "OutOfMemoryError",
    "PropertyColumnError",
    "QueryError",
    "QueryTimeoutError",
    "RecordDayError",
    "RecordError",
    "RemoteFilesUnavailableError",
    "ResultTooLargeError",
    "RevisionError",
    "SandboxError",
    "SchemaDriftError",
    "SchemaForeignError",
    "SchemaNewerError",
    "SchemaOlderError",
    "SchemaUnversionedError",
    "SchemaVersionError",
    "SettingsError",
    "StorageClosedError",
    "StorageForkedError",
    "TableExistsError",
    "TableLockedError",
    "TableNameError",
    "TableNotFoundError",
    "TableShapeError",
    "TimeUnitError",
    "WorkerCrashedError",
    "WriteConflictError",
]
