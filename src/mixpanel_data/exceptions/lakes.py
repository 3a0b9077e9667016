"""What is wrong with a lake: its catalog, its files, the extensions for it, its locks."""

from __future__ import annotations

from typing import Any

from mixpanel_data.exceptions.base import MixpanelDataError


class LakeError(MixpanelDataError, OSError):
    """A lake cannot be opened or used.

    Attributes:
        lake: Where its catalog is, without secrets.
    """

    def __init__(self, lake: str, problem: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{lake}: {problem}", {"lake": lake, **(details or {})})
        self.lake = lake


class LakeNotFoundError(LakeError, FileNotFoundError):
    """There is no lake in the database, and none may be created."""

    def __init__(self, lake: str) -> None:
        super().__init__(
            lake, "there is no lake in this database. StorageEngine(Lake(...)) creates one."
        )


class CatalogueUnavailableError(LakeError):
    """The PostgreSQL database with the catalog of a lake does not answer, or refuses us.

    Attributes:
        host: The host.
        database: The database.
        problem: What PostgreSQL says.
    """

    def __init__(self, lake: str, host: str, database: str, problem: str) -> None:
        super().__init__(
            lake,
            "the catalog does not answer. What was committed is kept; whether a commit that was "
            "under way has happened is not known, and loading the same rows again adds none twice. "
            f"Check that PostgreSQL runs, and user and password. PostgreSQL says: {problem}",
            {"host": host, "database": database},
        )
        self.host = host
        self.database = database
        self.problem = problem


class TableLockedError(LakeError):
    """Another loader had the lock of a table for the whole ``lock_timeout``.

    Attributes:
        table_name: The table; empty for the whole lake.
        holder: Who has the lock: its program, process and address. None when unknown.
    """

    def __init__(self, lake: str, table_name: str, seconds: float, holder: str | None) -> None:
        what = f"table {table_name!r}" if table_name else "its tables"
        super().__init__(
            lake,
            f"{what} was locked for {seconds:g} seconds by {holder or 'another loader'}. Nothing "
            "was written. Wait for longer with lock_timeout=seconds, or end the other one.",
            {"table_name": table_name, "holder": holder},
        )
        self.table_name = table_name
        self.holder = holder


class LakePermissionError(LakeError, PermissionError):
    """The user of a lake may not read or write something in its catalog.

    Attributes:
        role: PostgreSQL's role, None for libpq's default.
        problem: What PostgreSQL says.
    """

    def __init__(self, lake: str, role: str | None, problem: str) -> None:
        who = "the user" if role is None else f"the role {role!r}"
        super().__init__(
            lake,
            f"{who} has no permission for that in PostgreSQL, which says: {problem}. Nothing was "
            "committed. Use a role that may, or GRANT it SELECT, and to write INSERT, UPDATE and "
            "DELETE, on the tables of the catalog; who only reads opens with read_only=True.",
            {"role": role},
        )
        self.role = role
        self.problem = problem


class DeletedRowsError(LakeError, ValueError):
    """Files of a table have rows that were deleted, which other readers would see.

    Attributes:
        table_name: The table.
    """

    def __init__(self, lake: str, table_name: str) -> None:
        super().__init__(
            lake,
            f"files of {table_name!r} have rows that were deleted. Call maintain() before.",
            {"table_name": table_name},
        )
        self.table_name = table_name


class LakeExtensionError(MixpanelDataError, ImportError):
    """DuckDB lacks an extension that lakes need, in the version of this DuckDB.

    Attributes:
        extension: DuckDB's name of the extension.
        duckdb_version: The version of DuckDB.
    """

    def __init__(self, extension: str, duckdb_version: str, available: list[str]) -> None:
        if available:
            there = f"The installed wheel is of DuckDB {', '.join(available)}. Install that one"
            advice = f"{there}: pip install duckdb=={available[-1]}"
        else:
            advice = "Install the wheels, and DuckDB in their version: pip install "
            advice += "'mixpanel_data[lake]'"
        super().__init__(
            f"DuckDB {duckdb_version} has no extension {extension!r}, which a lake needs. {advice}",
            {"extension": extension, "duckdb_version": duckdb_version, "available": available},
        )
        self.extension = extension
        self.duckdb_version = duckdb_version
