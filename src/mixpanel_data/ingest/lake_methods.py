"""Methods of ``StorageEngine`` for lakes: snapshots, files, maintenance."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from mixpanel_data.common.choices import require
from mixpanel_data.common.names import check_table_name
from mixpanel_data.database.handle import Database
from mixpanel_data.exceptions import DeletedRowsError
from mixpanel_data.schema import catalog, lake_catalog, metadata_rows
from mixpanel_data.types import MaintenanceResult, Snapshot

#: How long snapshots are kept unless told otherwise.
KEEP = timedelta(days=7)

#: How old a file must be before it is deleted: a query or a load that runs may still need it.
GRACE = timedelta(hours=1)


class LakeMethods:
    """Methods of :class:`StorageEngine` for a :class:`Lake`."""

    _database: Database

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots of a lake that can be read, oldest first; a file has none.

        ``Lake(..., as_of=snapshot.id)`` reads one.

        Raises:
            CatalogueUnavailableError: The catalog does not answer.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     storage.snapshots()
            []
        """
        self._database.require_open()
        if not self._database.is_shared:
            return []
        with self._database.catalog_connection() as connection:
            return lake_catalog.snapshots(connection)

    def data_files(self, table: str) -> list[str]:
        """Return the Parquet files with the rows of a table in a lake, for other readers of them.

        A table in a database file has none.

        Args:
            table: The table.

        Raises:
            DeletedRowsError: Rows of the files have been deleted, which others would read:
                :meth:`maintain` writes such files anew.
            TableNotFoundError: There is no such table.
        """
        check_table_name(table)
        with self._database.catalog_connection() as connection:
            found = catalog.find_table(connection, table)
            if found is None:
                raise catalog.not_found(connection, table)
            files = lake_catalog.files(connection, found) if self._database.is_shared else []
        if any(deleted for _, deleted in files):
            raise DeletedRowsError(str(self._database.name), found)
        return [data for data, _ in files]

    def maintain(
        self, *, keep: timedelta = KEEP, grace: timedelta = GRACE, dry_run: bool = False
    ) -> MaintenanceResult:
        """Merge small files of a lake, expire old snapshots, and delete files that nobody needs.

        Others can load and query meanwhile: loads into a table wait while its files are merged.
        What was erased is gone once its snapshots have expired and ``grace`` is over after that:
        ``maintain(keep=timedelta(), grace=timedelta())`` does it at once, while nobody queries.

        Args:
            keep: How old a snapshot may get. The last one always stays.
            grace: How long a file is kept that no snapshot needs, for queries that still read it,
                and how old the files of a load must be that no commit followed. It must be longer
                than any query and the writing of any load take.
            dry_run: Change nothing, and tell what would be deleted now.

        Raises:
            TypeError: A time is no ``timedelta``.
            ValueError: The database is no lake, or a time is negative.
            LakePermissionError: The user may not write to the catalog.
            DatabaseReadOnlyError: The engine was opened read-only.
            TableLockedError: Another loader has a lock for too long.
            CatalogueUnavailableError: The catalog does not answer.
        """
        self._database.require_open()
        self._database.require_writable()
        if not self._database.is_shared:
            raise ValueError("Only a lake has maintenance, and this engine has a file or memory.")
        wanted = "a timedelta that is not negative, such as timedelta(days=7)"
        for name, age in {"keep": keep, "grace": grace}.items():
            require(name, age, timedelta, wanted, lambda age: age >= timedelta())
        merged = 0 if dry_run else self._merge()

        def before(age: timedelta) -> datetime:
            return datetime.now(timezone.utc) - age

        with self._database.alone(), self._database.own_autocommit() as connection:
            return MaintenanceResult(
                dry_run,
                merged,
                lake_catalog.expire_snapshots(connection, before(keep), dry_run=dry_run),
                lake_catalog.delete_old_files(connection, before(grace), dry_run=dry_run),
                lake_catalog.delete_orphaned_files(connection, before(grace), dry_run=dry_run),
            )

    def _merge(self) -> int:
        """Merge the metadata and the files of every table."""
        with self._database.write_transaction("") as connection:
            for name in catalog.managed_tables(connection):
                metadata_rows.compact(connection, name)
        with self._database.own_autocommit() as connection:
            merged = 0
            for schema, name in list(lake_catalog.tables(connection)):
                with self._database.beside_no_load(name):
                    merged += lake_catalog.merge_files(connection, schema, name)
        return merged
