"""Every error the library raises: one tree, facts as attributes, messages built here.

The classes that concern a file or folder are also ``OSError``, those that concern a value the
caller gave are also ``ValueError``, so existing ``except`` clauses keep working. Every message ends
with what to do next, where there is something to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class MixpanelDataError(Exception):
    """Base of all errors of this library.

    Attributes:
        message: What happened and what to do next, for people.
        details: The same facts for programs.

    Example:
        >>> error = TableNotFoundError("events_jan")
        >>> error.details
        {'table_name': 'events_jan'}
    """

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details if details is not None else {}

    def __str__(self) -> str:
        """Return the message."""
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, because the subclasses build their messages themselves."""
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[MixpanelDataError], args: tuple[Any, ...]) -> MixpanelDataError:
    return kind.__new__(kind, *args)


# Tables and their metadata


class TableNameError(MixpanelDataError, ValueError):
    """A name that no table of ours can have.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: object) -> None:
        super().__init__(
            f"{table_name!r} cannot be the name of a table. "
            "Use letters A to Z, digits and underscores, not starting with an underscore.",
            {"table_name": table_name},
        )
        self.table_name = table_name


class TableExistsError(MixpanelDataError):
    """A table, or a view, of that name is there already.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: str) -> None:
        super().__init__(
            f"Table {table_name!r} exists already. "
            "Drop it with drop_table(), add to it with an append method, or choose another name.",
            {"table_name": table_name},
        )
        self.table_name = table_name


class TableNotFoundError(MixpanelDataError):
    """There is no such table.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: str) -> None:
        super().__init__(
            f"There is no table {table_name!r}. list_tables() names the tables there are.",
            {"table_name": table_name},
        )
        self.table_name = table_name


class MetadataError(MixpanelDataError, ValueError):
    """Metadata that is malformed or does not fit the table.

    Attributes:
        field: The field of ``TableMetadata`` that is wrong.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"TableMetadata.{field} {problem}", {"field": field})
        self.field = field


class WriteConflictError(MixpanelDataError):
    """Another connection changed the same table at the same time.

    Attributes:
        table_name: The table.
    """

    def __init__(self, table_name: str) -> None:
        super().__init__(
            f"Another connection is changing table {table_name!r}. Nothing was written: "
            "try again when it is done.",
            {"table_name": table_name},
        )
        self.table_name = table_name


# Records and queries


class RecordError(MixpanelDataError, ValueError):
    """A record that cannot be stored.

    Attributes:
        index: Position of the record in the input, from 0.
        field: The field that is wrong, None when it is the record as a whole.
    """

    def __init__(
        self, index: int, field: str | None, problem: str, details: dict[str, Any] | None = None
    ) -> None:
        where = f"Record {index}" if field is None else f"Record {index}, field {field!r}"
        super().__init__(f"{where}: {problem}", {"index": index, "field": field, **(details or {})})
        self.index = index
        self.field = field


class DuplicateRecordError(RecordError):
    """A record whose key is taken, when duplicates are to be refused.

    Attributes:
        key: The value that occurs again.
    """

    def __init__(self, index: int, field: str, key: str) -> None:
        super().__init__(
            index,
            field,
            f"{key!r} occurs already. Nothing was written: remove the record, or load with "
            "on_conflict='ignore' or 'replace'.",
            {"key": key},
        )
        self.key = key


class ExportLineError(RecordError):
    """A line of an export file that is no event or profile.

    Attributes:
        path: The file.
        line: Number of the line in the file, from 1.
    """

    def __init__(self, index: int, field: str | None, problem: str, path: Path, line: int) -> None:
        super().__init__(
            index, field, f"{problem} ({path}, line {line})", {"path": str(path), "line": line}
        )
        self.path = path
        self.line = line


class QueryError(MixpanelDataError):
    """The database refused a query; its own message is kept.

    ``details["query"]`` is the SQL. The values of parameters are not kept.
    """

    def __init__(self, message: str, query: str) -> None:
        super().__init__(message, {"query": query})


# The engine's own state


class StorageClosedError(MixpanelDataError, RuntimeError):
    """The engine was closed."""

    def __init__(self) -> None:
        super().__init__("This StorageEngine is closed. Open a new one to go on.")


class StorageForkedError(MixpanelDataError, RuntimeError):
    """The engine was opened by the parent of this process.

    Attributes:
        pid: The process that opened the engine.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"This StorageEngine belongs to process {pid}; DuckDB does not survive a fork. "
            "Open the engine in the child, or start processes with the 'spawn' method.",
            {"pid": pid},
        )
        self.pid = pid


# Files and folders


class DatabaseFileError(MixpanelDataError, OSError):
    """A database file, or the folder it is in, cannot be used.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, problem: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{path}: {problem}", {"path": str(path), **(details or {})})
        self.path = path


class DatabaseNotFoundError(DatabaseFileError, FileNotFoundError):
    """There is no database file at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no such file. StorageEngine(path) creates a database.")


class DatabaseLockedError(DatabaseFileError):
    """Another process has the file open.

    Attributes:
        pid: The process that holds it, None when unknown.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            path,
            f"in use by {holder}. Close it there; several processes can read at once "
            "when all of them open the file with read_only=True.",
            {"pid": pid},
        )
        self.pid = pid


class DatabaseCorruptError(DatabaseFileError):
    """The file is damaged, or no DuckDB database at all."""


class DatabaseReadOnlyError(DatabaseFileError, PermissionError):
    """A writing method was called on an engine opened with ``read_only=True``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "opened with read_only=True. Open it without to write.")


# Schema versions


class SchemaVersionError(DatabaseFileError):
    """The tables in the file are not of the version this library works with.

    Attributes:
        found: The revision in the file, None when it has none.
        expected: The revision this library works with.
    """

    def __init__(self, path: Path, found: str | None, expected: str, problem: str) -> None:
        super().__init__(path, problem, {"found": found, "expected": expected})
        self.found = found
        self.expected = expected


class SchemaUnversionedError(SchemaVersionError):
    """The file has our internal table but no revision."""

    def __init__(self, path: Path, expected: str) -> None:
        super().__init__(
            path,
            None,
            expected,
            "holds Mixpanel tables without a schema revision. Nothing was changed. "
            "Load the data into a new file, or open the file with duckdb.connect().",
        )


class SchemaUnknownError(SchemaVersionError):
    """The file has a revision that this library does not know."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            path,
            found,
            expected,
            f"has schema revision {found!r}, this library works with {expected!r}. "
            "Nothing was changed. Update the library: pip install --upgrade mixpanel_data.",
        )
