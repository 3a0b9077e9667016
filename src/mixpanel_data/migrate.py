"""Migrations from Python: look at the schema of a database, take it up and down, check it.

A target is the path of a file, a URL such as ``duckdb+mixpanel:///events.db``, a ``Lake``, a
SQLAlchemy engine with that dialect, or a ``StorageEngine``. Every migration is one transaction over
the internal table and all events and profiles tables: it happens as a whole or not at all.

Example:
    >>> from mixpanel_data import StorageEngine, migrate
    >>> with StorageEngine.memory() as storage:
    ...     migrate.status(storage).state
    'current'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlalchemy import URL, Connection, Engine

from mixpanel_data.database import engines, error_translation, lake_opener, opener, paths
from mixpanel_data.database.backup import copy_database, name_beside
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.paths import MEMORY
from mixpanel_data.dialect.lake.definition import Lake, is_lake, refuse_motherduck
from mixpanel_data.dialect.lake.locks import Locks
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.exceptions import (
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    SchemaDriftError,
)
from mixpanel_data.schema import catalog, versions
from mixpanel_data.schema.tables import INTERNAL_NAMES, MANAGED
from mixpanel_data.storage import StorageEngine
from mixpanel_data.types import MigrationResult, SchemaRevision, SchemaStatus, Secret

Target = str | os.PathLike[str] | URL | Engine | StorageEngine | Lake


def status(
    target: Target, *, encryption_key: str | Secret | None = None, lock_timeout: float = 0
) -> SchemaStatus:
    """Tell how a database compares with what this library works with. Changes nothing.

    Args:
        target: Path, URL, engine or ``StorageEngine``.
        encryption_key: The key of a file that is encrypted, given by path or URL.
        lock_timeout: Seconds to wait while another process has the file open, given likewise.

    Raises:
        DatabaseNotFoundError: There is no such file.
        DatabaseFileError: It cannot be opened; the subclass says why.
        ValueError: The target is no DuckDB database.

    Example:
        >>> from mixpanel_data import StorageEngine, migrate
        >>> with StorageEngine.memory() as storage:
        ...     migrate.status(storage).tables
        []
    """
    encryption_key = Secret.of(encryption_key)
    with (
        _opened(target, read_only=True, key=encryption_key, wait=lock_timeout) as (engine, _, _),
        engine.connect() as connection,
    ):
        version = versions.version_of(connection)
        is_foreign = version.state == "foreign"
        return SchemaStatus(
            state=version.state,
            revision=version.revision,
            head=versions.HEAD,
            tables=[] if is_foreign else list(catalog.managed_tables(connection)),
            unrecorded=[] if is_foreign else catalog.unrecorded_tables(connection),
        )


def upgrade(
    target: Target,
    revision: str = "head",
    *,
    backup: bool = False,
    encryption_key: str | Secret | None = None,
    lock_timeout: float = 0,
) -> MigrationResult:
    """Take a database up to a revision, all tables in one transaction.

    A file of the original library is adopted. A database without tables of ours gets them. Where
    there is nothing to do, nothing is done.

    Args:
        target: Path, URL, engine or ``StorageEngine``.
        revision: The revision to go to; ``"+1"`` is the next one.
        backup: Copy the database first, beside its file, unless there is nothing to do; the copy
            is never removed. What others commit between the copy and the migration is in the file
            only.
        encryption_key: As for :func:`status`. The copy is encrypted as well.
        lock_timeout: As for :func:`status`.

    Returns:
        The revisions before and after, the tables left alone, and the copy.

    Raises:
        SchemaNewerError: The database is newer than this library.
        SchemaForeignError: Another program created a table with the name of our internal one.
        RevisionError: There is no such revision above. It is a ``ValueError``.
        MigrationError: It failed. The database is as it was.
        DatabaseFileError: The file cannot be opened or copied; the subclass says why.
        ValueError: The target is no DuckDB database, or one in memory, which has no file to copy.

    Example:
        >>> from mixpanel_data import StorageEngine, migrate
        >>> StorageEngine("old.db").close()
        >>> migrate.upgrade("old.db").after == migrate.status("old.db").head
        True
    """
    encryption_key = Secret.of(encryption_key)
    return _migrate(
        target, revision, down=False, backup=backup, key=encryption_key, wait=lock_timeout
    )


def downgrade(
    target: Target,
    revision: str,
    *,
    backup: bool = False,
    encryption_key: str | Secret | None = None,
    lock_timeout: float = 0,
) -> MigrationResult:
    """Take a database down to a revision, all tables in one transaction.

    What the older tables have no place for is lost; every revision says so in its summary. At
    ``"base"`` the internal table is gone, and events and profiles tables are tables like others.

    Args:
        target: Path, URL, engine or ``StorageEngine``; the latter can only query afterwards.
        revision: The revision to go to; ``"-1"`` is the one before, ``"base"`` before the first.
        backup: As for :func:`upgrade`.
        encryption_key: As for :func:`status`.
        lock_timeout: As for :func:`status`.

    Returns:
        As :func:`upgrade`.

    Raises:
        SchemaUnversionedError: The database has no revision.
        MixpanelDataError: Otherwise as :func:`upgrade`.

    Example:
        >>> from mixpanel_data import StorageEngine, migrate
        >>> StorageEngine("events.db").close()
        >>> migrate.downgrade("events.db", "0001").after
        '0001'
    """
    encryption_key = Secret.of(encryption_key)
    return _migrate(
        target, revision, down=True, backup=backup, key=encryption_key, wait=lock_timeout
    )


def check(
    target: Target, *, encryption_key: str | Secret | None = None, lock_timeout: float = 0
) -> None:
    """Make sure that the tables of a database are what its revision says. Changes nothing.

    Property columns are compared with their documents, which reads the tables that have some.

    Args:
        target: Path, URL, engine or ``StorageEngine``.
        encryption_key: As for :func:`status`.
        lock_timeout: As for :func:`status`.

    Raises:
        SchemaVersionError: The database is not at head; the subclass says why.
        SchemaDriftError: A table has been changed; ``differences`` names tables and columns.
        DatabaseFileError: The file cannot be opened; the subclass says why.

    Example:
        >>> from mixpanel_data import StorageEngine, migrate
        >>> with StorageEngine.memory() as storage:
        ...     migrate.check(storage)
    """
    from mixpanel_data.schema import alembic_runner, property_lifecycle

    encryption_key = Secret.of(encryption_key)
    with (
        _opened(target, read_only=True, key=encryption_key, wait=lock_timeout) as (engine, path, _),
        engine.connect() as connection,
    ):
        version = versions.version_of(connection)
        versions.refuse(version, path, engine.url)
        if version.revision is None:
            return
        found = alembic_runner.differences(connection) or property_lifecycle.drift(connection)
        if found:
            raise SchemaDriftError(path, version.revision, versions.HEAD, found)


def history(
    target: Target | None = None,
    *,
    encryption_key: str | Secret | None = None,
    lock_timeout: float = 0,
) -> list[SchemaRevision]:
    """Return the revisions that this library knows, oldest first.

    Args:
        target: Tell which of them this database has.
        encryption_key: As for :func:`status`.
        lock_timeout: As for :func:`status`.

    Raises:
        DatabaseFileError: The file cannot be opened; the subclass says why.

    Example:
        >>> from mixpanel_data import migrate
        >>> migrate.history()[0].revision
        '0001'
    """
    from mixpanel_data.schema import alembic_runner

    encryption_key = Secret.of(encryption_key)
    steps = alembic_runner.history()
    known = [revision for revision, _, _ in steps]
    has: list[str] | None = None
    if target is not None:
        now = status(target, encryption_key=encryption_key, lock_timeout=lock_timeout)
        has = known if now.state == "newer" else known[: _place(known, now.revision)]
    return [
        SchemaRevision(revision, follows, summary, None if has is None else revision in has)
        for revision, follows, summary in steps
    ]


def _place(known: list[str], revision: str | None) -> int:
    return 0 if revision is None else known.index(revision) + 1


def exclude_managed(
    connection: Connection | None,
    *,
    include_name: Callable[[str | None, str, Any], bool] | None = None,
    include_object: Callable[[Any, str | None, str, bool, Any], bool] | None = None,
) -> dict[str, Callable[..., bool]]:
    """Return options for Alembic with which it leaves the library's tables alone.

    For the ``env.py`` of an application that shares the file. Excluded are the internal tables and
    the events and profiles tables, whether the library made them, ``metadata.create_all()`` did, or
    a class of the application's own metadata with a mixin is mapped to them.

    Args:
        connection: The connection that ``env.py`` configures Alembic with; None for ``--sql``.
        include_name: The application's own hook for the other names.
        include_object: The application's own hook for the other objects.

    Returns:
        The arguments ``include_name`` and ``include_object`` of ``context.configure()``.

    Example:
        >>> from mixpanel_data import StorageEngine, migrate
        >>> with StorageEngine.memory() as storage, storage.engine.connect() as connection:
        ...     hooks = migrate.exclude_managed(connection)
        >>> [hooks["include_name"](name, "table", {}) for name in ("_metadata", "orders")]
        [False, True]
    """
    managed = set(INTERNAL_NAMES)
    if connection is not None:
        in_transaction = connection.in_transaction()
        managed.update(catalog.managed_tables(connection))
        if not in_transaction:  # Alembic does not commit a transaction that it has not begun
            connection.rollback()
    names = {fold(name) for name in managed}

    def includes_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "table" and name is not None and fold(name) in names:
            return False
        return include_name is None or include_name(name, kind, parents)

    def includes_object(item: Any, name: str | None, kind: str, *rest: Any) -> bool:
        if kind == "table" and (MANAGED in item.info or fold(item.name) in names):
            return False
        return include_object is None or include_object(item, name, kind, *rest)

    return {"include_name": includes_name, "include_object": includes_object}


def _migrate(
    target: Target, revision: str, *, down: bool, backup: bool, key: Secret | None, wait: float
) -> MigrationResult:
    from mixpanel_data.schema import alembic_runner

    with _opened(target, read_only=False, key=key, wait=wait) as (engine, path, alone):
        copy = None
        if backup:
            if not isinstance(path, Path) or str(path) == MEMORY:
                kind = "database in memory" if isinstance(path, Path) else "lake"
                raise ValueError(f"A {kind} has no file to copy. Leave out backup=True.")
            if _moves(engine, revision, down=down):
                copy = _copied(target, engine, path, key)
        with alone(), engine.connect() as connection, connection.begin():
            before = versions.version_of(connection)
            if before.state in ("newer", "foreign") or (down and before.state == "unversioned"):
                versions.refuse(before, path, engine.url)
            run = alembic_runner.downgrade if down else alembic_runner.upgrade
            run(connection, path, revision)
            after = versions.version_of(connection)
            unrecorded = catalog.unrecorded_tables(connection)
        if after != before:
            engines.checkpoint(engine)
    return MigrationResult(before.revision, after.revision, unrecorded, copy)


def _moves(engine: Engine, revision: str, *, down: bool) -> bool:
    """Tell whether a migration would change the revision of a database."""
    from mixpanel_data.schema import alembic_runner

    with engine.connect() as connection:
        version = versions.version_of(connection)
    if version.state in ("newer", "foreign"):
        return False  # refused below
    return alembic_runner.moves(version.revision, revision, down=down)


def _copied(target: Target, engine: Engine, path: Path, key: Secret | None) -> Path:
    """Copy a database beside itself."""
    if isinstance(target, StorageEngine):
        return target.backup(name_beside(path))
    return copy_database(engine, name_beside(path), read_only=False, key=key)


class _Opened(NamedTuple):
    """An open target.

    Attributes:
        engine: Its engine.
        name: The file, or what messages call it.
        alone: Keeps other writers away in a block; those of a file are away anyway.
    """

    engine: Engine
    name: Path | str
    alone: Callable[[], AbstractContextManager[object]] = nullcontext


@contextmanager
def _opened(
    target: Target, *, read_only: bool, key: Secret | None, wait: float
) -> Iterator[_Opened]:
    """Open a target, unless it is open already; what its driver raises becomes our errors."""
    if isinstance(target, StorageEngine | Engine):
        if key is not None:
            raise ValueError(f"{target!r} is open already. Leave out encryption_key.")
        with _open_already(target, read_only=read_only, wait=wait) as opened:
            yield opened
        return
    lake = target if isinstance(target, Lake) else _lake_url(target)
    if lake is not None:
        with _opened_lake(lake, read_only=read_only, wait=wait) as opened:
            yield opened
        return
    file_url = engines.database_url(cast("str | os.PathLike[str] | URL", target))
    path = _existing(file_url)
    config, own = engines.url_options(file_url)
    if own.pop("read_only", False) and not read_only:
        raise DatabaseReadOnlyError(path)
    options: dict[str, Any] = {"lock_timeout": wait} | own
    database = opener.open_database(path, read_only=read_only, config=config, key=key, **options)
    with closing(database), error_translation.file_errors(path):
        plain = URL.create("duckdb+mixpanel", database=str(path))
        yield _Opened(engines.make_engine(plain, database.connect), path)


def _lake_url(target: object) -> URL | None:
    """Return the URL of a lake that a target is, None for anything else."""
    if not isinstance(target, str | URL):
        return None
    refuse_motherduck(target)
    url = engines.database_url(target)
    return url if is_lake(url) else None


@contextmanager
def _opened_lake(target: Lake | URL, *, read_only: bool, wait: float) -> Iterator[_Opened]:
    own: dict[str, Any] = {}
    if isinstance(target, Lake):
        lake = target
    else:
        own, lake = engines.lake_options(target)
    if own.pop("read_only", False) and not read_only:
        raise DatabaseReadOnlyError(str(lake))
    options = OpenOptions(read_only=read_only, must_exist=True, **{"lock_timeout": wait} | own)
    opened = lake_opener.open_lake(lake, options, None)
    with closing(opened), error_translation.file_errors(lake):
        engine = engines.make_engine(lake.url, opened.connect)
        yield _Opened(engine, str(lake), opened.locks.exclusive)


@contextmanager
def _open_already(
    target: Engine | StorageEngine, *, read_only: bool, wait: float
) -> Iterator[_Opened]:
    if isinstance(target, StorageEngine):
        database = target._database
        if target.read_only and not read_only:
            raise DatabaseReadOnlyError(database.name)
        database.require_open()
        with error_translation.file_errors(database.place or Path(MEMORY)):
            name = database.name if database.place is not None else Path(MEMORY)
            yield _Opened(database.trusted, name, database.alone)
        return
    from mixpanel_data.dialect.base import MixpanelDialect

    if not isinstance(target.dialect, MixpanelDialect):
        raise ValueError(f"{target!r} has another dialect. Use one for duckdb+mixpanel:///PATH.")
    if is_lake(target.url):
        lake = Lake.from_url(target.url)
        with closing(Locks(lake, wait)) as locks, error_translation.file_errors(lake):
            yield _Opened(target, str(lake), locks.exclusive)
        return
    path = Path(target.url.database or MEMORY)
    with error_translation.file_errors(path):
        yield _Opened(target, path)


def _existing(url: URL) -> Path:
    path = Path(url.database or MEMORY)
    if not paths.exists(path):
        raise DatabaseNotFoundError(path)
    return path
