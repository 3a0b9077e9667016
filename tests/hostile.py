"""Texts that look like SQL, for names, values, filters and paths."""

from __future__ import annotations

import duckdb
from hypothesis import strategies as st

#: Text that some parser on the way would take for more than text.
FRAGMENTS = [
    "'",
    '"',
    "''",
    '""',
    "`",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "\\'",
    "\\:",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "%",
    "%s",
    "%(name)s",
    "%%",
    ":name",
    ":a::",
    "::INTEGER",
    "$1",
    "$name",
    "$$",
    "?",
    "{}",
    "{0}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "..",
    "/",
    "../",
    "~",
    "*",
    "@",
    "#",
    "=",
    "select",
    "ORDER",
    "main",
    "temp",
    "canary",
    "_metadata",
    "COLLATE",
    "GENERATED",
    "PRIMARY KEY",
    "NULL",
    "nextval('s')",
    "'; DROP TABLE canary; --",
    '"; DROP TABLE canary; --',
    "\uff07",  # a look-alike of the quote
    "\u2019",
    "\u037e",  # of the semicolon
    "\u212a",  # of the letter K, which it becomes in lower case
    "\u0130",  # becomes two letters in lower case
    "ß",
    "\u00a0",
    "\u200b",
    "\u2028",
    "\u202e",  # the text runs backwards from here
    "\ufeff",
    "e\u0301",
    "日本",
    "👩‍👩‍👧",
    "x" * 300,
]

texts = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), min_size=1, max_size=4).map("".join),
    st.sampled_from(FRAGMENTS),
    st.text(max_size=8),
)
#: Texts that UTF-8 can express.
utf8 = texts.filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
#: What DuckDB takes for a name when it is quoted: its parser stops at a NUL.
names = utf8.filter(lambda text: text != "" and "\0" not in text)


def catalog(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Return all that SQL could have added, changed or removed, internal things left out."""
    queries = {
        "databases": "SELECT database_name FROM duckdb_databases() WHERE NOT internal",
        "schemas": "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal",
        "tables": "SELECT schema_name, table_name, sql FROM duckdb_tables()",
        "views": "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal",
        "indexes": "SELECT table_name, index_name FROM duckdb_indexes()",
        "sequences": "SELECT sequence_name FROM duckdb_sequences()",
        "types": "SELECT type_name FROM duckdb_types() WHERE NOT internal",
        "functions": "SELECT function_name FROM duckdb_functions() WHERE NOT internal",
        "secrets": "SELECT name FROM duckdb_secrets()",
        "settings": "SELECT name, value FROM duckdb_settings() "
        "WHERE name NOT IN ('memory_limit', 'max_memory')",
        "variables": "SELECT name FROM duckdb_variables()",
    }
    return {
        what: sorted(connection.execute(query).fetchall(), key=str)
        for what, query in queries.items()
    }
