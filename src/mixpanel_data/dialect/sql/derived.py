"""Columns that every INSERT and UPDATE derives from another column of the same row.

DuckDB has no stored generated columns and no triggers.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, literal
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

#: Key of ``Column.info``: the :class:`Derived` value of a column.
DERIVED = "mixpanel_data_derived"


def derived_column(
    name: str, type_: TypeEngine[Any], source: str, make: Callable[[str], str]
) -> Column[Any]:
    """Declare a column that INSERT, UPDATE and ON CONFLICT derive from another one.

    Args:
        name: Name of the column.
        type_: Its type.
        source: Name of the column that it is derived from, which comes before it in the table.
        make: Returns the SQL of the value for the SQL of the source.
    """
    value = Derived(name, source, make, type_)
    return Column(name, type_, default=value, onupdate=value, info={DERIVED: value})


class Derived(ColumnElement[Any]):
    """The ``default`` and ``onupdate`` of a column that is derived from another one.

    An UPDATE that does not change the other column leaves this one as it is. The arguments are
    those of :func:`derived_column`.
    """

    inherit_cache = True

    def __init__(
        self, name: str, source: str, make: Callable[[str], str], type_: TypeEngine[Any]
    ) -> None:
        self.name, self.source, self.make, self.type = name, source, make, type_


@compiles(Derived, "duckdb")
def _compile(element: Derived, compiler: Any, **kw: Any) -> str:
    state = compiler.compile_state
    if compiler.isinsert and (state._has_multi_parameters or state.statement.select is not None):
        raise CompileError(
            f"Column {element.name!r} is derived from {element.source!r} of the same row, which "
            "neither an INSERT of a SELECT nor one with a list in values() can do. Pass the list "
            "as parameters of execute(), or load the rows with a StorageEngine."
        )
    # What values() was given is known to SQLAlchemy by no public name.
    value = (state._dict_parameters or {}).get(element.source)
    if not isinstance(value, ColumnElement) or isinstance(value, BindParameter):
        value = compiler.binds.get(element.source)
    if value is not None:
        return element.make(compiler.process(value, **kw))
    if compiler.isinsert:
        return "NULL"
    return str(compiler.process(state.dml_table.c[element.name], **kw))


def with_derived(on_conflict: Any, table: Any) -> Any:
    """Return ``ON CONFLICT DO UPDATE`` with the columns that are derived from one that it sets."""
    given = dict(on_conflict.update_values_to_set)
    found = {}
    for column in table.columns:
        derived = column.info.get(DERIVED)
        if derived is None:
            continue
        source = table.c[derived.source]
        for key in (source, source.name):
            if key in given:
                given[key] = _typed(given[key], source.type)
                found[column.name] = _FromSet(derived, given[key])
    if not found:
        return on_conflict
    changed = copy(on_conflict)
    changed.update_values_to_set = [*given.items(), *found.items()]
    return changed


def _typed(value: Any, type_: TypeEngine[Any]) -> Any:
    """Return a value, a parameter with its type: SQLAlchemy would copy one that has none."""
    if not isinstance(value, ColumnElement):  # before SQLAlchemy 2.1
        return literal(value, type_)
    if isinstance(value, BindParameter) and value.type._isnull:
        value = value._clone()
        value.type = type_
    return value


class _FromSet(ColumnElement[Any]):
    """A derived value of what ``ON CONFLICT DO UPDATE`` sets its source to."""

    inherit_cache = True

    def __init__(self, derived: Derived, value: ColumnElement[Any]) -> None:
        self.derived, self.value, self.type = derived, value, derived.type


@compiles(_FromSet, "duckdb")
def _compile_from_set(element: _FromSet, compiler: Any, **kw: Any) -> str:
    return element.derived.make(compiler.process(element.value, **kw))
