"""Columns that every INSERT and UPDATE derives from another column of the same row.

DuckDB has no stored generated columns and no triggers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Column, ColumnElement, literal
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.sql.names import fold

#: The column that holds the documents.
DOCUMENT = "properties"

#: Key of ``Column.info``: the :class:`Derived` value of a column.
DERIVED = "mixpanel_data_derived"

#: Execution option: the statement derives all columns itself.
DERIVES_OPTION = "duckdb_derives"

#: What a column is made of: the property and the type, as the database records them.
Origin = tuple[str, str]


def derived_column(
    name: str, type_: TypeEngine[Any], source: str, make: Callable[[str], str], origin: Origin
) -> Column[Any]:
    """Declare a column that INSERT, UPDATE and ON CONFLICT derive from another one.

    Args:
        name: Name of the column.
        type_: Its type.
        source: Name of the column that it is derived from, which comes before it in the table.
        make: Returns the SQL of the value for the SQL of the source.
        origin: What it is made of.
    """
    value = Derived(name, source, make, type_, origin)
    return Column(name, type_, default=value, onupdate=value, info={DERIVED: value})


class Derived(ColumnElement[Any]):
    """The ``default`` and ``onupdate`` of a column that is derived from another one.

    An UPDATE that does not change the other column leaves this one as it is. The arguments are
    those of :func:`derived_column`.
    """

    inherit_cache = True

    def __init__(
        self,
        name: str,
        source: str,
        make: Callable[[str], str],
        type_: TypeEngine[Any],
        origin: Origin,
    ) -> None:
        self.name, self.source, self.make, self.type = name, source, make, type_
        self.origin = origin


@compiles(Derived, "duckdb")
def _compile(element: Derived, compiler: Any, **kw: Any) -> str:
    _note(element, compiler)
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
    _note(element.derived, compiler)
    return element.derived.make(compiler.process(element.value, **kw))


def _note(element: Derived, compiler: Any) -> None:
    """Note that the clause that is being compiled derives a column."""
    known = getattr(compiler, "derived", {})
    compiler.derived = {**known, fold(element.name): element.origin}


class Clause(NamedTuple):
    """What an INSERT, an UPDATE or the SET of ``ON CONFLICT`` writes.

    Attributes:
        names: The columns that it sets, folded; None for all.
        derived: Those of them that are derived as declared, with what they are made of.
    """

    names: frozenset[str] | None
    derived: Mapping[str, Origin]

    def spoils(self, column: str, origin: Origin) -> bool:
        """Tell whether a column may not be what the document says afterwards."""
        if self.names is not None and not self.names & {DOCUMENT, fold(column)}:
            return False
        return self.derived.get(fold(column)) != origin


class Write(NamedTuple):
    """What a statement writes into a table with documents.

    Attributes:
        table: Name of the table, folded.
        clause: What it writes.
    """

    table: str
    clause: Clause


def named(table: Any, keys: Iterable[Any]) -> frozenset[str]:
    """Return the folded names of columns that a statement names by keys or as columns."""
    known = table.c
    columns = (known.get(key, key) if isinstance(key, str) else key for key in keys)
    return frozenset(fold(getattr(column, "name", column)) for column in columns)


def write_of(table: Any, clause: Clause) -> tuple[Write, ...]:
    """Return what a clause writes into a table, nothing if that has no documents."""
    while (inner := getattr(table, "element", None)) is not None:  # an alias
        table = inner
    if DOCUMENT not in table.c or table.name.startswith("_"):
        return ()
    return (Write(fold(table.name), clause),)
