"""What happens to a statement between its compiling and its running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql.base import PGExecutionContext

from mixpanel_data.dialect.sql.ddl import own_sequence


class ExecutionContext(PGExecutionContext):
    """Runs one statement."""

    def get_insert_default(self, column: Column[Any]) -> Any:
        """Take the next value of the column's own sequence, if it has one."""
        sequence = own_sequence(column, self.identifier_preparer)
        if sequence is None or not column.primary_key:
            return super().get_insert_default(column)
        return self.fire_sequence(sequence, column.type)

    @classmethod
    def _init_compiled(
        cls,
        dialect: Any,
        connection: Any,
        dbapi_connection: Any,
        execution_options: Any,
        compiled: Any,
        parameters: Any,
        invoked_statement: Any,
        extracted_parameters: Any,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Write constants that cannot be parameters before a statement runs for several rows.

        SQLAlchemy does so for one row only, since several might have different values.
        """
        if len(parameters or ()) > 1 and compiled.literal_execute_params:
            rows = (
                compiled.construct_params(
                    row, escape_names=False, extracted_parameters=extracted_parameters
                )
                for row in parameters
            )
            compiled = _with_constants(compiled, rows)
        return super()._init_compiled(
            dialect,
            connection,
            dbapi_connection,
            execution_options,
            compiled,
            parameters,
            invoked_statement,
            extracted_parameters,
            *args,
            **kw,
        )


def _with_constants(compiled: Any, rows: Iterable[Mapping[str, Any]]) -> Any:
    """Return a compiled statement whose constants are in its text, if all rows have the same."""
    names = [compiled.bind_names[parameter] for parameter in compiled.literal_execute_params]
    first, *others = rows
    if any(row[name] != first[name] for row in others for name in names):
        return compiled  # SQLAlchemy refuses it
    expanded = compiled._process_parameters_for_postcompile(first)
    written = copy(compiled)
    written.string, written.positiontup = expanded.statement, expanded.positiontup
    written.literal_execute_params = frozenset()
    return written
