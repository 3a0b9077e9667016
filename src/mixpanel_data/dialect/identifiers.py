"""Quotes names for DuckDB."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import duckdb
import duckdb_engine
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer

from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.sql.parsing import split_schema


@lru_cache
def reserved_words() -> frozenset[str]:
    """Return the keywords that DuckDB accepts as names only in quotes."""
    with driver_errors(), duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(word for (word,) in rows)


class IdentifierPreparer(duckdb_engine.DuckDBIdentifierPreparer):
    """Quotes names without touching DuckDB's process-wide default connection."""

    # SQLAlchemy's own pattern ends with $, which also matches before a newline at the end.
    legal_characters = re.compile(r"[a-z0-9_$]+\Z", re.IGNORECASE | re.ASCII)

    def __init__(self, dialect: Any, **options: Any) -> None:
        # Skips duckdb-engine's __init__, which would use the default connection
        # (https://github.com/Mause/duckdb_engine/issues/1377).
        super(duckdb_engine.DuckDBIdentifierPreparer, self).__init__(dialect, **options)
        self.reserved_words: set[str] = {*PGIdentifierPreparer.reserved_words, *reserved_words()}

    def format_schema(self, name: str) -> str:
        """Quote a schema, or a database and a schema (``database.schema``)."""
        if getattr(name, "quote", None) is False:  # a placeholder of schema_translate_map
            return name
        return ".".join(self.quote(part) for part in split_schema(name) if part is not None)
