"""The values of the interface are frozen, comparable and validated."""

from __future__ import annotations

import os
import pickle
from dataclasses import FrozenInstanceError
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import MetadataError, TableMetadata, exceptions
from mixpanel_data.exceptions import MixpanelDataError

NOW = datetime(2025, 2, 1, 12, 30, tzinfo=timezone.utc)


def test_the_fetch_time_is_aware_utc_whatever_was_given() -> None:
    naive = TableMetadata("events", datetime(2025, 2, 1, 12, 30))
    elsewhere = TableMetadata("events", NOW.astimezone(timezone(timedelta(hours=9))))
    assert naive == elsewhere == TableMetadata("events", NOW)
    assert naive.fetched_at.tzinfo is timezone.utc


def test_filter_events_may_be_any_iterable_of_names() -> None:
    assert TableMetadata("events", NOW, filter_events=("A", "B")).filter_events == ["A", "B"]  # type: ignore[arg-type]


def test_metadata_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        TableMetadata("events", NOW).type = "profiles"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "people"),
        ("type", None),
        ("fetched_at", "2025-01-01"),
        ("fetched_at", date(2025, 1, 1)),
        ("from_date", "2025-1-1"),
        ("from_date", "01/31/2025"),
        ("from_date", "2025-02-30"),
        ("from_date", date(2025, 1, 1)),
        ("to_date", "20250131"),
        ("to_date", ""),
        ("filter_events", "Sign Up"),
        ("filter_events", 5),
        ("filter_events", ["Sign Up", 5]),
        ("filter_where", 5),
    ],
)
def test_a_malformed_field_is_named(field: str, value: Any) -> None:
    arguments: dict[str, Any] = {"type": "events", "fetched_at": NOW, field: value}
    with pytest.raises(MetadataError) as caught:
        TableMetadata(**arguments)
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(MetadataError, match="after"):
        TableMetadata("events", NOW, from_date="2025-02-01", to_date="2025-01-31")


ERRORS: list[MixpanelDataError] = [
    exceptions.MixpanelDataError("message", {"a": 1}),
    exceptions.MixpanelDataError("message"),
    exceptions.TableNameError("_t"),
    exceptions.TableExistsError("t"),
    exceptions.TableNotFoundError("t"),
    exceptions.MetadataError("type", "is wrong."),
    exceptions.WriteConflictError("t"),
    exceptions.RecordError(3, "event_time", "must be a time."),
    exceptions.RecordError(3, None, "must be a dict."),
    exceptions.DuplicateRecordError(3, "insert_id", "a"),
    exceptions.KeyCollisionError(3, "insert_id", "a"),
    exceptions.RecordDayError(3, datetime(2025, 1, 1), (date(2025, 1, 2), date(2025, 1, 3))),
    exceptions.TimeUnitError({"s": 1764000000, "ms": 1764000000000}),
    exceptions.TableShapeError("t", "has the columns a."),
    exceptions.PropertyColumnError("$browser", "has a column already."),
    exceptions.ExportExistsError("a.csv", "there is a file of that name."),
    exceptions.ExportFileError("a.zip/b.jsonl", "is damaged."),
    exceptions.ExportFileNotFoundError("a*.jsonl", "no file matches this pattern."),
    exceptions.McpUnavailableError(),
    exceptions.RemoteFilesUnavailableError("s3://bucket/key", "No module named 's3fs'"),
    exceptions.ExportLineError(3, "time", "is missing.", Path("a.jsonl"), 4),
    exceptions.QueryError("Binder Error", "SELECT nope"),
    exceptions.StorageClosedError(),
    exceptions.StorageForkedError(17),
    exceptions.StorageForkedError(17, Path("a.db")),
    exceptions.DatabaseFileError(Path("a.db"), "disk full"),
    exceptions.DatabaseNotFoundError(Path("a.db")),
    exceptions.DatabaseLockedError(Path("a.db"), 17),
    exceptions.DatabaseLockedError(Path("a.db"), None),
    exceptions.DatabaseLockedError(Path("a.db"), os.getpid()),
    exceptions.DatabaseExistsError(Path("a.db")),
    exceptions.DatabaseCorruptError(Path("a.db"), "damaged"),
    exceptions.NotADatabaseError(Path("a.db"), "not a valid database file"),
    exceptions.DatabaseWalError(Path("a.db"), Path("a.db.wal"), "checksum"),
    exceptions.DatabaseMovedError(Path("a.db")),
    exceptions.DatabaseMovedError(Path("a.db"), to="open"),
    exceptions.DatabaseLinkError(Path("a.db.wal"), "a symbolic link"),
    exceptions.DatabaseInUseError(Path("a.db"), "a session is open."),
    exceptions.CompactionError(Path("a.db"), "it is in memory."),
    exceptions.DatabaseInvalidatedError(Path("a.db"), "FATAL Error"),
    exceptions.DatabaseReadOnlyError(Path("a.db")),
    exceptions.DatabasePermissionError(Path("folder/a.db"), "Permission denied"),
    exceptions.DatabaseFormatError(Path("a.db"), "version 99"),
    exceptions.EncryptionKeyError(Path("a.db"), "wrong"),
    exceptions.EncryptionUnavailableError(Path("a.db")),
    exceptions.LakeError("postgresql://db/events", "cannot be attached."),
    exceptions.LakeNotFoundError("postgresql://db/events"),
    exceptions.CatalogueUnavailableError("postgresql://db/events", "db", "events", "refused"),
    exceptions.TableLockedError("postgresql://db/events", "jan", 1.5, "loader (10.0.0.1)"),
    exceptions.LakePermissionError("postgresql://db/events", "reader", "permission denied"),
    exceptions.DeletedRowsError("postgresql://db/events", "jan"),
    exceptions.LakeExtensionError("ducklake", "2.0.0", ["1.5.5"]),
    exceptions.LakeExtensionError("ducklake", "2.0.0", []),
    exceptions.DiskFullError(Path("folder/a.db"), 12_345_678, "No space left on device"),
    exceptions.DiskFullError(Path("a.db"), None, "No space left on device"),
    exceptions.OutOfMemoryError("failed to allocate", "SELECT 1"),
    exceptions.QueryTimeoutError(1.5, "SELECT 1"),
    exceptions.ResultTooLargeError(10, "rows", "FROM a"),
    exceptions.SandboxError("COPY statements", "COPY a TO 'b'"),
    exceptions.ResultTooLargeError(1000, "max_rows", "SELECT 1"),
    exceptions.WorkerCrashedError("it was killed by SIGSEGV", "SELECT 1"),
    exceptions.SchemaOlderError(Path("a.db"), "1", "2"),
    exceptions.SchemaUnversionedError(Path("a.db"), None, "2"),
    exceptions.SchemaNewerError(Path("a.db"), "9", "2"),
    exceptions.SchemaForeignError(Path("a.db"), None, "2"),
    exceptions.SchemaDriftError(Path("a.db"), "2", "2", ["Table 't' has no column 'c'."]),
    exceptions.MigrationError(Path("a.db"), "1", "2", "The cause: none."),
    exceptions.SettingsError("there is no setting nope"),
    exceptions.RevisionError("9", "there is none"),
]


def test_the_list_of_errors_in_this_file_is_complete() -> None:
    public = {
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, MixpanelDataError)
    }
    assert public - {exceptions.SchemaVersionError} == {type(error) for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_has_a_message_and_details_and_survives_pickling(
    error: MixpanelDataError,
) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == error.message != ""
    assert vars(copy) == vars(error)
    assert isinstance(error.details, dict)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (exceptions.TableNameError, ValueError),
        (exceptions.MetadataError, ValueError),
        (exceptions.RecordError, ValueError),
        (exceptions.StorageClosedError, RuntimeError),
        (exceptions.StorageForkedError, RuntimeError),
        (exceptions.DatabaseFileError, OSError),
        (exceptions.DatabaseLockedError, OSError),
        (exceptions.DatabaseCorruptError, OSError),
        (exceptions.DatabaseNotFoundError, FileNotFoundError),
        (exceptions.DatabaseReadOnlyError, PermissionError),
        (exceptions.DatabasePermissionError, PermissionError),
        (exceptions.SchemaVersionError, OSError),
    ],
)
def test_errors_are_also_the_builtin_ones_that_callers_catch(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, builtin)
    assert issubclass(error, MixpanelDataError)
