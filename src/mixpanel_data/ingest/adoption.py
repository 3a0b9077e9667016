"""Make a table that something else made one of ours, if its rows are what a load could have stored.

What it would have refused is refused here: an export of such rows could not be loaded again.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    DateTime,
    String,
    Table,
    cast,
    distinct,
    func,
    or_,
    select,
)

from mixpanel_data.common.json_depth import MAX_DEPTH, exceeds_depth
from mixpanel_data.common.json_documents import parse_json
from mixpanel_data.common.times import EPOCH, LATEST, MICROSECOND
from mixpanel_data.exceptions import QueryError, TableExistsError, TableShapeError
from mixpanel_data.schema import catalog, metadata_rows
from mixpanel_data.schema.table_lifecycle import claim_table_name, delete_metadata
from mixpanel_data.schema.tables import key_of, managed_columns, managed_table
from mixpanel_data.types import TableMetadata, TableType

#: What DuckDB calls the types of our columns.
_TYPE_NAMES: dict[type, str] = {String: "VARCHAR", DateTime: "TIMESTAMP", JSON: "JSON"}

#: Rows whose documents are read at a time.
_ROWS = 2048


def adopt_table(connection: Connection, name: str, metadata: TableMetadata) -> None:
    """Record a table that has the columns of an events or profiles table as one.

    What may be NULL in it becomes what may be in others.

    Args:
        connection: Connection with a transaction open, the internal tables there.
        name: Its name, in any case.
        metadata: How its rows were fetched.

    Raises:
        TableNotFoundError: There is no such table.
        TableExistsError: It is a managed table already.
        TableShapeError: Its columns are others, or what is in them, or cannot become NOT NULL.
    """
    found = catalog.find_table(connection, name)
    if found is None:
        raise catalog.not_found(connection, name)
    if found in catalog.managed_tables(connection):
        raise TableExistsError(
            found, "It is an events or profiles table already, so there is nothing to adopt."
        )
    _require_columns(connection, found, metadata.type)
    table = managed_table(metadata.type, found)
    rows = _count_valid(connection, table)
    _alter_nullability(connection, table)
    delete_metadata(connection, found)
    metadata_rows.record(connection, found, metadata, rows)


def _require_columns(connection: Connection, name: str, kind: TableType) -> None:
    expected = {column.name: _TYPE_NAMES[type(column.type)] for column in managed_columns(kind)}
    found = {column.name: column.type for column in catalog.get_schema(connection, name).columns}
    if found != expected:
        wanted = ", ".join(f"{column} {type_}" for column, type_ in expected.items())
        had = ", ".join(f"{column} {type_}" for column, type_ in found.items())
        raise TableShapeError(name, f"has the columns {had}. {kind.capitalize()} have {wanted}.")


def _count_valid(connection: Connection, table: Table) -> int:
    """Return the number of rows.

    Raises:
        TableShapeError: A row cannot be one of the table.
    """
    key, all_rows = key_of(table), func.system.main.count_star()
    problems = _problems(table)
    counts: list[ColumnElement[Any]] = [all_rows, func.system.main.count(distinct(key))]
    for is_bad in problems.values():
        counts += all_rows.filter(is_bad), func.system.main.min(key).filter(is_bad)
    rows, keys, *found = connection.execute(select(*counts)).one()
    for problem, count, example in zip(problems, found[::2], found[1::2], strict=True):
        _require_none(table, problem, count, example)
    if keys < rows:
        problem = f"has {rows - keys} rows whose {key.name!r} another row has."
        raise TableShapeError(table.name, f"{problem} Delete them.")
    _require_documents(connection, table)
    return int(rows)


def _problems(table: Table) -> dict[str, ColumnElement[bool]]:
    """Return what a row may lack or have, with what to do, and the condition for it."""
    problems: dict[str, ColumnElement[bool]] = {}
    kind = func.system.main.json_type(table.c.properties)
    for column in table.columns:
        if not column.nullable:
            problems[f"without {column.name!r}. Fill it"] = column.is_(None)
        if isinstance(column.type, DateTime):
            problem = f"whose {column.name!r} is not between the years 1 and 9999. Correct it"
            # Infinity is later than any time.
            latest = EPOCH + LATEST * MICROSECOND
            problems[problem] = ~column.between(latest.min, latest)
    others = "whose 'properties' are no JSON object. Make them objects"
    problems[others] = kind.not_in(["OBJECT", "NULL"])
    none = "whose 'properties' are NULL. Make them '{}'"
    problems[none] = or_(table.c.properties.is_(None), kind == "NULL")
    return problems


def _require_none(table: Table, problem: str, count: int, example: str | None) -> None:
    """Raise for rows with a problem.

    Raises:
        TableShapeError: There are any.
    """
    if count:
        such_as = "" if example is None else f" One has the {key_of(table).name!r} {example!r}."
        raise TableShapeError(table.name, f"has {count} rows {problem}, or delete them.{such_as}")


def _require_documents(connection: Connection, table: Table) -> None:
    """Raise for documents that DuckDB takes for JSON, and no load does.

    Raises:
        TableShapeError: There are any.
    """
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    rows = connection.execute(select(key_of(table), cast(table.c.properties, String)))
    for part in rows.partitions(_ROWS):
        for key, document in part:
            if (problem := _problem_of(document.encode())) is not None:
                counts[problem] += 1
                examples.setdefault(problem, key)
    for problem, count in counts.items():
        _require_none(table, problem, count, examples[problem])


def _problem_of(document: bytes) -> str | None:
    """Return what is wrong with a document that is an object to DuckDB, and what to do."""
    if exceeds_depth(document):
        return f"whose 'properties' are nested more than {MAX_DEPTH} levels deep. Flatten them"
    try:
        if orjson.dumps(parse_json(document)) == document:
            return None
    except TypeError:
        pass  # a number that `orjson` does not write
    except ValueError:
        return "whose 'properties' are no strict JSON, such as NaN. Correct them"
    counts = []
    json.loads(
        document, object_pairs_hook=lambda pairs: counts.append(len(pairs) - len({*dict(pairs)}))
    )
    return "whose 'properties' have a member twice. Leave one of them" if any(counts) else None


def _alter_nullability(connection: Connection, table: Table) -> None:
    """Let the columns of a table be NULL, or not, as they are declared.

    Raises:
        TableShapeError: Something that depends on the table prevents it.
        WriteConflictError: Another connection is changing the table.
    """
    quote = connection.dialect.identifier_preparer.quote
    for found in catalog.get_schema(connection, table.name).columns:
        wanted = table.c[found.name].nullable
        if found.nullable == wanted:
            continue
        change = f"ALTER COLUMN {quote(found.name)} {'DROP' if wanted else 'SET'} NOT NULL"
        try:
            with claim_table_name(table.name):
                connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} {change}")
        except QueryError as error:
            reason = error.message.splitlines()[0]
            raise TableShapeError(
                table.name,
                f"has a column {found.name!r} that may{' not' if wanted else ''} be NULL, and "
                f"DuckDB cannot alter that: {reason} Drop its indexes and what refers to it, adopt "
                "the table, and create them again.",
            ) from error.__cause__
