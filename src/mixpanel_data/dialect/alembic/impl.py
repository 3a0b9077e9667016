"""Alembic's implementation class for DuckDB. Imported only where Alembic is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from alembic.ddl.base import AlterTable, ColumnComment, ColumnName, RenameTable
from alembic.ddl.impl import DefaultImpl
from sqlalchemy import (
    Column,
    Connection,
    Constraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import (
    AddConstraint,
    DropColumnComment,
    DropConstraint,
    SetColumnComment,
    conv,
)
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.alembic import batch, column_types, index_comparison, offline
from mixpanel_data.dialect.alembic.altering import alter_tables
from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.dialect.alembic.column_defaults import default_to_set, defaults_differ
from mixpanel_data.dialect.alembic.constraint_names import convention_of, conventional_name
from mixpanel_data.dialect.alembic.renaming import rename_by_copy
from mixpanel_data.dialect.base import MixpanelDialect
from mixpanel_data.dialect.driver.errors import is_refused_alter
from mixpanel_data.dialect.sql.ddl import next_value, own_sequence, sequence_of
from mixpanel_data.dialect.sql.indexes import warn_of_ignored

_ALTERING = (AlterTable, AddConstraint, DropConstraint)


def register_duckdb() -> None:
    """Register the dialect ``duckdb`` with Alembic, unless the application already has."""
    try:
        DefaultImpl.get_by_dialect(MixpanelDialect())
    except KeyError:
        type("RegisteredDuckDBImpl", (DuckDBImpl,), {"__dialect__": "duckdb"})


@compiles(ColumnComment, "duckdb")
def visit_column_comment(element: Any, compiler: Any, **kw: Any) -> str:
    """Write ``COMMENT ON COLUMN`` for ``op.alter_column(comment=)``."""
    table = Table(
        element.table_name,
        MetaData(),
        Column(element.column_name, comment=element.comment),
        schema=element.schema,
    )
    statement = SetColumnComment if element.comment is not None else DropColumnComment
    return str(compiler.process(statement(table.c[0])))


@compiles(RenameTable, "duckdb")
def visit_rename_table(element: Any, compiler: Any, **kw: Any) -> str:
    """Write ``ALTER TABLE … RENAME TO``, in which the new name has no schema."""
    old = compiler.preparer.format_table(
        Table(element.table_name, MetaData(), schema=element.schema)
    )
    return f"ALTER TABLE {old} RENAME TO {compiler.preparer.quote(element.new_table_name)}"


class DuckDBImpl(DefaultImpl):
    """Runs migrations on DuckDB, and compares models with the database."""

    transactional_ddl = True

    #: Columns of the table that a batch makes, which are renamed with it, and their new names.
    _renamed_last: Sequence[tuple[Column[Any], str]] = ()

    @property
    def _catalog(self) -> Connection | None:
        """The database to ask: none for ``--sql`` and for duckdb-engine's dialect."""
        asks = not self.as_sql and isinstance(self.dialect, MixpanelDialect)
        return self.connection if asks else None

    def _can(self, ability: str) -> bool:
        """Tell whether the dialect has an ability, or does not know of it."""
        return bool(getattr(self.dialect, ability, True))

    def _exec(self, construct: Any, *args: Any, **kw: Any) -> Any:
        """Run a statement, and say of an ``ALTER`` that DuckDB refuses what to use instead.

        Raises:
            CommandError: It would be printed for ``--sql``, but no DuckDB can run it.
        """
        if self.as_sql:
            offline.require_possible(construct)
        try:
            return super()._exec(construct, *args, **kw)
        except DBAPIError as error:
            if isinstance(construct, _ALTERING) and is_refused_alter(error.orig):
                error.add_detail(
                    "DuckDB does not alter a table so. Use op.batch_alter_table(), which recreates "
                    "it; autogenerate writes that with render_as_batch=True in env.py."
                )
            raise

    def add_column(self, table_name: str, column: Column[Any], **kw: Any) -> None:
        """Add a column to an existing table.

        Raises:
            InvalidRequestError: It has autoincrement. After a crash, DuckDB 1.5 cannot replay
                such a default from the WAL, and so cannot open the file.
        """
        if own_sequence(column, self.dialect.identifier_preparer) is not None:
            raise InvalidRequestError(
                f"Column {column.name!r} would count by itself, which only columns of a new table "
                f"can. Add it in op.batch_alter_table({table_name!r}), which makes one."
            )
        if not self._can("foreign_keys"):
            # Alembic adds what the table has of them afterwards.
            column.table.constraints -= column.table.foreign_key_constraints
        super().add_column(table_name, column, **kw)

    def drop_table(self, table: Table, **kw: Any) -> None:
        """Drop a table with its own sequences, found by reflection.

        In batch mode, the successor takes over the sequences. If its rows cannot be inserted, it
        goes with the transaction, in which nothing else can be done.
        """
        if batch.SUCCESSOR in table.info:
            return
        if batch.REPLACED in table.info:
            name = self.dialect.identifier_preparer.format_table(table)
            self._exec(f"DROP TABLE {name}")
            return
        connection = self._catalog
        if connection is not None and inspect(connection).has_table(table.name, table.schema):
            table = Table(
                table.name,
                MetaData(),
                schema=table.schema,
                autoload_with=connection,
                resolve_fks=False,
            )
        super().drop_table(table, **kw)

    def rename_table(
        self, old_table_name: str, new_table_name: str, schema: str | None = None
    ) -> None:
        """Rename a table with the sequences of its autoincrement columns.

        DuckDB can rename tables without indexes and foreign keys; any other one is copied.

        Raises:
            InvalidRequestError: Foreign keys refer to the table.
        """
        connection = self._catalog
        if connection is None or not rename_by_copy(
            connection, old_table_name, new_table_name, schema
        ):
            super().rename_table(old_table_name, new_table_name, schema)
        for column, name in self._renamed_last:
            self._exec(ColumnName(new_table_name, column.name, name, schema=schema))
            column.name = name
        self._renamed_last = ()

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        """Tell whether DuckDB refuses an operation of a batch as ``ALTER TABLE``."""
        connection = self._catalog
        return connection is not None and batch.requires_recreate(connection, batch_op)

    def prep_table_for_batch(self, batch_impl: Any, table: Table) -> None:
        """Complete the table that takes the place of another, or refuse before it begins."""
        self._renamed_last = batch.complete(
            self._catalog, self.dialect.identifier_preparer, batch_impl, table
        )

    def compare_type(self, inspector_column: Column[Any], metadata_column: Column[Any]) -> bool:
        """Tell whether two types differ; DuckDB compares them, because it knows all aliases."""
        process = self.dialect.type_compiler_instance.process
        columns = (inspector_column, metadata_column)
        return column_types.differ(self.bind, *(process(column.type) for column in columns))

    def compare_server_default(
        self,
        inspector_column: Column[Any],
        metadata_column: Column[Any],
        rendered_metadata_default: str | None,
        rendered_inspector_default: str | None,
    ) -> bool:
        """Tell whether two defaults have different values."""
        return defaults_differ(self.bind, self.dialect, inspector_column, metadata_column)

    def render_type(self, type_obj: TypeEngine[Any], autogen_context: Any) -> str | Literal[False]:
        """Render a type as what makes the same column again."""
        return column_types.render(self.dialect, type_obj, autogen_context)

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> Any:
        """Compare two indexes of one name, expressions included."""
        connection: Any = self.connection
        return index_comparison.compare(connection, metadata_index, reflected_index)

    def alter_column(
        self, table_name: str, column_name: str, *, type_: Any = None, **kw: Any
    ) -> None:
        """Change a column; PostgreSQL's ``USING`` is ignored, with a warning.

        The table is recreated where the catalog only widens types.
        """
        if kw.pop("postgresql_using", None) is not None:
            warn_of_ignored(f"column {column_name!r} of table {table_name!r}", "using")
        connection = self._catalog
        if "server_default" in kw:
            kw["server_default"] = default_to_set(
                connection, self.dialect, table_name, column_name, {**kw, "type_": type_}
            )
        if type_ is not None and connection is not None and not self._can("narrows_types"):
            changes = Changes()
            changes.change_type(column_name, type_)
            alter_tables(connection, [table_name], changes, set())
            type_ = None
        super().alter_column(table_name, column_name, type_=type_, **kw)

    def _compare_identity_default(
        self, metadata_identity: Any, inspector_identity: Any
    ) -> tuple[set[str], set[str], bool]:
        """Report no difference: an identity is a sequence, and reflected as a plain column."""
        return set(), set(), False

    def correct_for_autogen_constraints(
        self,
        conn_uniques: set[UniqueConstraint],
        conn_indexes: set[Index],
        metadata_unique_constraints: set[UniqueConstraint],
        metadata_indexes: set[Index],
    ) -> None:
        """Give the database's unique constraints the names that they have in the models.

        DuckDB drops the names, so constraints are matched by their columns. Others get the name
        of a convention: Alembic drops none without a name.
        """
        names = {
            frozenset(unique.columns.keys()): unique.name for unique in metadata_unique_constraints
        }
        for unique in conn_uniques:
            columns = frozenset(unique.columns.keys())
            unique.name = names[columns] if columns in names else self._name(unique)

    def _name(self, constraint: Constraint) -> Any:
        models = self.context_opts.get("target_metadata")
        given = models.naming_convention if isinstance(models, MetaData) else None
        return conv(conventional_name(constraint, convention_of(given)))

    def correct_for_autogen_foreignkeys(
        self,
        conn_fks: set[ForeignKeyConstraint],
        metadata_fks: set[ForeignKeyConstraint],
    ) -> None:
        """Compare no foreign keys where the engine leaves them out of the database.

        Otherwise give those of the database the options of the models, which DuckDB does not have.
        """
        if not self._can("foreign_keys"):
            conn_fks.clear()
            metadata_fks.clear()
        declared = {tuple(key.column_keys): key for key in metadata_fks}
        for key in conn_fks:
            if (model := declared.get(tuple(key.column_keys))) is not None:
                key.ondelete, key.onupdate = model.ondelete, model.onupdate
                key.deferrable, key.initially = model.deferrable, model.initially
            else:
                key.name = self._name(key)

    def autogen_column_reflect(self, inspector: Any, table: Table, column_info: Any) -> None:
        """Leave out the default of an autoincrement column, which no model has.

        Alembic 1.13 does not call this for tables that only foreign keys refer to.
        """
        own = next_value(sequence_of(table, column_info["name"]), self.dialect.identifier_preparer)
        if str(column_info["default"]) == own:
            column_info["default"] = None


register_duckdb()
