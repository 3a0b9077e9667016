"""``SELECT``, ``INSERT``, ``UPDATE`` and ``DELETE`` for DuckDB, where PostgreSQL's would fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from math import isfinite
from types import MappingProxyType
from typing import Any

from duckdb_engine import datatypes
from sqlalchemy import Constraint, PrimaryKeyConstraint, UniqueConstraint, literal
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, Null, Slice
from sqlalchemy.types import (
    ARRAY,
    JSON,
    Date,
    DateTime,
    Integer,
    String,
    Time,
    Uuid,
)

from mixpanel_data.dialect.sql.builtin import BUILTIN, qualify_builtins
from mixpanel_data.dialect.sql.derived import Clause, Origin, Write, named, with_derived, write_of
from mixpanel_data.dialect.sql.documents import DocumentCompiler
from mixpanel_data.dialect.sql.type_names import collate_outside

#: Methods of sampling whose size is a share of the rows.
_PERCENT = {"system", "bernoulli"}

#: Types whose literals have another type without a cast: text, or what an empty array has.
_TO_CAST = {ARRAY, Date, DateTime, Time, Uuid, datatypes.Map, datatypes.Struct}


def _of_columns(on_conflict: Any, table: Any) -> Any:
    """Return a clause of PostgreSQL or of SQLite with columns, not with the name of a constraint.

    Raises:
        CompileError: The table has no key of that name.
    """
    changed = copy(on_conflict)
    name, changed.constraint_target = getattr(on_conflict, "constraint_target", None), None
    if name is not None:
        keys = {known: key for key in table.constraints for known in _names_of(key)}
        if name not in keys:
            raise CompileError(
                f"DuckDB keeps no names of constraints, and table {table.name!r} has no primary "
                f"key and no unique constraint {name!r}. Name the columns: index_elements=[...]."
            )
        changed.inferred_target_elements = [column.name for column in keys[name].columns]
    return changed


def _names_of(constraint: Constraint) -> Iterator[object]:
    """Yield the name of a key, and the one that PostgreSQL gives to it without that."""
    if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
        names = [column.name for column in constraint.columns]
        is_primary = isinstance(constraint, PrimaryKeyConstraint)
        yield "_".join([constraint.table.name, *(["pkey"] if is_primary else [*names, "key"])])
        yield constraint.name


def _require_columns(assigned: Iterable[Any]) -> None:
    """Refuse an assignment to a member of a document or an element of an array."""
    for part in assigned:
        if isinstance(part, BinaryExpression):
            patch = "func.json_merge_patch(column, {name: value}), which removes a member for None"
            advice = patch if part.left.type._type_affinity is JSON else "all of its elements"
            raise CompileError(f"DuckDB assigns whole columns only. Set {part.left} to {advice}.")


def _is_deeper(value: Any, type_: Any) -> bool:
    """Tell whether an array has more dimensions than the name of its type, which says none."""
    if type_._type_affinity is not ARRAY or type_.dimensions is not None:
        return False
    return bool(value) and isinstance(value[0], (list, tuple))


class StatementCompiler(DocumentCompiler):
    """Compiles statements.

    Attributes:
        derived: The columns that the clause being compiled derives, with what they are made of.
        writes: What the statement writes into tables with documents.
    """

    derived: Mapping[str, Origin] = MappingProxyType({})
    writes: tuple[Write, ...] = ()

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> str:
        """Note what the statement writes."""
        with self._noting(insert_stmt):
            return str(super().visit_insert(insert_stmt, *args, **kw))

    def visit_update(self, update_stmt: Any, *args: Any, **kw: Any) -> str:
        """Note what the statement writes.

        Raises:
            CompileError: It assigns to a part of a column.
        """
        with self._noting(update_stmt):
            return str(super().visit_update(update_stmt, *args, **kw))

    @contextmanager
    def _noting(self, statement: Any) -> Iterator[None]:
        outer, self.derived, is_inner = self.derived, {}, bool(self.stack)
        yield
        names = None if is_inner else self._names_set(statement)
        self.writes += write_of(statement.table, Clause(names, self.derived))
        self.derived = outer

    def _names_set(self, statement: Any) -> frozenset[str] | None:
        """Return the columns that the statement sets, None for all."""
        # What values() and from_select() were given is known to SQLAlchemy by no public name.
        given = getattr(self.compile_state, "_dict_parameters", None) or ()
        selected = getattr(statement, "_select_names", None) or ()
        _require_columns(given)
        if self.column_keys is None and not given and not selected:
            return None
        return named(statement.table, [*(self.column_keys or ()), *given, *selected])

    def visit_slice(self, element: Slice, **kw: Any) -> str:
        """Write a slice of an array. A bound that is left out is no NULL, which would give NULL."""
        start, stop, step = (
            "" if isinstance(part, Null) else self.process(part, **kw)
            for part in (element.start, element.stop, element.step)
        )
        return f"{start}:{stop or '-'}:{step}" if step else f"{start}:{stop}"

    def visit_regexp_match_op_binary(
        self, binary: BinaryExpression[Any], operator: Any, **kw: Any
    ) -> str:
        """Search for a pattern. In DuckDB 1.5, ``~`` matches the whole string only."""
        parts = [self.process(binary.left, **kw), self.process(binary.right, **kw)]
        if (flags := binary.modifiers["flags"]) is not None:
            # SQLAlchemy 2.0.0 has a parameter there, later ones a string.
            flags = flags if isinstance(flags, BindParameter) else literal(flags, String)
            if not self.for_executemany:
                flags = flags.render_literal_execute()
            parts.append(self.process(flags, **kw))
        return f"{BUILTIN}regexp_matches({', '.join(parts)})"

    def visit_not_regexp_match_op_binary(
        self, binary: BinaryExpression[Any], operator: Any, **kw: Any
    ) -> str:
        """Negate the search for a pattern."""
        return f"NOT {self.visit_regexp_match_op_binary(binary, operator, **kw)}"

    def visit_bitwise_xor_op_binary(
        self, binary: BinaryExpression[Any], operator: Any, **kw: Any
    ) -> str:
        """Write the exclusive or, which is a function in DuckDB."""
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"{BUILTIN}xor({left}, {right})"

    def visit_floordiv_binary(self, binary: BinaryExpression[Any], operator: Any, **kw: Any) -> str:
        """Divide as Python does: integers stay integers, and are rounded down.

        DuckDB's ``//`` rounds towards zero.
        """
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        if not all(side.type._type_affinity is Integer for side in (binary.left, binary.right)):
            return f"{BUILTIN}floor({left} / {right})"
        is_rounded_up = f"{left} % {right} <> 0 AND ({left} < 0) <> ({right} < 0)"
        return f"({left} // {right} - CAST({is_rounded_up} AS TINYINT))"

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        """Write the columns that are derived from one that is set as well."""
        statement: Any = self.stack[-1]["selectable"]
        _require_columns(dict(on_conflict.update_values_to_set))
        given = named(statement.table, dict(on_conflict.update_values_to_set))
        on_conflict = with_derived(_of_columns(on_conflict, statement.table), statement.table)
        inserted, self.derived = self.derived, {}
        text: str = super().visit_on_conflict_do_update(on_conflict, **kw)
        self.writes += write_of(statement.table, Clause(given, self.derived))
        self.derived = inserted
        return text

    def visit_on_conflict_do_nothing(self, on_conflict: Any, **kw: Any) -> str:
        """Write the clause of PostgreSQL's and of SQLite's ``insert()``."""
        statement: Any = self.stack[-1]["selectable"]
        on_conflict = _of_columns(on_conflict, statement.table)
        text: str = super().visit_on_conflict_do_nothing(on_conflict, **kw)
        return text

    def returning_clause(self, *args: Any, **kw: Any) -> str:
        """Write RETURNING without parameters: DuckDB says "Unexpected prepared parameter"."""
        return super().returning_clause(*args, column_clause_args={"literal_execute": True}, **kw)

    def for_update_clause(self, select: Any, **kw: Any) -> str:
        """Write nothing for ``FOR UPDATE``: DuckDB has no row locks, a conflict is an error."""
        return ""

    def visit_tablesample(self, tablesample: Any, asfrom: bool = False, **kw: Any) -> str:
        """Sample a share of the rows in percent, as in SQL; of ``func.reservoir()`` a number.

        DuckDB takes no parameters here, and a plain number for one of rows.
        """
        method = tablesample._get_method()
        sizes = [self.process(size, literal_execute=True, **kw) for size in method.clauses]
        if method.name.lower() in _PERCENT:
            pairs = zip(sizes, method.clauses, strict=True)
            sizes = [
                f"{text}%" if isinstance(size, BindParameter) else text for text, size in pairs
            ]
        words = [
            self.visit_alias(tablesample, asfrom=True, **kw),
            f"TABLESAMPLE {method.name}({', '.join(sizes)})",
        ]
        if (seed := tablesample.seed) is not None:
            words.append(f"REPEATABLE ({self.process(seed, literal_execute=True, **kw)})")
        return " ".join(words)

    def render_literal_value(self, value: Any, type_: Any) -> str:
        """Write a value as a literal that has the type of the value."""
        if value is None and not type_.should_evaluate_none:
            return "NULL"
        if isinstance(value, timedelta):
            rest = (value - timedelta(days=value.days)) // timedelta(microseconds=1)
            days, microseconds = f"to_days({value.days})", f"to_microseconds({rest})"
            return qualify_builtins(f"add({days}, {microseconds})")
        if isinstance(value, float) and not isfinite(value):
            return f"CAST('{value}' AS DOUBLE)"
        if isinstance(value, bytes):
            return "'{}'::BLOB".format("".join(f"\\x{byte:02X}" for byte in value))
        text: str = super().render_literal_value(value, type_)
        if type_._type_affinity in _TO_CAST and not _is_deeper(value, type_):
            return f"CAST({text} AS {self.dialect.type_compiler_instance.process(type_)})"
        return text

    def fetch_clause(
        self,
        select: Any,
        fetch_clause: Any = None,
        require_offset: bool = False,
        use_literal_execute_for_simple_int: bool = False,
        **kw: Any,
    ) -> str:
        """Write ``FETCH FIRST`` as ``LIMIT``.

        Raises:
            CompileError: ``WITH TIES``, which DuckDB does not have.
        """
        options = select._fetch_clause_options or {}
        if options.get("with_ties"):
            raise CompileError("DuckDB has no FETCH FIRST … WITH TIES. Use rank() in a subquery.")
        unit = "%" if options.get("percent") else ""
        text = f"\n LIMIT ({self.process(select._fetch_clause, **kw)}){unit}"
        if select._offset_clause is not None:
            text += f"\n OFFSET ({self.process(select._offset_clause, **kw)})"
        return text

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        """Write a cast with a collation, such as that of ``CITEXT``, behind it."""
        return collate_outside(super().visit_cast(cast, **kw))
