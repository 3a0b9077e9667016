"""Every error the library raises: one tree, facts as attributes, messages built here.

The classes that concern a file or folder are also ``OSError``, those that concern a value the
caller gave are also ``ValueError``, so existing ``except`` clauses keep working. Every message ends
with what to do next, where there is something to do.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar, Literal


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


class QueryTimeoutError(QueryError):
    """A statement took longer than the sandbox allows. DuckDB has stopped working on it.

    Attributes:
        seconds: What it was allowed.
    """

    def __init__(self, seconds: float, query: str) -> None:
        super().__init__(
            f"Interrupted after {seconds:g} seconds. "
            "Ask for less at a time, or open the engine with Sandbox(timeout=...).",
            query,
        )
        self.seconds = seconds
        self.details["seconds"] = seconds


class OutOfMemoryError(QueryError):
    """DuckDB needs more memory, or more room in its temporary folder, than it may use."""

    def __init__(self, message: str, query: str) -> None:
        super().__init__(
            "DuckDB may not use the memory or the temporary disk space that this needs. In config, "
            "raise memory_limit or max_temp_directory_size, lower threads, or set "
            f"preserve_insertion_order to False. DuckDB says: {message}",
            query,
        )


class SandboxError(QueryError):
    """The sandbox does not allow a statement. It was not run.

    Attributes:
        refused: What is not allowed.
    """

    def __init__(self, refused: str, query: str) -> None:
        super().__init__(
            f"The sandbox refuses {refused}. Nothing was run. "
            "Use an engine without sandbox for SQL that you trust.",
            query,
        )
        self.refused = refused
        self.details["refused"] = refused


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
    """Another process has the file open, and had it for the whole ``lock_timeout``.

    Attributes:
        pid: The process that holds it, None when unknown.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            path,
            f"in use by {holder}. Close it there, or wait for it with lock_timeout=seconds; "
            "several processes can read at once when all of them use read_only=True.",
            {"pid": pid},
        )
        self.pid = pid


class DiskFullError(DatabaseFileError):
    """A database, its log or a temporary file cannot grow any more.

    Attributes:
        folder: The folder that the file is in.
        free_bytes: What is free there now, None when unknown.
    """

    def __init__(self, path: Path, free_bytes: int | None, problem: str) -> None:
        folder = path.parent
        free = "an unknown number of" if free_bytes is None else f"{free_bytes:,}"
        super().__init__(
            path,
            f"the disk is full, or the file has reached a limit; {folder} has {free} bytes free. "
            f"Make room there, then open the database again. DuckDB says: {problem}",
            {"folder": str(folder), "free_bytes": free_bytes},
        )
        self.folder = folder
        self.free_bytes = free_bytes


class DatabaseMovedError(DatabaseFileError):
    """The file was removed, renamed or replaced while it was open."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "no longer the file that was opened: somebody has removed, renamed or replaced it. "
            "Nothing was written, for it would be lost. Read through this engine what you still "
            "need, then close it and open the right file.",
        )


class DatabaseStoppedError(DatabaseFileError):
    """DuckDB works on the open database no longer, after an error that it could not undo."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            path,
            "DuckDB has stopped working on it after an error. Close the engine and open a new "
            f"one: what was committed is kept. DuckDB says: {problem}",
        )


class DatabaseCorruptError(DatabaseFileError):
    """The file is damaged, or no DuckDB database at all."""

    def __init__(
        self,
        path: Path,
        problem: str,
        advice: str = "damaged. Restore a copy, or load the data again into another file.",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(path, f"{advice} DuckDB says: {problem}", details)


class NotADatabaseError(DatabaseCorruptError):
    """The file does not begin as a DuckDB database does: it never was one, or is overwritten."""

    def __init__(self, path: Path, problem: str) -> None:
        advice = "no DuckDB database. Nothing was changed. Check the path, or restore a copy."
        super().__init__(path, problem, advice)


class DatabaseLogError(DatabaseCorruptError):
    """The write-ahead log beside the file is damaged, or that of another database.

    Attributes:
        log: The log. It holds what was committed since the last checkpoint.
    """

    def __init__(self, path: Path, log: Path, problem: str) -> None:
        super().__init__(
            path,
            problem,
            f"cannot be opened with the log beside it, {log}. Nothing was changed. Bring back the "
            "log, or the database file, that belongs to the other. Or move the log aside: what was "
            "committed after the last checkpoint, and is in the log only, is then lost.",
            {"log": str(log)},
        )
        self.log = log


class DatabaseReadOnlyError(DatabaseFileError, PermissionError):
    """A writing method was called on an engine opened with ``read_only=True``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "opened with read_only=True. Open it without to write.")


class DatabasePermissionError(DatabaseFileError, PermissionError):
    """The system does not let us read or write the file, or its folder."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            path,
            "not ours to open. To read it only, use read_only=True; to write it, make the file and "
            f"{path.parent} writable for this user. DuckDB says: {problem}",
        )


class DatabaseFormatError(DatabaseFileError):
    """The file was written by a newer DuckDB than the one installed."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            path,
            "written by a newer DuckDB. Nothing was changed. Update it: "
            f"pip install --upgrade duckdb. DuckDB says: {problem}",
        )


#: How a key and a file do not fit.
KeyState = Literal["missing", "wrong", "needless"]


class EncryptionKeyError(DatabaseFileError):
    """The file is encrypted and the key is missing or wrong, or it is not and there is one.

    Attributes:
        state: ``"missing"``, ``"wrong"`` or ``"needless"``.
    """

    _problems: ClassVar[dict[KeyState, str]] = {
        "missing": "encrypted. Open it with encryption_key.",
        "wrong": "encrypted with another key. Without that key nobody can read it.",
        "needless": "not encrypted. Open it without encryption_key; to encrypt its tables, copy "
        "them into a new file.",
    }

    def __init__(self, path: Path, state: KeyState) -> None:
        super().__init__(path, f"{self._problems[state]} Nothing was changed.", {"state": state})
        self.state = state


class EncryptionUnavailableError(DatabaseFileError):
    """This DuckDB cannot write encrypted files; reading with ``read_only=True`` it can."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "cannot be encrypted, because DuckDB's extension httpfs, which does that, is not "
            "there for this version of DuckDB. Nothing was written. Install both with pip install "
            "'mixpanel_data[encryption]', or let DuckDB download it: "
            "python -c 'import duckdb; duckdb.sql(\"INSTALL httpfs\")'",
        )


# Schema versions


def _upgrade_command(path: Path) -> str:
    """Return a command for the shell that works wherever the library is installed."""
    call = f"from mixpanel_data import migrate; migrate.upgrade({json.dumps(str(path.absolute()))})"
    return shlex.join(["python", "-c", call])


class SchemaVersionError(DatabaseFileError):
    """The tables in the file are not of the version this library works with.

    Attributes:
        found: The revision in the file, None when it has none.
        expected: The revision this library works with.
        command: The command for the shell that comes next, None when there is none.
    """

    #: What is wrong; ``{found}`` and ``{expected}`` are filled in.
    problem: ClassVar[str]

    def __init__(self, path: Path, found: str | None, expected: str, more: str = "") -> None:
        self.found = found
        self.expected = expected
        self.command = self._command(path)
        problem = self.problem.format(found=found or "none", expected=expected)
        super().__init__(
            path,
            " ".join(filter(None, [problem, more, self.command])),
            {"found": found, "expected": expected, "command": self.command},
        )

    def _command(self, path: Path) -> str | None:
        return None


class SchemaOlderError(SchemaVersionError):
    """The file has an older revision than this library works with."""

    problem = (
        "has schema revision {found}, this library works with {expected}. Nothing was changed. "
        "Open it with migrate=True, or upgrade it:"
    )

    def _command(self, path: Path) -> str:
        return _upgrade_command(path)


class SchemaUnversionedError(SchemaVersionError):
    """The file has our internal table but no revision: the original library made it."""

    problem = (
        "holds Mixpanel tables without a schema revision, as the original mixpanel_data made "
        "them; this library works with {expected}. Nothing was changed. Nothing gets lost when "
        "you open it with migrate=True, or upgrade it:"
    )

    def _command(self, path: Path) -> str:
        return _upgrade_command(path)


class SchemaNewerError(SchemaVersionError):
    """The file has a revision that this library does not know."""

    problem = (
        "has schema revision {found}, which this library does not know; it works with {expected}. "
        "Nothing was changed. Update the library:"
    )

    def _command(self, path: Path) -> str:
        return "pip install --upgrade mixpanel_data"


class SchemaForeignError(SchemaVersionError):
    """The file has a table of the name of our internal one that is somebody else's."""

    problem = (
        "has a table _metadata that is not this library's, which works with revision {expected}. "
        "Nothing was changed. Rename that table, or use another file."
    )


class SchemaDriftError(SchemaVersionError):
    """Tables are not what the revision of the file says they are.

    Attributes:
        differences: A sentence for each, with table and column.
    """

    problem = (
        "says it has schema revision {found}, but is different. Nothing was changed. "
        "Change the tables back, or load their data into new ones:"
    )

    def __init__(
        self, path: Path, found: str | None, expected: str, differences: list[str]
    ) -> None:
        super().__init__(path, found, expected, " ".join(differences))
        self.differences = differences
        self.details["differences"] = differences


class MigrationError(SchemaVersionError):
    """A migration failed and was rolled back; its cause is chained."""

    problem = "could not be migrated from revision {found} to {expected}. Nothing was changed."


class RevisionError(MixpanelDataError, ValueError):
    """There is no such schema revision, or no way to it from here.

    Attributes:
        revision: As it was given.
    """

    def __init__(self, revision: str, problem: object) -> None:
        super().__init__(
            f"Cannot go to schema revision {revision!r}: {problem}. "
            "mixpanel_data.migrate.history() lists the revisions.",
            {"revision": revision},
        )
        self.revision = revision
