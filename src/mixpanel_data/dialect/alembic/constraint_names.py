"""Names for the constraints of the database, of which DuckDB keeps none.

Keys get the names that a naming convention gives them, by default those that PostgreSQL gives:
``t_a_key`` and ``t_a_fkey``. Autogenerate writes these into migrations, and a batch finds there
what to drop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import InvalidRequestError

#: How PostgreSQL names constraints without a name; a foreign key also by what it refers to.
_CONVENTION = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s_fkey",
}

#: What Alembic calls the kinds of constraints.
_KINDS: dict[str, type[Constraint]] = {
    "primary": PrimaryKeyConstraint,
    "unique": UniqueConstraint,
    "foreignkey": ForeignKeyConstraint,
    "check": CheckConstraint,
}


def convention_of(*given: Mapping[Any, Any] | None) -> dict[Any, Any]:
    """Return a naming convention that names all keys, with what is given where that can do it."""
    found: dict[Any, Any] = dict(_CONVENTION)
    for convention in given:
        for kind, rule in (convention or {}).items():
            if kind not in _CONVENTION or "%(constraint_name)" not in str(rule):
                found[kind] = rule
    return found


def conventional_name(constraint: Constraint, convention: Mapping[Any, Any]) -> str:
    """Return the name that a convention gives to a reflected key."""
    columns: list[Column[Any]] = [Column(column.name) for column in constraint.table.columns]
    copied: Constraint
    if isinstance(constraint, ForeignKeyConstraint):
        referred = [key.target_fullname for key in constraint.elements]
        copied = ForeignKeyConstraint(_columns(constraint), referred)
    else:
        is_primary = isinstance(constraint, PrimaryKeyConstraint)
        make = PrimaryKeyConstraint if is_primary else UniqueConstraint
        copied = make(*_columns(constraint))
    Table(constraint.table.name, MetaData(naming_convention=convention), *columns, copied)
    return str(copied.name)


def new_name(constraint: Constraint, convention: Mapping[Any, Any]) -> str:
    """Return a name for a constraint that is added without one: of a check, for its SQL."""
    if isinstance(constraint, CheckConstraint):
        return f"{constraint.table.name}_check_{crc32(str(constraint.sqltext).encode()):08x}"
    return conventional_name(constraint, convention)


def names_to_drop(
    connection: Connection, batch: Any, name: Any, kind: str | None, models: Any
) -> list[str]:
    """Return the names under which a batch drops what a migration calls by a name.

    The batch gets a naming convention that names all keys of the table that it reflects.

    Args:
        connection: The database.
        batch: Alembic's ``BatchOperationsImpl``.
        name: What the migration says; None if that was not known.
        kind: Alembic's kind of the constraint, None for any.
        models: The ``target_metadata`` of ``env.py``, one or several.

    Raises:
        InvalidRequestError: It cannot be told what is meant.
    """
    batch.naming_convention = convention_of(batch.naming_convention)
    reflected = Table(
        batch.table_name,
        MetaData(),
        *batch.reflect_args,
        schema=batch.schema,
        autoload_with=connection,
        **batch.reflect_kwargs,
    ).to_metadata(MetaData(naming_convention=batch.naming_convention))
    constraints = [one for one in reflected.constraints if _is_check(one) or len(_columns(one))]
    _require_names(reflected.name, constraints)
    found = [one for one in constraints if isinstance(one, _KINDS.get(str(kind), Constraint))]
    several = models if isinstance(models, (list, tuple)) else [models]
    meant = _meant(found, name, [one for one in several if one is not None], batch)
    if len({*map(_identity, meant)}) != 1:
        raise InvalidRequestError(_advice(reflected.name, name, kind, found))
    return sorted({str(one.name) for one in found if _identity(one) == _identity(meant[0])})


def _meant(
    found: list[Constraint], name: str | None, models: list[MetaData], batch: Any
) -> list[Constraint]:
    """Return what a name means: by the table, a convention or the models; else all there is."""
    if named := [one for one in found if one.name == name]:
        return named
    for convention in map(convention_of, [None, *(one.naming_convention for one in models)]):
        for one in found:
            if not _is_check(one) and conventional_name(one, convention) == name:
                return [one]
    key = f"{batch.schema}.{batch.table_name}" if batch.schema else batch.table_name
    tables = [one.tables[key] for one in models if key in one.tables]
    declared = [one for table in tables for one in table.constraints if name and one.name == name]
    if declared and not _is_check(declared[0]):
        return [one for one in found if _identity(one) == _identity(declared[0])]
    return [one for one in found if not isinstance(one, PrimaryKeyConstraint)] or found


def _require_names(table: str, constraints: list[Constraint]) -> None:
    """Refuse two constraints of one name, since Alembic would keep one of them only."""
    described: dict[Any, dict[Any, str]] = {}
    for constraint in constraints:
        described.setdefault(constraint.name, {})[_identity(constraint)] = _sql(constraint)
    for name, same in described.items():
        if len(same) > 1:
            raise InvalidRequestError(
                f"The naming convention has one name, {str(name)!r}, for several constraints of "
                f"table {table!r}: {', '.join(sorted(same.values()))}. Give batch_alter_table() "
                "another one."
            )


def _columns(constraint: Any) -> list[str]:
    return [column.name for column in constraint.columns]


def _is_check(constraint: Any) -> bool:
    return isinstance(constraint, CheckConstraint)


def _identity(constraint: Any) -> tuple[Any, ...]:
    """Return what is the same for two declarations of one constraint."""
    if _is_check(constraint):
        return CheckConstraint, str(constraint.sqltext)
    columns = tuple(_columns(constraint))
    if isinstance(constraint, ForeignKeyConstraint):
        referred = tuple(key.target_fullname for key in constraint.elements)
        return ForeignKeyConstraint, columns, referred
    return type(constraint), columns


def _sql(constraint: Any) -> str:
    if _is_check(constraint):
        return f"CHECK ({constraint.sqltext})"
    columns = ", ".join(_columns(constraint))
    if isinstance(constraint, ForeignKeyConstraint):
        return f"FOREIGN KEY ({columns}) REFERENCES {constraint.elements[0].target_fullname}"
    word = "PRIMARY KEY" if isinstance(constraint, PrimaryKeyConstraint) else "UNIQUE"
    return f"{word} ({columns})"


def _advice(table: str, name: str | None, kind: str | None, found: list[Any]) -> str:
    what = f"{kind} constraint" if kind else "constraint"
    if not found:
        return f"Table {table!r} has no {what}, so there is no {name!r} to drop."
    known = "; ".join(sorted(f"{one.name!r} for {_sql(one)}" for one in found))
    return (
        f"DuckDB keeps no names of constraints, so it is not known which {what} of table {table!r} "
        f"{name!r} is. Write {known}. Or give batch_alter_table() the naming_convention that made "
        "the name."
    )
