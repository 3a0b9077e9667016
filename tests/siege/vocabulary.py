"""Names of the functions, types and settings of the installed DuckDB."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cache

import duckdb

#: Types of parameters, by how they begin, and the symbols of the grammar for a value of them.
_VALUES = {
    "LAMBDA": "lambda",
    "VARCHAR[": "texts",
    "MAP": "map",
    "STRUCT": "struct",
    "JSON": "json",
    "VARCHAR": "text",
    "BOOLEAN": "bool",
    "BLOB": "blob",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIME": "time",
    "INTERVAL": "interval",
    "DOUBLE[": "numbers",
    "FLOAT[": "numbers",
    "BIGINT[": "numbers",
    "BIT": "bit",
    "UUID": "uuid",
    **dict.fromkeys(["DOUBLE", "FLOAT", "DECIMAL"], "decimal"),
    **dict.fromkeys(["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"], "number"),
    **dict.fromkeys(["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"], "number"),
    "POINTER": "number",
    "TABLE": "relation",
}


@dataclass(frozen=True)
class Function:
    """One way to call a function: its name and the symbols of its arguments."""

    name: str
    arguments: tuple[str, ...]


#: DuckDB 1.5 does not list these.
_WINDOWS = (
    *(Function(name, ()) for name in ("row_number", "rank", "dense_rank", "cume_dist")),
    *(Function(name, ("expression",)) for name in ("first_value", "last_value", "lead", "lag")),
    Function("ntile", ("small",)),
    Function("nth_value", ("expression", "small")),
)


@dataclass(frozen=True)
class Vocabulary:
    """The words of a version of DuckDB, each group in the order of its names."""

    keywords: tuple[str, ...]
    types: tuple[str, ...]
    settings: tuple[str, ...]
    functions: dict[str, tuple[Function, ...]]

    @property
    def names(self) -> set[str]:
        """The names of all functions."""
        return {function.name for group in self.functions.values() for function in group}


@cache
def vocabulary() -> Vocabulary:
    """Return the words of the installed version."""
    with closing(duckdb.connect()) as connection:

        def words(query: str) -> tuple[str, ...]:
            return tuple(word for (word,) in connection.execute(query).fetchall())

        kinds = words("SELECT DISTINCT function_type FROM duckdb_functions() ORDER BY 1")
        found = connection.execute(
            "SELECT DISTINCT function_type, function_name, parameter_types FROM duckdb_functions() "
            "ORDER BY ALL"
        ).fetchall()
        return Vocabulary(
            words("SELECT DISTINCT keyword_name FROM duckdb_keywords() ORDER BY 1"),
            words("SELECT DISTINCT type_name FROM duckdb_types() ORDER BY 1"),
            words("SELECT DISTINCT name FROM duckdb_settings() ORDER BY 1"),
            {"window": _WINDOWS}
            | {
                kind: tuple(
                    dict.fromkeys(
                        function
                        for its_kind, name, parameters in found
                        if its_kind == kind
                        for function in _ways_to_call(kind, name, parameters)
                    )
                )
                for kind in kinds
            },
        )


def _ways_to_call(kind: str, name: str, parameters: list[str | None]) -> list[Function]:
    symbols = tuple(map(_symbol, parameters))
    if kind != "table":
        return [Function(name, symbols)]
    # Which of them must be named is not told.
    return [Function(name, symbols[:count]) for count in range(min(len(symbols), 3) + 1)]


def _symbol(parameter: str | None) -> str:
    """Return the symbol of the grammar for a value of a type."""
    for beginning, symbol in _VALUES.items():
        if parameter is not None and parameter.startswith(beginning):
            return symbol
    return "list" if parameter is not None and parameter.endswith("]") else "expression"


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def kinds(statement: str) -> list[str] | None:
    """Return the kinds of statements in a text, None when the parser does not take it."""
    try:
        return [part.type.name for part in _parser().extract_statements(statement)]
    except (duckdb.ParserException, UnicodeError, TypeError):  # or it cannot be written in UTF-8
        return None
    except (duckdb.Error, ValueError):  # the client refuses some, and has no name for others
        return ["other"]
