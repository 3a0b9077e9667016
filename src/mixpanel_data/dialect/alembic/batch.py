"""What Alembic's batch mode would lose of a table that it recreates, and when it has to."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.operations.ops import CreateTableCommentOp, DropConstraintOp, DropTableCommentOp
from sqlalchemy import CheckConstraint, Connection, DefaultClause, Table, inspect, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.schema import conv
from sqlalchemy.sql.compiler import IdentifierPreparer

from mixpanel_data.dialect.alembic.constraint_names import names_to_drop
from mixpanel_data.dialect.alembic.references import referring_tables, require_unreferred
from mixpanel_data.dialect.sql.ddl import next_value, own_sequence
from mixpanel_data.dialect.sql.names import fold, mentions

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


def _let_rebuild_comment(impl: Any, comment: str | None) -> None:
    """Give a batch the comment of the table that it may create; an empty one is none."""
    if isinstance(impl, BatchOperationsImpl):
        impl.table_kwargs = {**impl.table_kwargs, "comment": comment or ""}


def requires_recreate(connection: Connection, batch: Any) -> bool:
    """Tell whether DuckDB refuses one of the operations of a batch as ``ALTER TABLE``."""
    names = {operation for operation, _, _ in batch.batch}
    if names & _CONSTRAINTS:
        return True
    if any(op == "add_column" and not args[1].nullable for op, args, _ in batch.batch):
        return True
    return bool(names & _RESHAPING) and _is_bound(connection, batch.table_name, batch.schema)


def _is_bound(connection: Connection, name: str, schema: str | None) -> bool:
    """Tell whether the table has indexes, keys, checks or generated columns."""
    inspector = inspect(connection)
    return bool(
        inspector.get_indexes(name, schema)
        or inspector.get_pk_constraint(name, schema)["constrained_columns"]
        or inspector.get_unique_constraints(name, schema)
        or inspector.get_foreign_keys(name, schema)
        or inspector.get_check_constraints(name, schema)
        or any("computed" in column for column in inspector.get_columns(name, schema))
        or _referring(connection, name, schema)
    )


def complete(
    connection: Connection | None, preparer: IdentifierPreparer, batch: Any, old: Table
) -> None:
    """Give the table that takes another's place what Alembic leaves out.

    Args:
        connection: The database; None for ``--sql``.
        preparer: Quotes names.
        batch: Alembic's ``ApplyBatchImpl``, before it creates the new table.
        old: The table that is replaced.

    Raises:
        InvalidRequestError: Foreign keys refer to the table, so that it cannot be replaced.
    """
    if connection is not None:
        require_unreferred(old.name, _referring(connection, old.name, old.schema), "recreated")
    new: Table = batch.new_table
    old.info[REPLACED] = True
    new.info[SUCCESSOR] = True
    new.comment = old.comment if new.comment is None else new.comment or None
    _keep_sequences(preparer, batch, old)
    _require_columns_of_checks(batch, old)
    for name, transfer in batch.column_transfers.items():
        if batch.columns[name].computed is not None:
            transfer.pop("expr", None)


def _keep_sequences(preparer: IdentifierPreparer, batch: Any, old: Table) -> None:
    """Let columns count on with the sequences that they have."""
    for column in old.columns:
        changed = batch.columns.get(column.name)
        sequence = own_sequence(column, preparer)
        if sequence is not None and changed is not None and changed.server_default is None:
            sql = next_value(sequence, preparer).replace(":", "\\:")
            changed.server_default = DefaultClause(text(sql))


def _require_columns_of_checks(batch: Any, old: Table) -> None:
    """Refuse to drop or rename a column of a check that stays."""
    if not batch.reflected:
        return
    renamed = [name for name, transfer in batch.column_transfers.items() if "name" in transfer]
    gone = [column.name for column in old.columns if column.name not in batch.columns]
    for constraint in batch.named_constraints.values():
        if not isinstance(constraint, CheckConstraint) or constraint not in old.constraints:
            continue
        for name in (*renamed, *gone):
            if mentions(str(constraint.sqltext), name):
                raise InvalidRequestError(
                    f"Table {old.name!r} cannot be recreated: CHECK ({constraint.sqltext}) needs "
                    f"column {name!r}. Keep the column, or drop the check {str(constraint.name)!r} "
                    "in the same batch."
                )


def _referring(connection: Connection, name: str, schema: str | None) -> list[str]:
    return referring_tables(inspect(connection), schema).get(fold(name), [])
