"""What is known of statements and parameters before or after DuckDB runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import duckdb
from duckdb import DuckDBPyConnection, ExpectedResultType, StatementType

from mixpanel_data.dialect.driver.guards import Parameters
from mixpanel_data.dialect.numpy_scalars import any_numpy, without_numpy

#: Whether DuckDB's own ``executemany()`` tells how many rows it changed; that of 1.5 does not.
COUNTS_MANY = int(duckdb.__version__.split(".", 1)[0]) >= 2

#: How deeply lists and dicts may be nested in a parameter.
_DEEPEST = 60

#: A node of DuckDB's syntax tree that writes, in a CTE, as JSON: ``"type":"DELETE_QUERY_NODE"``.
_WRITING_NODE = re.compile(r'"type":"\w+_QUERY_NODE"')

#: The first words of statements that may be in a CTE and write.
_WRITING_WORDS = {"DELETE", "INSERT", "UPDATE", "COPY"}

#: What a PIVOT is in DuckDB 2.0; in 1.5, it is several statements, without a text.
_PIVOT = getattr(StatementType, "MULTI", None)

#: Words of statements that change a database, to leave out quickly those that have none of them.
_CHANGING_WORDS = re.compile(r"(?i)\b(insert|update|delete|merge|create|alter|drop|copy)\b")

#: The kinds of such statements.
_CHANGING = {"INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "ALTER", "DROP"}

#: A COPY that reads a file.
_COPY_FROM = re.compile(r"(?is)\s*copy\s+[^\s(][^']*\sfrom\s")

_OTHERS = """
    SELECT database_name FROM system.main.duckdb_databases()
    WHERE NOT internal AND database_name <> system.main.current_database()
"""

_WORD = re.compile(rb"[A-Za-z_]+")

_TREE = "SELECT system.main.json_serialize_sql($1)"


def bindable(parameters: Parameters) -> Parameters:
    """Return parameters with Python's values in place of NumPy's scalars.

    Raises:
        InvalidInputException: A parameter is nested so deeply, or in itself, that DuckDB's client
            would crash.
    """
    level = list(parameters.values() if isinstance(parameters, dict) else parameters)
    kinds = set(map(type, level))
    for _ in range(_DEEPEST):
        nested = {id(value): value for value in level if isinstance(value, (list, tuple, dict))}
        if not nested:
            return _without_numpy(parameters) if any_numpy(kinds) else parameters
        level = [
            item
            for value in nested.values()
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        kinds.update(map(type, level))
    raise duckdb.InvalidInputException(f"A parameter is nested more than {_DEEPEST} levels deep.")


def _without_numpy(parameters: Parameters) -> Parameters:
    if isinstance(parameters, dict):
        return {name: without_numpy(value) for name, value in parameters.items()}
    return [without_numpy(value) for value in parameters]


def has_rows(driver: DuckDBPyConnection, statement: str) -> bool:
    """Tell whether the statement that ran returns rows.

    For one that does not, DuckDB returns a column ``Success``, or ``Count`` with the number of
    changed rows.
    """
    description = driver.description
    if description is None:
        return False
    if len(description) != 1 or description[0][0] not in ("Count", "Success"):
        return True
    *_, last = driver.extract_statements(statement)
    without = {ExpectedResultType.CHANGED_ROWS, ExpectedResultType.NOTHING}
    return without.isdisjoint(last.expected_result_type) or is_returning(statement)


def run_many(driver: DuckDBPyConnection, statement: str, rows: Sequence[Parameters]) -> int:
    """Run a statement for every set of parameters, and return how many rows it changed.

    DuckDB 1.5 tells that of one set at a time only, which takes no longer.

    Returns:
        The number of rows, -1 for a statement that changes none.
    """
    if COUNTS_MANY:
        driver.executemany(statement, rows)
        return driver.rowcount
    counts = [driver.execute(statement, row).fetchall() for row in rows]
    names = [name for name, *_ in driver.description or ()]
    if names != ["Count"] or has_rows(driver, statement):
        return -1
    return sum(count for found in counts for (count,) in found)


def without_end(statement: str) -> str:
    """Return a statement without the semicolon at its end and the comments there.

    DuckDB puts the text of a relation between brackets.
    """
    encoded = statement.encode()  # DuckDB counts bytes
    end = len(encoded)
    for start, kind in reversed(duckdb.tokenize(statement)):
        if kind != duckdb.token_type.comment and encoded[start : start + 1] != b";":
            break
        end = start
    return encoded[:end].decode()


def require_query(driver: DuckDBPyConnection, statement: str) -> None:
    """Refuse what is not one query: what writes, sets something, or is several statements.

    Raises:
        InvalidInputException: It is something else.
        ParserException: It is no SQL.
    """
    statement.encode()  # otherwise the client's error would be that of a wrong argument
    found = driver.extract_statements(statement)
    # DuckDB turns a PIVOT into statements that create the types it needs, and a SELECT.
    is_pivot = len(found) > 1 and not any(part.query for part in found[:-1])
    is_one = len(found) == 1 or is_pivot
    reads = is_one and found[-1].type in (StatementType.SELECT, _PIVOT)
    if not reads or _writes(driver, statement):
        raise duckdb.InvalidInputException(
            "This is not one query that only reads (SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, "
            "SUMMARIZE or PIVOT). Nothing was run. execute_rows() runs any statement."
        )


def _writes(driver: DuckDBPyConnection, statement: str) -> bool:
    with driver.cursor() as cursor:
        ((tree,),) = cursor.execute(_TREE, [statement]).fetchall()
    if not tree.startswith('{"error":true'):
        return _WRITING_NODE.search(tree) is not None
    # The tree of a PIVOT is not to be had.
    return bool(_WRITING_WORDS & set(_keywords(statement)))


def changes(driver: DuckDBPyConnection, statement: str) -> bool:
    """Tell whether a statement changes tables or other things of a database.

    Raises:
        ParserException: It is no SQL.
    """
    if _CHANGING_WORDS.search(statement) is None:
        return False
    try:
        statement.encode()  # otherwise the client's error would be that of a wrong argument
        kinds = {part.type.name for part in driver.extract_statements(statement)}
    except ValueError:  # the client has no name for some statements, such as UPDATE EXTENSIONS
        return False
    if not _CHANGING.isdisjoint(kinds):
        return True
    if "COPY" in kinds:
        return _COPY_FROM.match(statement) is not None
    return kinds == {"SELECT"} and _writes(driver, statement)


def names_other_database(driver: DuckDBPyConnection, statement: str) -> bool:
    """Tell whether a statement names something in another database that is attached."""
    with driver.cursor() as cursor:
        names = [re.escape(name) for (name,) in cursor.execute(_OTHERS).fetchall()]
    found = "|".join(names)
    return bool(names) and re.search(rf'(?i)(?<!\w)"?({found})"?\s*\.', statement) is not None


def is_returning(statement: str) -> bool:
    """Tell whether the word RETURNING is in a statement, outside of names and strings."""
    return "RETURNING" in _keywords(statement)


def _keywords(statement: str) -> Iterator[str]:
    """Iterate over the keywords of a statement, in upper case."""
    encoded = statement.encode()  # DuckDB counts bytes
    for start, kind in duckdb.tokenize(statement):
        if kind == duckdb.token_type.keyword and (word := _WORD.match(encoded, start)):
            yield word[0].decode().upper()
