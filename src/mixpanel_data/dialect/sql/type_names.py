"""DuckDB's names of SQLAlchemy types, where PostgreSQL's names mean something else."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGTypeCompiler

_COLLATION = re.compile(r' COLLATE ("(?:[^"]|"")+"|[\w.]+)\Z')
_IN_CAST = re.compile(rf"{_COLLATION.pattern[:-2]}\)\Z")


def split_collation(name: str) -> tuple[str, str | None]:
    """Split the name of a type, as columns have it, into that of casts and a collation."""
    found = _COLLATION.search(name)
    return (name, None) if found is None else (name[: found.start()], found[1])


def collate_outside(cast: str) -> str:
    """Return a cast with its collation behind it, where DuckDB reads one."""
    return _IN_CAST.sub(r") COLLATE \1", cast)


class TypeCompiler(PGTypeCompiler):
    """Compiles types to their names."""

    def process(self, type_: Any, **kw: Any) -> Any:
        """Give duckdb-engine's nested types what they get in ``CREATE TABLE`` everywhere."""
        kw.setdefault("identifier_preparer", self.dialect.identifier_preparer)
        return super().process(type_, **kw)

    def visit_float(self, type_: Any, **kw: Any) -> str:
        """Use ``DOUBLE`` for Python's floats: DuckDB's ``FLOAT`` has 32 bits."""
        return "FLOAT" if 0 < (type_.precision or 53) <= 24 else "DOUBLE"

    def visit_enum(self, type_: Any, **kw: Any) -> str:
        """Write an enum inline, so that there is no type to create and drop."""
        return self.visit_ENUM(type_, **kw) if type_.native_enum else self.visit_VARCHAR(type_)

    def visit_ENUM(self, type_: Any, identifier_preparer: Any = None, **kw: Any) -> str:  # noqa: N802
        """Write an enum inline."""
        values = (value.replace("'", "''") for value in type_.enums)
        return "ENUM({})".format(", ".join(f"'{value}'" for value in values))

    def visit_large_binary(self, type_: Any, **kw: Any) -> str:
        """Use the name in DuckDB's catalog."""
        return "BLOB"

    def visit_BINARY(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB's binary strings have no length."""
        return "BLOB"

    visit_VARBINARY = visit_BINARY  # noqa: N815

    def visit_CLOB(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB's texts have no limit."""
        return "VARCHAR"

    visit_NCLOB = visit_CLOB  # noqa: N815

    def visit_TIME(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB's times have one precision."""
        return "TIME WITH TIME ZONE" if type_.timezone else "TIME"

    def visit_TIMESTAMP(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB's times with a zone have one precision."""
        if type_.timezone:
            return "TIMESTAMP WITH TIME ZONE"
        text: str = super().visit_TIMESTAMP(type_, **kw)
        return text

    def visit_CITEXT(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """Compare texts without regard to case, as PostgreSQL's type does."""
        return "VARCHAR COLLATE NOCASE"

    def visit_JSONB(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB has one kind of JSON."""
        return "JSON"

    def visit_INTERVAL(self, type_: Any, **kw: Any) -> str:  # noqa: N802
        """DuckDB's intervals have all fields and one precision."""
        return "INTERVAL"
