"""Opens a database: a plain file, an encrypted file, or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.common.database_files import ForeignFileError, NoFileError
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.forbidden import forbidden
from mixpanel_data.common.lock_waits import retry_while_locked
from mixpanel_data.common.open_files import Lease
from mixpanel_data.common.quoting import quoted
from mixpanel_data.common.sidecars import temporary_folder_of
from mixpanel_data.database import stale_files
from mixpanel_data.database.driver_failures import translated
from mixpanel_data.database.paths import MEMORY, exists
from mixpanel_data.database.permissions import SidecarFiles, find_sidecar_files
from mixpanel_data.database.unfinished import remove_unfinished
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.driver.time_zone import names_zone, set_zone, without_zone
from mixpanel_data.exceptions import (
    DatabaseFileError,
    DatabaseLockedError,
    DatabaseMovedError,
    NotADatabaseError,
    QueryError,
    SettingsError,
)
from mixpanel_data.types import Secret

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver.connection import Connection

_REPLACEMENTS = "python_enable_replacements"

#: Settings that prevent ATTACH.
_LOCKS = ("enable_external_access",)

_NAME = "SELECT database_name FROM system.main.duckdb_databases() WHERE path = ?"


class OpenDatabase:
    """An open database.

    Args:
        driver: The connection that opened it.
        file: The path of an attached database, None if it is the default database.

    Attributes:
        sidecar_files: The files beside it to keep private, None if there is no need.
        lease: Its lease in the registry of open files, None in memory.
    """

    #: Whether its connections have to be rolled back before they are closed.
    must_roll_back = False

    sidecar_files: SidecarFiles | None = None
    lease: Lease | None = None

    def __init__(self, driver: duckdb.DuckDBPyConnection, file: str | None = None) -> None:
        self._driver = driver
        self._file = file
        self._use = self._found()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the database."""
        cursor = self._driver.cursor()
        if self._use is not None:
            try:
                cursor.execute(self._use)
            except duckdb.CatalogException:  # the user's SQL renamed it
                self._use = self._found()
                cursor.execute(self._use or "")
        return cursor

    def _found(self) -> str | None:
        if self._file is None:
            return None
        with self._driver.cursor() as cursor:
            found = cursor.execute(_NAME, [self._file]).fetchone()
        return None if found is None else "USE " + quoted(found[0], '"')

    def connect(self) -> Connection:
        """Return a new connection of the dialect, for SQLAlchemy."""
        from mixpanel_data.dialect.driver.connection import Connection

        return Connection(self.cursor(), self.keep_private)

    def keep_private(self) -> None:
        """Keep the files beside it private; to be called before every statement and commit."""
        if self.sidecar_files is not None:
            self.sidecar_files.keep_private()

    def require_in_place(self) -> None:
        """Make sure that the file is still at its path.

        Raises:
            DatabaseMovedError: It was removed, renamed or replaced.
        """
        if self.lease is not None:
            self.lease.require_in_place()

    def close(self) -> None:
        """Close all connections to the database, and with them the file."""
        self._driver.close()
        if self.sidecar_files is not None:
            self.sidecar_files.remove()
        if self.lease is not None:
            self.lease.release()


def open_database(
    path: Path | None,
    *,
    read_only: bool,
    config: Mapping[str, Any],
    key: Secret | None = None,
    lock_timeout: float = 0,
) -> OpenDatabase:
    """Open a database file, or a database in memory.

    Args:
        path: The file, created if it does not exist and ``read_only`` is false; None for memory.
        read_only: Open the file read-only.
        config: DuckDB's settings, such as ``memory_limit``.
        key: The key of an encrypted file, or of one to create.
        lock_timeout: Seconds to wait while another process has the file open.

    Raises:
        DatabaseFileError: The file cannot be opened; the subclass says why.
        SettingsError: DuckDB refuses the settings.
    """
    return retry_while_locked(
        lambda: _open(path, read_only=read_only, config=config, key=key),
        lambda error: isinstance(error, DatabaseLockedError),
        lock_timeout,
    )


#: DuckDB puts the ending of the log before the first ``?`` of the path.
_NO_FOLDER = (
    "is in a folder with a ? in its name, where DuckDB can write no log. Move it elsewhere."
)


def _open(
    path: Path | None, *, read_only: bool, config: Mapping[str, Any], key: Secret | None
) -> OpenDatabase:
    if path is None:
        return _opened_by_duckdb(None, read_only=read_only, config=config, key=key)
    is_new = not exists(path)
    if "?" in str(path.resolve().parent) and not read_only:
        raise DatabaseFileError(path, _NO_FOLDER)
    stale_files.reject_links(path)
    stale_files.reject_orphaned_wal(path)
    with ExitStack() as undo:
        try:
            lease = Lease(str(path), read_only=read_only)
            undo.callback(lease.release)
            lease.require_database()
            opened = _opened_by_duckdb(path, read_only=read_only, config=config, key=key)
            undo.callback(opened.close)
            lease.confirm()
        except FileLockedError as error:
            raise DatabaseLockedError(path, error.pid) from None
        except ForeignFileError as error:
            raise NotADatabaseError(path, str(error)) from None
        except NoFileError as error:
            raise DatabaseFileError(path, error.problem) from None
        opened.lease = lease
        with _file_errors(path):
            if is_new:
                path.chmod(0o600)
            if not read_only:
                with opened.cursor() as cursor:
                    stale_files.remove_stale_temp_files(cursor, path.resolve())
                with suppress(OSError):  # a folder that may not be listed
                    remove_unfinished(path.resolve())
            # The WAL of an encrypted file is encrypted, too.
            opened.sidecar_files = find_sidecar_files(path, log=not read_only and key is None)
        undo.pop_all()
    return opened


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system at a file that DuckDB has opened into errors of this library."""
    try:
        yield
    except DatabaseFileError:
        raise
    except FileNotFoundError as error:
        raise DatabaseMovedError(path, to="begin") from error
    except OSError as error:
        ours = forbidden(path, error)
        raise ours or DatabaseFileError(path, f"cannot be opened. {error.strerror}.") from error


def _opened_by_duckdb(
    path: Path | None, *, read_only: bool, config: Mapping[str, Any], key: Secret | None
) -> OpenDatabase:
    try:
        with driver_errors():
            _try_zone(config)
            if path is None or key is None:
                # In a relative path, DuckDB would read "md:" or "sqlite:" as a database type.
                database = MEMORY if path is None else str(path.absolute())
                return _connect(database, read_only=read_only, config=config)
            return _attach(path, read_only=read_only, config=config, key=key)
    except duckdb.ConnectionException as error:
        raise DatabaseFileError(path or Path(MEMORY), f"cannot be opened. {error}") from error
    except duckdb.Error as error:
        ours = translated(error, path, "")
        # Nothing was asked yet: what is no problem of the file is one of the settings.
        raise (SettingsError(ours.message) if type(ours) is QueryError else ours) from error


def _try_zone(config: Mapping[str, Any]) -> None:
    """Set the time zone elsewhere first: a database is there already when it is set."""
    if names_zone(config):
        with duckdb.connect(MEMORY) as elsewhere:
            set_zone(elsewhere, config)


def _connect(database: str, *, read_only: bool, config: Mapping[str, Any]) -> OpenDatabase:
    settings = without_zone(config)
    # A query must not read a Python variable as a table. If possible, this is set after opening:
    # another duckdb.connect() of the application needs the same settings as this one.
    later = not config.keys() & {_REPLACEMENTS, "lock_configuration"}
    if not later:
        settings.setdefault(_REPLACEMENTS, False)
    driver = duckdb.connect(database, read_only=read_only, config=settings)
    if later:
        driver.execute(f"SET GLOBAL {_REPLACEMENTS} = false")
    set_zone(driver, config, everywhere=True)
    return OpenDatabase(driver)


def _attach(path: Path, *, read_only: bool, config: Mapping[str, Any], key: Secret) -> OpenDatabase:
    """Open an encrypted file with ATTACH, because DuckDB accepts a key nowhere else."""
    file = str(path.resolve())  # as DuckDB resolves a file that it opens directly
    settings = {
        "autoinstall_known_extensions": False,  # no downloads unless asked for
        "temp_directory": str(temporary_folder_of(file)),
        "temp_file_encryption": True,  # by default, temporary files are not encrypted
        _REPLACEMENTS: False,
        **without_zone(config),
    }
    locks = {name: settings.pop(name) for name in _LOCKS if name in settings}
    driver = duckdb.connect(MEMORY, config=settings)
    try:
        with suppress(duckdb.IOException):  # not installed: DuckDB raises if it needs it
            driver.load_extension(_cipher())
        # DuckDB names a database after its file, but the default one is named "memory".
        name = " AS memory_db" if path.name.lower().split(".")[0] == "memory" else ""
        mode = ", READ_ONLY" if read_only else ""
        driver.execute(
            f"ATTACH {quoted(file)}{name} (ENCRYPTION_KEY $key{mode})", {"key": key.escaped()}
        )
        opened = OpenDatabase(driver, file)
        with opened.cursor() as cursor:
            cursor.execute("DETACH memory")
            for name, value in locks.items():
                cursor.execute(f"SET GLOBAL {name} = {quoted(str(value))}")
            set_zone(cursor, config, everywhere=True)
        return opened
    except BaseException:
        driver.close()
        raise


def _cipher() -> str:
    """Return the extension that DuckDB encrypts with: that from PyPI, else the installed one."""
    spec = find_spec("duckdb_extension_httpfs")
    for folder in spec.submodule_search_locations or () if spec else ():
        file = Path(folder, "extensions", f"v{duckdb.__version__}", "httpfs.duckdb_extension")
        if file.exists():
            return str(file)
    return "httpfs"
