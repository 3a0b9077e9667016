"""Opens a lake: a DuckDB in memory with the lake attached, and the locks of the lake."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

import duckdb

from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.paths import MEMORY
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.driver.time_zone import set_zone, without_zone
from mixpanel_data.dialect.lake import attaching
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.dialect.lake.locks import DEFAULT_TIMEOUT, Locks
from mixpanel_data.dialect.lake.opening import attach_or_create

#: The setting that prevents ATTACH and files, and the one with the folders where they are allowed.
_ACCESS, _FOLDERS = "enable_external_access", "allowed_directories"


class OpenLake(OpenDatabase):
    """A DuckDB with a lake attached.

    Args:
        driver: The connection that opened it.
        lake: The lake.
        locks: The locks of the lake.
        is_new: Whether the lake has just been created.
    """

    must_roll_back = True

    def __init__(
        self, driver: duckdb.DuckDBPyConnection, lake: Lake, locks: Locks, *, is_new: bool
    ) -> None:
        self._lake = lake
        self.locks = locks
        self.is_new = is_new
        super().__init__(driver)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the lake."""
        cursor = self._driver.cursor()
        attaching.use(cursor, self._lake)
        return cursor

    def close(self) -> None:
        """Close all connections, and let the locks go."""
        with suppress(duckdb.Error):
            self._driver.rollback()
        self._driver.close()
        self.locks.close()


def open_lake(lake: Lake, options: OpenOptions, folder: Path | None) -> OpenLake:
    """Open a lake, and create it in an empty database.

    Args:
        lake: The lake.
        options: How to open it.
        folder: Where temporary files go; None to keep everything in memory.

    Raises:
        LakeExtensionError: DuckDB lacks an extension.
        CatalogueUnavailableError: The catalog does not answer.
        LakeNotFoundError: There is no lake, and it may not be created.
        LakeError: It cannot be opened for another reason.
    """
    timeout = DEFAULT_TIMEOUT if options.lock_timeout is None else options.lock_timeout
    settings = {
        "autoinstall_known_extensions": False,  # no downloads unless asked for
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "temp_directory": "" if folder is None else str(folder / "tmp"),
        **without_zone(options.config),
    }
    access = str(options.config.get(_ACCESS, True))
    settings.pop(_ACCESS, None)
    with ExitStack() as undo, driver_errors():
        driver = duckdb.connect(MEMORY, config=settings)
        undo.callback(driver.close)
        # As DuckDB reads it, which takes "no" for false, too.
        ((has_access,),) = driver.execute("SELECT $1::BOOLEAN", [access]).fetchall()
        locks = Locks(lake, timeout)
        undo.callback(locks.close)
        is_new = attach_or_create(
            driver, lake, locks, read_only=options.read_only, may_create=not options.must_exist
        )
        attaching.use(driver, lake)
        driver.execute("DETACH memory")
        if not has_access:
            folders = [*options.config.get(_FOLDERS, ()), f"{lake.data_path}/"]
            driver.execute(f"SET GLOBAL {_FOLDERS} = $1", [folders])
            driver.execute(f"SET GLOBAL {_ACCESS} = false")
        set_zone(driver, options.config, everywhere=True)
        opened = OpenLake(driver, lake, locks, is_new=is_new)
        undo.pop_all()
    return opened
