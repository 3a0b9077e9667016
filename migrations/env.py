"""Alembic's environment for the library's own tables.

The database is, in this order: the connection in ``config.attributes["connection"]``, the file of
``-x db=PATH``, the URL in the environment variable ``MIXPANEL_DATA_URL``, ``sqlalchemy.url``.
"""

from __future__ import annotations

import os
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, make_url, pool

from mixpanel_data.dialect.alembic import register_duckdb
from mixpanel_data.tables import INTERNAL, VERSION_TABLE

config = context.config


def database_url() -> URL:
    """Return the URL of the database to migrate."""
    if path := context.get_x_argument(as_dictionary=True).get("db"):
        return URL.create("duckdb+mixpanel", database=path)
    if url := os.environ.get("MIXPANEL_DATA_URL") or config.get_main_option("sqlalchemy.url"):
        return make_url(url)
    raise CommandError(
        "Which database? Say -x db=PATH, or set MIXPANEL_DATA_URL or sqlalchemy.url."
    )


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Look at our own tables only; all others belong to the application."""
    return kind != "table" or name in INTERNAL.tables


def run(connection: Connection | None, **options: Any) -> None:
    """Run the migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=INTERNAL,
        version_table=VERSION_TABLE.name,
        version_table_pk=False,
        include_name=include_name,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


register_duckdb()
given: Connection | None = config.attributes.get("connection")
if given is not None:
    run(given)
else:
    if config.config_file_name is not None:
        fileConfig(config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        run(None, url=database_url(), literal_binds=True)
    else:
        engine = create_engine(database_url(), poolclass=pool.NullPool)
        with engine.connect() as opened:
            run(opened)
