"""What ``migrations/env.py`` does: run the revisions on a database of the caller's choice.

The database is, in this order: the connection in ``config.attributes["connection"]``, the file or
URL of ``-x db=…``, the URL in the environment variable ``MIXPANEL_DATA_URL``, ``sqlalchemy.url``.

The key of an encrypted file is in the environment variable ``MIXPANEL_DATA_ENCRYPTION_KEY``.

Everything happens in one transaction. A connection that is handed over is neither committed nor
checkpointed here. Commands that only look open the file read-only, so they never make one.
"""

from __future__ import annotations

import os
from contextlib import closing, nullcontext
from logging.config import fileConfig
from pathlib import Path
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection

from mixpanel_data.database import engines, error_translation, lake_opener, opener, paths
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.dialect.alembic.impl import register_duckdb
from mixpanel_data.dialect.lake.definition import is_lake
from mixpanel_data.exceptions import MixpanelDataError
from mixpanel_data.schema import alembic_operations, alembic_runner  # noqa: F401 (op.managed_tables)
from mixpanel_data.types import Secret


def database_url() -> URL:
    """Return the URL of the database to migrate."""
    arguments = context.get_x_argument(as_dictionary=True)
    given = arguments.get("db")
    url = os.environ.get("MIXPANEL_DATA_URL") or context.config.get_main_option("sqlalchemy.url")
    target = url if given is None else given
    if not target:
        raise CommandError(
            "Which database? Say -x db=PATH, or set MIXPANEL_DATA_URL or sqlalchemy.url."
        )
    try:
        return engines.database_url(target)
    except ValueError as error:
        raise CommandError(str(error)) from error


def is_read_only() -> bool:
    """Tell whether the command has no revision to go to, such as ``current`` and ``check``."""
    try:
        context.get_revision_argument()
    except KeyError:
        return True
    return False


def run(connection: Connection | None, *, read_only: bool = False, **options: Any) -> None:
    """Run the migrations in one transaction; read_only makes not even the version table."""
    context.configure(
        connection=connection,
        dont_mutate=read_only,
        **alembic_runner.options(connection),
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_on_file(url: URL, *, read_only: bool) -> None:
    """Run the migrations on a database of our own opening, and empty its write-ahead log."""
    if is_lake(url):
        run_on_lake(url, read_only=read_only)
        return
    try:
        settings, own = engines.url_options(url)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if own.pop("read_only", False) and not read_only:
        raise CommandError("The URL says read_only, but this command may change the database.")
    path = None if url.database in (None, paths.MEMORY) else Path(str(url.database))
    key = Secret.of(os.environ.get("MIXPANEL_DATA_ENCRYPTION_KEY") or None)
    try:
        opened = opener.open_database(path, read_only=read_only, config=settings, key=key, **own)
        with closing(opened), error_translation.file_errors(path or Path(paths.MEMORY)):
            plain = URL.create("duckdb+mixpanel", database=str(path or paths.MEMORY))
            engine = engines.make_engine(plain, opened.connect)
            with engine.begin() as connection:
                run(connection, read_only=read_only)
            if not read_only:
                engines.checkpoint(engine)
    except MixpanelDataError as error:
        raise CommandError(error.message) from error


def run_on_lake(url: URL, *, read_only: bool) -> None:
    """Run the migrations on a lake, while nobody else writes to it."""
    try:
        own, lake = engines.lake_options(url)
        opened = lake_opener.open_lake(
            lake, OpenOptions(read_only=read_only, lock_timeout=own.get("lock_timeout")), None
        )
        with closing(opened), error_translation.file_errors(lake):
            engine = engines.make_engine(lake.url, opened.connect)
            alone = nullcontext() if read_only else opened.locks.exclusive()
            with alone, engine.begin() as connection:
                run(connection, read_only=read_only)
    except (MixpanelDataError, ValueError) as error:
        raise CommandError(str(error)) from error


def run_environment() -> None:
    """Run what Alembic's command asks for, on the connection or the database that it names."""
    register_duckdb()
    config = context.config
    given: Connection | None = config.attributes.get("connection")
    if given is not None:
        run(given, read_only=is_read_only())
        return
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        run(None, url=database_url(), literal_binds=True)
    else:
        run_on_file(database_url(), read_only=is_read_only())
