"""``CREATE`` and ``DROP`` for DuckDB.

DuckDB has neither ``SERIAL`` nor ``IDENTITY``, but it has sequences. An autoincrement column gets
its own sequence, named ``<table>_<column>_seq``, created and dropped by the same SQL text as the
table. Explicit values are accepted, even with ``Identity(always=True)``.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DefaultClause,
    ForeignKeyConstraint,
    Identity,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    TextClause,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropIndex, DropTable
from sqlalchemy.sql.compiler import IdentifierPreparer
from sqlalchemy.util import warn

from mixpanel_data.dialect.sql.defaults import default_in_duckdb
from mixpanel_data.dialect.sql.indexes import plain_index, postgresql_option, warn_of_ignored
from mixpanel_data.dialect.sql.names import sequence_name

#: What DuckDB does anyway: it refuses to change or delete a row that others refer to.
_NO_ACTIONS = {"NO ACTION", "RESTRICT"}


def own_sequence(column: Column[Any], preparer: IdentifierPreparer) -> Sequence | None:
    """Return the sequence of an autoincrement column, None for any other column.

    A reflected column has autoincrement if its default is the next value of such a sequence.
    """
    sequence = sequence_of(column.table, column.name)
    default = column.server_default
    if isinstance(default, Identity):
        return sequence
    if isinstance(default, DefaultClause):
        sql = default.arg.text if isinstance(default.arg, TextClause) else default.arg
        return sequence if sql == next_value(sequence, preparer) else None
    explicit = column.default is not None and not getattr(column.default, "optional", False)
    # Public only since SQLAlchemy 2.1, as autoincrement_column.
    counts = column is column.table._autoincrement_column and default is None and not explicit
    return sequence if counts else None


def sequence_of(table: Table, column: str) -> Sequence:
    """Return the sequence that a column has if it is an autoincrement column."""
    return Sequence(sequence_name(table.name, column), schema=table.schema)


def next_value(sequence: Sequence, preparer: IdentifierPreparer) -> str:
    """Return the SQL for the next value of a sequence."""
    return "nextval('{}')".format(preparer.format_sequence(sequence).replace("'", "''"))


def keep_counting(column: Column[Any], preparer: IdentifierPreparer) -> TextClause | None:
    """Return the default that counts on with the sequence that a column has, None without one."""
    sequence = own_sequence(column, preparer)
    return None if sequence is None else text(next_value(sequence, preparer).replace(":", "\\:"))


#: What runs in the place of DDL for something that a catalog without keys does not have.
_NOTHING = "SELECT 1 WHERE FALSE"


def counts_alone(default: str, column: str) -> bool:
    """Tell whether a default is the next value of the own sequence of some table's column."""
    end = f"_{column}_seq".replace('"', "_").replace("'", "''")
    return re.fullmatch(rf"nextval\('.*{re.escape(end)}\"?'\)", default, re.DOTALL) is not None


class DDLCompiler(PGDDLCompiler):
    """Compiles ``CREATE`` and ``DROP``.

    For a catalog without keys, such as DuckLake's, constraints but NOT NULL, indexes and
    compression of columns are left out.
    """

    @property
    def _has_keys(self) -> bool:
        return bool(self.dialect.supports_keys)  # type: ignore[attr-defined]

    def create_table_constraints(self, table: Table, *args: Any, **kw: Any) -> str:
        """Write the constraints of a table, none for a catalog without keys."""
        if not self._has_keys:
            return ""
        text: str = super().create_table_constraints(table, *args, **kw)
        return text

    def visit_create_table(self, create: CreateTable, **kw: Any) -> str:
        """Create the table's own sequences, then the table."""
        table = create.element
        temporary = any(prefix.upper().startswith("TEMP") for prefix in table._prefixes)
        statements = []
        for column in table.columns:
            if sequence := own_sequence(column, self.preparer):
                self._require_sequences(column)
                words = [
                    "CREATE TEMPORARY SEQUENCE" if temporary else "CREATE SEQUENCE",
                    "IF NOT EXISTS",
                    self.preparer.format_sequence(sequence),
                ]
                if isinstance(column.server_default, Identity):
                    words.append(self.get_identity_options(column.server_default))
                statements.append(" ".join(words))
        return ";\n".join([*statements, super().visit_create_table(create, **kw)])

    def _require_sequences(self, column: Column[Any]) -> None:
        if not self.dialect.supports_sequences:
            raise CompileError(
                f"Column {column.name!r} of table {column.table.name!r} is to count by itself, but "
                "DuckLake has no sequences. Give it autoincrement=False, and its values."
            )

    def visit_drop_table(self, drop: DropTable, **kw: Any) -> str:
        """Drop the table, then its own sequences."""
        return ";\n".join(
            [super().visit_drop_table(drop, **kw), *self.drop_own_sequences(drop.element)]
        )

    def drop_own_sequences(self, table: Table) -> list[str]:
        """Return the statements that drop a table's own sequences."""
        if not self.dialect.supports_sequences:
            return []
        sequences = (own_sequence(column, self.preparer) for column in table.columns)
        return [
            f"DROP SEQUENCE IF EXISTS {self.preparer.format_sequence(sequence)}"
            for sequence in sequences
            if sequence is not None
        ]

    def get_column_specification(self, column: Column[Any], **kw: Any) -> str:
        """Write a column: name, type, default or expression, compression, ``NOT NULL``.

        ``Column.info["duckdb_compression"]`` is the compression method; by default DuckDB chooses.
        """
        words = [
            self.preparer.format_column(column),
            self.dialect.type_compiler_instance.process(
                column.type, type_expression=column, identifier_preparer=self.preparer
            ),
        ]
        sequence = own_sequence(column, self.preparer)
        default = (
            self.get_column_default_string(column)
            if sequence is None
            else next_value(sequence, self.preparer)
        )
        if default is not None:
            words.append(f"DEFAULT {default}")
        if column.computed is not None:
            words.append(self.process(column.computed))
        if self._has_keys and (method := column.info.get("duckdb_compression")):
            words.append(f"USING COMPRESSION {method}")
        if not column.nullable:
            words.append("NOT NULL")
        return " ".join(words)

    def get_column_default_string(self, column: Column[Any]) -> str | None:
        """Write the default of a column, as PostgreSQL's models have it."""
        default = super().get_column_default_string(column)
        return None if default is None else default_in_duckdb(column, default)

    def visit_foreign_key_constraint(self, constraint: ForeignKeyConstraint, **kw: Any) -> Any:
        """Write a foreign key, or nothing for an engine with ``foreign_keys=off``."""
        actions = {"ON DELETE": constraint.ondelete, "ON UPDATE": constraint.onupdate}
        for event, action in actions.items():
            if action is not None and action.upper() not in _NO_ACTIONS:
                warn(
                    f"DuckDB has no {event} {action}, so it is left out of a foreign key of table "
                    f"{constraint.parent.name!r}. Nothing in the database will do it: with "
                    "passive_deletes or passive_updates, the ORM leaves orphans. Let the ORM do it."
                )
        if not self.dialect.foreign_keys:  # type: ignore[attr-defined]
            return None  # SQLAlchemy leaves it out
        return super(PGDDLCompiler, self).visit_foreign_key_constraint(constraint, **kw)

    def define_constraint_deferrability(self, constraint: Any) -> str:
        """Write nothing: DuckDB checks constraints when a statement ends, and warn of that."""
        if constraint.deferrable or str(constraint.initially).upper() == "DEFERRED":
            warn(
                f"DuckDB has no deferrable constraints, so those of table "
                f"{constraint.table.name!r} hold after every statement."
            )
        return ""

    def define_constraint_cascades(self, constraint: ForeignKeyConstraint) -> str:
        """Write no ``ON DELETE`` and ``ON UPDATE``: DuckDB's keys always do what these may."""
        return ""

    def visit_unique_constraint(self, constraint: UniqueConstraint, **kw: Any) -> Any:
        """Write ``UNIQUE`` without PostgreSQL's options."""
        if postgresql_option(constraint, "nulls_not_distinct"):
            columns = ", ".join(constraint.columns.keys())
            warn_of_ignored(f"the unique constraint of {columns}", "nulls_not_distinct")
        # Skips PostgreSQL's compiler.
        return super(PGDDLCompiler, self).visit_unique_constraint(constraint, **kw)

    def define_unique_constraint_distinct(self, constraint: UniqueConstraint, **kw: Any) -> str:
        """Write no ``NULLS NOT DISTINCT``."""
        return ""

    def visit_primary_key_constraint(self, constraint: PrimaryKeyConstraint, **kw: Any) -> Any:
        """Write ``PRIMARY KEY`` without PostgreSQL's options."""
        return super(PGDDLCompiler, self).visit_primary_key_constraint(constraint, **kw)

    def visit_check_constraint(self, constraint: CheckConstraint, **kw: Any) -> Any:
        """Write ``CHECK`` without PostgreSQL's options."""
        return super(PGDDLCompiler, self).visit_check_constraint(constraint, **kw)

    def visit_exclude_constraint(self, constraint: Any, **kw: Any) -> Any:
        """Refuse PostgreSQL's ``EXCLUDE``.

        Raises:
            CompileError: Always.
        """
        raise CompileError("DuckDB has no EXCLUDE constraints. Leave the constraint out.")

    def post_create_table(self, table: Table) -> str:
        """Write nothing: DuckDB has none of PostgreSQL's options of tables."""
        for option in ("inherits", "on_commit"):
            if postgresql_option(table, option):
                warn_of_ignored(f"table {table.name!r}", option)
        return ""

    def visit_create_index(self, create: CreateIndex, *args: Any, **kw: Any) -> Any:
        """Create an index without PostgreSQL's options, but for a kind that DuckDB has."""
        if not self._has_keys:
            return _NOTHING
        plain = plain_index(create.element, self.sql_compiler.process)
        plain_create = CreateIndex(plain, if_not_exists=create.if_not_exists)
        return super().visit_create_index(plain_create, *args, **kw)

    def visit_drop_index(self, drop: DropIndex, **kw: Any) -> Any:
        """Drop an index without PostgreSQL's options."""
        if not self._has_keys:
            return _NOTHING
        return super(PGDDLCompiler, self).visit_drop_index(drop, **kw)

    def visit_add_constraint(self, create: AddConstraint, **kw: Any) -> str:
        """Add a constraint.

        Raises:
            CompileError: It is a foreign key, and the engine has ``foreign_keys=off``.
        """
        if not self._has_keys:
            return _NOTHING
        if isinstance(create.element, ForeignKeyConstraint) and not self.dialect.foreign_keys:  # type: ignore[attr-defined]
            raise CompileError(
                "This engine has foreign_keys=off, which leaves foreign keys out of the database. "
                "Leave the operation out, too."
            )
        text: str = super().visit_add_constraint(create, **kw)
        return text

    def visit_computed_column(self, generated: Any, **kw: Any) -> str:
        """Write the expression of a generated column; DuckDB has virtual ones only."""
        # Skips PostgreSQL's compiler, which has stored ones only.
        text: str = super(PGDDLCompiler, self).visit_computed_column(generated, **kw)
        if generated.persisted:
            column = generated.column
            warn(
                f"DuckDB has no stored generated columns, so column {column.name!r} of table "
                f"{column.table.name!r} is computed whenever it is read."
            )
        return text.removesuffix(" STORED")

    def visit_create_sequence(self, create: Any, prefix: Any = None, **kw: Any) -> str:
        """Create a sequence without PostgreSQL's ``AS type``: all of DuckDB's are ``BIGINT``."""
        text: str = super(PGDDLCompiler, self).visit_create_sequence(create, **kw)
        return text
