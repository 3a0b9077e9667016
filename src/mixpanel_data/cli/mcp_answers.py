"""What each tool of the MCP server asks the database."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from mixpanel_data.cli.mcp_results import MAX_ROWS, Answer
from mixpanel_data.exceptions import TableNotFoundError
from mixpanel_data.storage import StorageEngine
from mixpanel_data.types import TableInfo, TableMetadata
from mixpanel_data.types.results import ColumnSummary, EventStats, ValueCount

#: Rows of a table up to which all of them are read for the names of its properties.
_ALL_NAMES = 5_000_000

#: Columns of a query up to which their types are told.
_MANY_COLUMNS = 50

_NO_TABLES = (
    "This database has no table of events or profiles yet. query with SHOW TABLES names what else "
    "there is."
)
_OTHER_TABLES = "query with SHOW TABLES also names tables and views of other kinds, if any."

_HOW_TO_ASK = (
    """In query, a property is properties->>'$."name"' as text, with its name exactly as """
    """property_keys spells it, such as (properties->>'$."$browser"') = 'Chrome'; put it in """
    """parentheses before an operator, and use TRY_CAST(... AS DOUBLE) for numbers."""
)


def list_tables(storage: StorageEngine) -> Answer:
    """Return the events and profiles tables."""
    rows = []
    tables = storage.list_tables()
    for table in tables[:MAX_ROWS]:
        metadata = storage.get_metadata(table.name)
        rows.append(
            (
                *(table.name, table.type, table.row_count, metadata.from_date, metadata.to_date),
                table.fetched_at,
            )
        )
    return Answer(
        ["table", "type", "row_count", "from_date", "to_date", "fetched_at"],
        rows,
        has_more=len(tables) > MAX_ROWS,
        notes=[_OTHER_TABLES if rows else _NO_TABLES],
        see_rest="query with SHOW TABLES.",
    )


def describe_table(storage: StorageEngine, table: str) -> Answer:
    """Return the columns of a table, and how its rows were fetched."""
    schema = storage.get_schema(table)
    try:
        metadata = storage.get_metadata(schema.table_name)
    except TableNotFoundError:
        metadata = None
    properties = [None if each.stale else each.property for each in schema.columns]
    rows = [
        (each.name, each.type, each.nullable, each.primary_key, name)
        for each, name in zip(schema.columns, properties, strict=True)
    ]
    info = _info(storage, schema.table_name)
    return Answer(
        ["column", "type", "nullable", "primary_key", "property"],
        rows,
        facts={"table": schema.table_name, **_facts(metadata, info)},
        notes=_notes(metadata, has_columns=any(properties)),
        see_rest="query with DESCRIBE and the table.",
    )


def _info(storage: StorageEngine, table: str) -> TableInfo | None:
    return next((each for each in storage.list_tables() if each.name == table), None)


def _facts(metadata: TableMetadata | None, info: TableInfo | None) -> dict[str, Any]:
    if metadata is None or info is None:
        return {"type": "other"}
    known = {name: value for name, value in asdict(metadata).items() if value is not None}
    return known | {"row_count": info.row_count}


def _notes(metadata: TableMetadata | None, *, has_columns: bool) -> list[str]:
    if metadata is None:
        return ["A table or view of another kind: sample, summarize and query can look at it."]
    notes = [f"Times are in UTC. {_HOW_TO_ASK}"]
    if has_columns:
        notes.append(
            "Where property names one, the column has that property: it is faster than the path."
        )
    if metadata.filter_events or metadata.filter_where:
        notes.append("Only rows that pass the filter in facts were fetched.")
    return notes


def sample(storage: StorageEngine, table: str, n: int) -> Answer:
    """Return rows taken at random."""
    found = storage.sample(table, n)
    return Answer(found.columns, found.rows, facts={"table": found.table, "sql": found.sql})


def query(storage: StorageEngine, sql: str) -> Answer:
    """Return the first rows of a query."""
    found = storage.preview(sql, n=MAX_ROWS)
    types = {"types": found.types} if len(found.types) <= _MANY_COLUMNS else {}
    return Answer(found.columns, found.rows, found.has_more, types)


def event_breakdown(storage: StorageEngine, table: str) -> Answer:
    """Return which events a table has."""
    found = storage.event_breakdown(table)
    names = [each.name for each in fields(EventStats)]
    return Answer(
        names,
        [[getattr(event, name) for name in names] for event in found.events],
        facts={
            "table": found.table,
            "event_names": len(found.events),
            "total_events": found.total_events,
            "total_users": found.total_users,
            "date_range": found.date_range,
            "sql": found.sql,
        },
    )


def property_keys(
    storage: StorageEngine, table: str, event: str | None, contains: str | None
) -> Answer:
    """Return the names of the properties, each with its coverage, types and an example."""
    covered = storage.property_coverage(table, event, exact=False)
    shown = {each.property: each for each in covered.coverage}
    notes = [covered.hint] if covered.hint else []
    info = _info(storage, covered.table)
    names = set(shown)
    if covered.sampled and info and info.row_count <= _ALL_NAMES:
        names.update(storage.property_keys(table, event))
    if covered.sampled:
        notes.append(
            f"Coverage is of about {covered.sample_share:.2%} of the rows; where it is null, none "
            "of these has the property."
        )
        if info and info.row_count > _ALL_NAMES:
            notes.append("Properties that no sampled row has are not listed.")
    if contains is not None:
        names = {name for name in names if contains.casefold() in name.casefold()}
    rows = [
        (name, each.coverage_percentage, each.types, each.example)
        if (each := shown.get(name))
        else (name, None, None, None)
        for name in names
    ]
    rows.sort(key=lambda row: (-(row[1] or 0.0), row[0]))
    return Answer(
        ["property", "coverage_percentage", "types", "example"],
        rows,
        facts={
            "table": covered.table,
            "event": event,
            "row_count": covered.row_count,
            "property_count": len(rows),
        },
        notes=notes,
        see_rest="Search among them with contains.",
    )


def property_stats(
    storage: StorageEngine, table: str, property: str, event: str | None, top_n: int
) -> Answer:
    """Return the coverage, the types and the most frequent values of a property."""
    found = storage.property_stats(table, property, event, top_n)
    names = [each.name for each in fields(ValueCount)]
    left_out = {"top_values", "hint"}
    facts = {
        each.name: getattr(found, each.name) for each in fields(found) if each.name not in left_out
    }
    notes = [found.hint] if found.hint else []
    if found.unique_count > len(found.top_values):
        notes.append(f"These are the most frequent of {found.unique_count:,} values.")
    return Answer(
        names,
        [[getattr(each, name) for name in names] for each in found.top_values],
        facts=facts,
        notes=notes,
    )


def summarize(storage: StorageEngine, table: str) -> Answer:
    """Return what is in the columns of a table."""
    found = storage.summarize(table)
    names = [each.name for each in fields(ColumnSummary)]
    return Answer(
        names,
        [[getattr(column, name) for name in names] for column in found.columns],
        facts={"table": found.table, "row_count": found.row_count, "sql": found.sql},
        see_rest="query with SUMMARIZE and some of the columns.",
    )
