"""What Alembic's batch mode would lose of a table that it recreates, and when it has to."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations, toimpl
from alembic.operations.batch import BatchOperationsImpl
from alembic.operations.ops import (
    AddColumnOp,
    AddConstraintOp,
    CreateTableCommentOp,
    DropConstraintOp,
    DropTableCommentOp,
)
from sqlalchemy import Column, Connection, DefaultClause, Identity, Table, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.schema import conv
from sqlalchemy.sql.compiler import IdentifierPreparer

from mixpanel_data.dialect.alembic.constraint_names import convention_of, names_to_drop, new_name
from mixpanel_data.dialect.alembic.dependents import follow
from mixpanel_data.dialect.alembic.references import referring_tables, require_unreferred
from mixpanel_data.dialect.sql.ddl import keep_counting, own_sequence
from mixpanel_data.dialect.sql.names import fold

#: Key of ``Table.info``: the table is dropped without its sequences, which its successor uses.
REPLACED = "mixpanel_data_replaced"

#: Key of ``Table.info``: the successor, which a failure leaves to the rollback.
SUCCESSOR = "mixpanel_data_successor"

_CONSTRAINTS = {"add_constraint", "drop_constraint"}
_RESHAPING = {"alter_column", "drop_column"}


# Private, but the only way to keep a comment that Alembic's rebuild would forget.
@Operations._to_impl.dispatch_for(CreateTableCommentOp, qualifier="duckdb")
def _create_table_comment(operations: Operations, operation: CreateTableCommentOp) -> None:
    table = operation.to_table(operations.migration_context)
    _let_rebuild_comment(operations.impl, table.comment)
    operations.impl.create_table_comment(table)


@Operations._to_impl.dispatch_for(DropTableCommentOp, qualifier="duckdb")
def _drop_table_comment(operations: Operations, operation: DropTableCommentOp) -> None:
    table = operation.to_table(operations.migration_context)
    _let_rebuild_comment(operations.impl, None)
    operations.impl.drop_table_comment(table)


@Operations._to_impl.dispatch_for(DropConstraintOp, qualifier="duckdb")
def _drop_constraint(operations: Operations, operation: DropConstraintOp) -> None:
    """Drop a constraint; in a batch, the one that is meant, under the name that it has there."""
    impl: Any = operations.impl
    context = operations.migration_context
    name, kind = operation.constraint_name, operation.constraint_type
    names: list[Any] = [name]
    if isinstance(impl, BatchOperationsImpl) and impl.copy_from is None and not context.as_sql:
        models = context.opts.get("target_metadata")
        names = [*map(conv, names_to_drop(operations.get_bind(), impl, name, kind, models))]
    for one in names:
        made = operations.schema_obj.generic_constraint(
            one, operation.table_name, kind, schema=operation.schema
        )
        if_exists = getattr(operation, "if_exists", None)  # since Alembic 1.16
        impl.drop_constraint(made, **({} if if_exists is None else {"if_exists": if_exists}))


@Operations._to_impl.dispatch_for(AddColumnOp, qualifier="duckdb")
def _add_column(operations: Operations, operation: AddColumnOp) -> None:
    """Add a column; in a batch, its constraints need no names."""
    toimpl.add_column(operations, operation)
    if isinstance(operations.impl, BatchOperationsImpl):
        # These are operations of their own by now.
        operation.column.unique = operation.column.index = None
    _name_constraints(operations.impl)


@Operations._to_impl.dispatch_for(AddConstraintOp, qualifier="duckdb")
def _add_constraint(operations: Operations, operation: AddConstraintOp) -> None:
    """Add a constraint, which needs no name in a batch."""
    toimpl.create_constraint(operations, operation)
    _name_constraints(operations.impl)


def _name_constraints(impl: Any) -> None:
    """Give the new constraints of a batch the names that Alembic wants; DuckDB keeps none."""
    if not isinstance(impl, BatchOperationsImpl):
        return
    for kind, arguments, _ in impl.batch:
        if kind == "add_constraint" and arguments[0].name is None:
            arguments[0].name = conv(new_name(arguments[0], convention_of(impl.naming_convention)))


def _let_rebuild_comment(impl: Any, comment: str | None) -> None:
    """Give a batch the comment of the table that it may create; an empty one is none."""
    if isinstance(impl, BatchOperationsImpl):
        impl.table_kwargs = {**impl.table_kwargs, "comment": comment or ""}


def requires_recreate(connection: Connection, batch: Any) -> bool:
    """Tell whether DuckDB refuses one of the operations of a batch as ``ALTER TABLE``."""
    names = {operation for operation, _, _ in batch.batch}
    if names & _CONSTRAINTS:
        return True
    preparer = connection.dialect.identifier_preparer
    if any(op == "add_column" and _needs_create(args[1], preparer) for op, args, _ in batch.batch):
        return True
    return bool(names & _RESHAPING) and _is_bound(connection, batch.table_name, batch.schema)


def _needs_create(column: Column[Any], preparer: IdentifierPreparer) -> bool:
    """Tell whether only a new table can have a column: DuckDB adds none with constraints."""
    return (
        not column.nullable
        or column.computed is not None
        or bool(column.constraints)
        or own_sequence(column, preparer) is not None
    )


def _is_bound(connection: Connection, name: str, schema: str | None) -> bool:
    """Tell whether the table has indexes, keys, checks or generated columns."""
    inspector = inspect(connection)
    dialect: Any = connection.dialect
    return bool(
        inspector.get_indexes(name, schema)
        # A key that the catalog does not have prevents no change.
        or (
            dialect.supports_keys
            and inspector.get_pk_constraint(name, schema)["constrained_columns"]
        )
        or inspector.get_unique_constraints(name, schema)
        or inspector.get_foreign_keys(name, schema)
        or inspector.get_check_constraints(name, schema)
        or any("computed" in column for column in inspector.get_columns(name, schema))
        or _referring(connection, name, schema)
    )


def complete(
    connection: Connection | None, preparer: IdentifierPreparer, batch: Any, old: Table
) -> list[tuple[Column[Any], str]]:
    """Give the table that takes another's place what Alembic leaves out.

    Args:
        connection: The database; None for ``--sql``.
        preparer: Quotes names.
        batch: Alembic's ``ApplyBatchImpl``, before it creates the new table.
        old: The table that is replaced.

    Returns:
        The columns that have to be renamed when the table has its name, with their new names.

    Raises:
        InvalidRequestError: Foreign keys refer to the table, so that it cannot be replaced, or
            something that stays needs a column that does not.
    """
    if connection is not None:
        require_unreferred(old.name, _referring(connection, old.name, old.schema), "recreated")
    new: Table = batch.new_table
    old.info[REPLACED] = True
    new.info[SUCCESSOR] = True
    new.comment = old.comment if new.comment is None else new.comment or None
    _require_no_loop(preparer, new, old)
    last = follow(batch, old) if batch.reflected else []
    _keep_sequences(preparer, batch, old)
    for name, transfer in batch.column_transfers.items():
        if batch.columns[name].computed is not None:
            transfer.pop("expr", None)
    return last


def _keep_sequences(preparer: IdentifierPreparer, batch: Any, old: Table) -> None:
    """Let columns count on with the sequences that they have."""
    for column in old.columns:
        changed = batch.columns.get(column.name)
        default = keep_counting(column, preparer)
        if default is None or changed is None:
            continue
        if changed.server_default is None or isinstance(changed.server_default, Identity):
            changed.server_default, changed.identity = DefaultClause(default), None


def _require_no_loop(preparer: IdentifierPreparer, new: Table, old: Table) -> None:
    """Refuse a foreign key to the table itself, for which DuckDB would not drop the old one."""
    targets = {
        fold(key.target_fullname.rpartition(".")[0])
        for constraint in new.foreign_key_constraints
        for key in constraint.elements
    }
    if fold(old.fullname) in targets and getattr(preparer.dialect, "foreign_keys", True):
        raise InvalidRequestError(
            f"Table {old.name!r} cannot get a foreign key to itself: DuckDB neither adds one, nor "
            "recreates a table under the name that the key refers to. Create another table with "
            "it, and copy the rows. Or keep it in the models only: an engine with "
            "?foreign_keys=off leaves it out."
        )


def _referring(connection: Connection, name: str, schema: str | None) -> list[str]:
    return referring_tables(inspect(connection), schema).get(fold(name), [])
