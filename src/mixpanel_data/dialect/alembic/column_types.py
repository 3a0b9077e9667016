"""Compares the types of columns as DuckDB does, and renders them for migrations."""

from __future__ import annotations

from contextlib import closing
from functools import lru_cache
from typing import Any, Literal

import duckdb
from alembic.ddl.impl import DefaultImpl
from duckdb_engine import datatypes as engine_types
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect import datatypes
from mixpanel_data.dialect.sql import parsing
from mixpanel_data.dialect.sql.builtin import BUILTIN
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.type_names import split_collation

_DUCKDB_ONLY = {datatypes.__name__, engine_types.__name__}

_TYPEOF = f"SELECT {BUILTIN}typeof(CAST(NULL AS {{}}))"


def differ(connection: Connection | None, *names: str) -> bool:
    """Tell whether the types of two columns differ, by their names: only DuckDB knows all aliases.

    Args:
        connection: The database; without one, types with different names differ.
        names: What the dialect calls the types.
    """
    kinds, collations = zip(*map(split_collation, names), strict=True)
    if len({fold(parsing.unquote(name or "''")) for name in collations}) > 1:
        return True
    return len(set(kinds)) > 1 and len({_own_name(connection, kind) for kind in kinds}) > 1


def render(dialect: Dialect, type_: TypeEngine[Any], autogen_context: Any) -> str | Literal[False]:
    """Render DuckDB-only types by their DuckDB name, PostgreSQL's as Alembic does for it.

    Other third-party types are imported. The database is not asked: Alembic renders when
    ``env.py`` is through, and has closed its connection.
    """
    module = type(type_).__module__
    if module in _DUCKDB_ONLY:
        name = _spelling(dialect.type_compiler_instance.process(type_))
        autogen_context.imports.add(f"from {parsing.__name__} import parse_type")
        return f"parse_type({name!r})"
    if not module.startswith("sqlalchemy."):
        autogen_context.imports.add(f"import {module}")
    make: Any = DefaultImpl.get_by_dialect(PGDialect())
    offline = make(PGDialect(), None, True, None, None, {})
    rendered: str | Literal[False] = offline.render_type(type_, autogen_context)
    return rendered


def _own_name(connection: Connection | None, name: str) -> str:
    """Return what DuckDB calls a type; without a database, what the dialect does."""
    if connection is None:
        return name
    return str(connection.exec_driver_sql(_TYPEOF.format(name)).scalar_one())


@lru_cache(maxsize=256)
def _spelling(name: str) -> str:
    """Return what DuckDB calls a type; for one that only a database knows, what the dialect does.

    Any DuckDB can tell.
    """
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as elsewhere:
        try:
            return str(elsewhere.execute(_TYPEOF.format(name)).fetchall()[0][0])
        except duckdb.Error:
            return name
