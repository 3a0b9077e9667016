"""What is wrong with a database file, a folder, or the engine's hold on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from mixpanel_data.exceptions.base import MixpanelDataError


class StorageClosedError(MixpanelDataError, RuntimeError):
    """The engine was closed."""

    def __init__(self) -> None:
        super().__init__("This StorageEngine is closed. Open a new one to go on.")


class StorageForkedError(MixpanelDataError, RuntimeError):
    """A parent of this process has the database open: DuckDB does not survive a fork.

    Attributes:
        pid: The process that opened it.
        path: The file, where this process wanted to open it as well; otherwise None.
    """

    def __init__(self, pid: int, path: Path | None = None) -> None:
        what = "This StorageEngine" if path is None else str(path)
        super().__init__(
            f"{what} was open in process {pid} when this process was forked from it, and DuckDB "
            "does not survive a fork. Close it before the fork and open it in the child, or start "
            "processes with the 'spawn' or 'forkserver' method.",
            {"pid": pid, "path": None if path is None else str(path)},
        )
        self.pid = pid
        self.path = path


class SettingsError(MixpanelDataError, ValueError):
    """DuckDB refuses a setting of ``config``, or of the query of a URL, by name or value."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"A setting in config, or in the URL, cannot be used. DuckDB says: {problem} "
            "Its function duckdb_settings() lists names and values."
        )


class DatabaseFileError(MixpanelDataError, OSError):
    """A database file, or the folder it is in, cannot be used.

    Attributes:
        path: The file; for a lake, where its catalog is.
    """

    path: Any

    def __init__(
        self, path: Path | str, problem: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{path}: {problem}", {"path": str(path), **(details or {})})
        self.path = path


class DatabaseNotFoundError(DatabaseFileError, FileNotFoundError):
    """There is no database file at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no such file. StorageEngine(path) creates a database.")


class DatabaseExistsError(DatabaseFileError, FileExistsError):
    """There is a file where a copy was to be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "there already. Nothing was written. Choose another path, or use overwrite=True."
        )


class DatabaseLockedError(DatabaseFileError):
    """Another process has the file open, and had it for the whole ``lock_timeout``.

    Or this one has it open, by another name or with other settings.

    Attributes:
        pid: The process that holds it, None when unknown.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        if pid == os.getpid():
            problem = (
                "open in this process already, by another name or with another key. Use the engine "
                "that has it open, or the same path."
            )
        else:
            holder = "another process" if pid is None else f"process {pid}"
            problem = (
                f"in use by {holder}. Close it there, or wait for it with lock_timeout=seconds; "
                "several processes can read at once when all of them use read_only=True."
            )
        super().__init__(path, problem, {"pid": pid})
        self.pid = pid


class DatabaseInUseError(DatabaseFileError):
    """The file cannot be replaced, because something of this process uses it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, f"cannot be compacted while it is in use: {problem}")


class CompactionError(DatabaseFileError):
    """The database cannot be compacted; it is as it was."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, f"cannot be compacted: {problem}")


class DiskFullError(DatabaseFileError):
    """A database, its log or a temporary file cannot grow any more.

    Attributes:
        folder: The folder that the file is in.
        free_bytes: What is free there now, None when unknown.
    """

    def __init__(self, path: Path, free_bytes: int | None, problem: str) -> None:
        folder = path.absolute().parent
        free = "an unknown number of" if free_bytes is None else f"{free_bytes:,}"
        super().__init__(
            path,
            f"the disk is full, or the file has reached a limit; {folder} has {free} bytes free. "
            f"{problem}",
            {"folder": str(folder), "free_bytes": free_bytes},
        )
        self.folder = folder
        self.free_bytes = free_bytes


class DatabaseMovedError(DatabaseFileError):
    """The file was removed, renamed or replaced while it was open."""

    _advice: ClassVar[dict[str, str]] = {
        "write": "Nothing was written, for it would be lost. Read through this engine what you "
        "still need, such as with copy_table() or export(), then close it and open the right file.",
        "start a worker": "A new worker would read another one. Close this engine and open it "
        "again.",
        "begin": "It went while it was being opened. Open it again.",
        "open": "This process still has that one open, and DuckDB would give you that. Close its "
        "engines and connections, then open the file again.",
    }

    def __init__(
        self, path: Path, *, to: Literal["write", "start a worker", "begin", "open"] = "write"
    ) -> None:
        super().__init__(
            path,
            "no longer the file that was opened: somebody has removed, renamed or replaced it. "
            + self._advice[to],
        )


class DatabaseLinkError(DatabaseFileError):
    """Something beside the file leads elsewhere, where DuckDB would write.

    Attributes:
        path: What leads elsewhere: in place of the database's log or of its temporary files.
    """

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(
            path,
            f"{kind}, where DuckDB would write the log or temporary files of a database. Nothing "
            "was opened. Look where it leads, and remove it.",
        )


class DatabaseInvalidatedError(DatabaseFileError):
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
        advice = (
            "no DuckDB database. Nothing was changed. Check the path, or restore a copy; data in a "
            "file is loaded into a database with load_events_export() or load_profiles_export()."
        )
        super().__init__(path, problem, advice)


class DatabaseWalError(DatabaseCorruptError):
    """The write-ahead log beside the file is damaged, or that of another database.

    Or DuckDB can read it only where it may write, and the file was opened with ``read_only=True``.

    Attributes:
        log: The log. It holds what was committed since the last checkpoint.
    """

    _mending: ClassVar[str] = (
        "Bring back the log, or the database file, that belongs to the other. With read_only=True, "
        "open it once without: some logs can only be read by writing. Or move the log aside: what "
        "was committed after the last checkpoint, and is in the log only, is then lost."
    )
    _writing: ClassVar[str] = (
        "This log can only be read by writing, which needs room on the disk: open the database "
        "once without read_only=True. Leave the log where it is, for what was committed is in it."
    )

    def __init__(self, path: Path, log: Path, problem: str, *, needs_writing: bool = False) -> None:
        advice = self._writing if needs_writing else self._mending
        super().__init__(
            path,
            problem,
            f"cannot be opened with the log beside it, {log}. Nothing was changed. {advice}",
            {"log": str(log)},
        )
        self.log = log


class DatabaseReadOnlyError(DatabaseFileError, PermissionError):
    """A writing method was called on an engine opened with ``read_only=True``."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "opened with read_only=True. Open it without to write.")


class DatabasePermissionError(DatabaseFileError, PermissionError):
    """The system does not let us read or write the file, or its folder."""

    def __init__(self, path: Path, problem: str, *, said_by: str = "DuckDB") -> None:
        super().__init__(
            path,
            "not ours to open. To read it, use read_only=True, and it must be readable for this "
            f"user; to write it, it and {path.parent} must be writable. "
            f"{said_by} says: {problem}",
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
