"""The operation ``op.managed_tables`` of version scripts. Imported only by ``env.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from alembic.operations import Operations
from alembic.util import CommandError

from mixpanel_data.dialect.alembic.altering import alter_tables
from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.schema.catalog import managed_tables

#: The option in which the running migration keeps the names of the tables it has updated.
_UPDATED = "mixpanel_data_updated"


@Operations.register_operation("managed_tables")
class ManagedTables:
    """Registers ``op.managed_tables`` with Alembic."""

    @classmethod
    def managed_tables(
        cls, operations: Operations, kind: str, *, only: str | None = None
    ) -> AbstractContextManager[Changes]:
        """Change every events table, or every profiles table, whatever its name.

        The changes of a block are made together, table by table, in the transaction of the
        migration: with a direct ``ALTER TABLE`` where DuckDB can, else by recreating the table
        with its keys, comments, indexes and the order of its rows. Tables without metadata do
        not change.

        Args:
            operations: Given by Alembic.
            kind: ``"events"`` or ``"profiles"``.
            only: The table of that kind to change, None for all of them.

        Raises:
            CommandError: With ``--sql``: the tables are not known without a database.

        Example:
            >>> import sqlalchemy as sa
            >>> from alembic import op
            >>> def upgrade():
            ...     with op.managed_tables("events") as events:
            ...         events.add_column(sa.Column("source", sa.String), fill="'export'")
            ...         events.rename_column("event_name", "name")
        """
        return _changing(operations, kind, only)


@contextmanager
def _changing(operations: Operations, kind: str, only: str | None) -> Iterator[Changes]:
    context = operations.migration_context
    if context.as_sql:
        raise CommandError("Which tables there are is not known without a database: no --sql.")
    changes = Changes()
    yield changes
    connection = operations.get_bind()
    found = managed_tables(connection).items()
    names = [name for name, type_ in found if type_ == kind and only in (None, name)]
    alter_tables(connection, names, changes, context.opts.setdefault(_UPDATED, set()))
