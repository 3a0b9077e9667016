"""The SQL of the methods that look at data.

Each statement runs as it stands. Arithmetic is left to Python: operators such as ``*`` call
functions that a macro of the database can replace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.sql.json_paths import text_literal
from mixpanel_data.query import numbers
from mixpanel_data.query.property_expressions import (
    JSON_TYPES,
    NULL,
    property_expression,
)
from mixpanel_data.types import ColumnInfo

#: Types of JSON values that are numbers.
_NUMBERS = ", ".join(
    quoted(name) for name, kind in JSON_TYPES.items() if kind in ("integer", "number")
)

_ROW_COUNT = "SELECT count(*) FROM {table}"

_SAMPLE = "SELECT * FROM {table} USING SAMPLE RESERVOIR({n} ROWS)"

_SUMMARIZE = "SUMMARIZE {table}"

_SUMMARY = """\
SELECT {columns}
FROM {table}"""

_EVENT_NAMES = "SELECT DISTINCT event_name FROM {table} ORDER BY event_name"

# All events together are the row without a name.
_EVENT_BREAKDOWN = """\
SELECT event_name, count(*) AS count, count(DISTINCT distinct_id) AS unique_users,
    min(event_time) AS first_seen, max(event_time) AS last_seen
FROM {table}
GROUP BY GROUPING SETS ((event_name), ())
ORDER BY count DESC, event_name"""

_PROPERTY_KEYS = """\
SELECT DISTINCT unnest(json_keys(properties)) AS property
{rows}
ORDER BY property"""

# All rows together are the row without a property. A JSON pointer can express every name.
_COVERAGE = """\
WITH found AS (
    SELECT unnest(list_append({names}, NULL)) AS property,
        unnest({types}) AS type,
        rowid AS place
    {rows}
), counted AS (
    SELECT property, type, count(*) AS count, min(place) AS place FROM found GROUP BY ALL
), pointed AS (
    SELECT *, concat('/', replace(replace(property, '~', '~0'), '/', '~1')) AS pointer FROM counted
)
SELECT property, type, count, place, json_extract_string(shown.properties, pointer) AS example
FROM pointed LEFT JOIN {table} AS shown ON shown.rowid = place
ORDER BY property, place"""

_DISTRIBUTION = """\
WITH found AS (
    SELECT {selected}, count(*) AS count
    {rows}
    GROUP BY ALL
), typed AS (
    SELECT {text} AS value, {type} AS type, count FROM found
), types AS (
    SELECT type, sum(count) AS type_count, count(*) AS type_unique FROM typed GROUP BY ALL
), top AS (
    SELECT * FROM typed WHERE type <> {null} ORDER BY count DESC, value, type LIMIT {limit}
)
SELECT type, type_count, type_unique, value, count
FROM types LEFT JOIN top USING (type)
ORDER BY count DESC, value, type"""

_NUMERIC_SUMMARY = """\
WITH found AS (
    SELECT {selected}
    {rows}
), typed AS (
    SELECT {type} AS type, TRY_CAST({text} AS DOUBLE) AS number FROM found
), numbers AS (
    SELECT type, CASE WHEN type IN ({numbers}) AND isfinite(number) THEN number END AS number
    FROM typed
)
SELECT count(number) AS count,
    count(type) FILTER (number IS NULL AND type <> {null}) AS other_count,
    min(number) AS min, max(number) AS max, sum(number) AS sum, avg(number) AS avg,
    {stddev} AS stddev, {quantiles} AS percentiles
FROM numbers"""

_COLUMN_STATS = """\
WITH stats AS (
    SELECT count(*) AS row_count, count({column}) AS value_count,
        count(DISTINCT {column}) AS unique_count, min({column}) AS min, max({column}) AS max,
        {avg} AS avg, {stddev} AS stddev
    FROM {table}
), top AS (
    SELECT {column} AS value, count(*) AS count
    FROM {table}
    WHERE {column} IS NOT NULL
    GROUP BY ALL
    ORDER BY count DESC, value
    LIMIT {limit}
)
SELECT * FROM stats LEFT JOIN top ON true ORDER BY count DESC, value"""

_DAILY_COUNTS = """\
SELECT CAST(event_time AS DATE) AS date, event_name AS event, count(*) AS count
FROM {table}{where}
GROUP BY ALL
ORDER BY date, event"""


class Rows(NamedTuple):
    """Which rows of a managed table to look at.

    Attributes:
        table: Name of the table.
        event: Name of the event, None for all rows.
        percent: Percentage of the rows to read, None for all.
        columns: The columns of properties that are what the documents say, by property.
    """

    table: str
    event: str | None = None
    percent: float | None = None
    columns: Mapping[str, ColumnInfo] = MappingProxyType({})

    @property
    def sql(self) -> str:
        """The FROM clause and what belongs to it; it has the same rows every time."""
        found = f"FROM {_name(self.table)}"
        if self.percent is not None:
            found += f" TABLESAMPLE SYSTEM({self.percent:f} PERCENT) REPEATABLE (1)"
        if self.event is not None:
            found += f" WHERE event_name = {text_literal(self.event)}"
        return found


def row_count(table: str) -> str:
    """Count the rows."""
    return _ROW_COUNT.format(table=_name(table))


def sample(table: str, n: int) -> str:
    """Take rows at random."""
    return _SAMPLE.format(table=_name(table), n=n)


def summarize(table: str, columns: Sequence[ColumnInfo]) -> str:
    """Summarize the columns, as ``SUMMARIZE`` does, which fails on numbers that are too large."""
    if not any(numbers.can_overflow(column.type) for column in columns):
        return _SUMMARIZE.format(table=_name(table))
    told = [_summary(column) for column in columns]
    lists = [f"unnest({_list([each[name] for each in told])}) AS {name}" for name in told[0]]
    return _SUMMARY.format(columns=",\n    ".join(lists), table=_name(table))


def _summary(column: ColumnInfo) -> dict[str, str]:
    """Return the SQL of what ``SUMMARIZE`` tells of a column, in its order."""
    name = _name(column.name)
    quartiles = {
        f"q{percent}": f"CAST(approx_quantile({name}, 0.{percent}) AS VARCHAR)"
        if numbers.has_quantiles(column.type)
        else "NULL"
        for percent in (25, 50, 75)
    }
    return {
        "column_name": text_literal(column.name),
        "column_type": text_literal(column.type),
        "min": f"CAST(min({name}) AS VARCHAR)",
        "max": f"CAST(max({name}) AS VARCHAR)",
        "approx_unique": f"approx_count_distinct({name})",
        "avg": numbers.average(name, column.type),
        "std": numbers.deviation(name, column.type),
        **quartiles,
        "count": "count(*)",
        "null_percentage": f"round(avg(CASE WHEN {name} IS NULL THEN 100 ELSE 0 END), 2)",
    }


def event_names(table: str) -> str:
    """List the names of the events."""
    return _EVENT_NAMES.format(table=_name(table))


def event_breakdown(table: str) -> str:
    """Count the events by name, and all together."""
    return _EVENT_BREAKDOWN.format(table=_name(table))


def property_keys(rows: Rows) -> str:
    """List the names of the properties."""
    return _PROPERTY_KEYS.format(rows=rows.sql)


def coverage(rows: Rows, properties: Sequence[str] | None) -> str:
    """Count the types of each property, with an example, and the rows.

    Args:
        rows: The rows.
        properties: Names of the properties, None for all there are.
    """
    if properties is None:  # both list the members in the order of the document
        names, types = "json_keys(properties)", "json_type(properties, '$.*')"
    else:
        expressions = [property_expression(rows.columns, name) for name in properties]
        names = _list([text_literal(name) for name in properties])
        types = _list([each.type for each in expressions])
    return _COVERAGE.format(names=names, types=types, rows=rows.sql, table=_name(rows.table))


def distribution(rows: Rows, name: str, limit: int) -> str:
    """Count the most frequent values of a property, and of each type all."""
    expression = property_expression(rows.columns, name)
    return _DISTRIBUTION.format(
        selected=expression.selected,
        text=expression.named.text,
        type=expression.named.type,
        null=quoted(NULL),
        rows=rows.sql,
        limit=limit,
    )


def numeric_summary(rows: Rows, name: str, percentiles: Sequence[float]) -> str:
    """Summarize the numbers of a property."""
    expression = property_expression(rows.columns, name)
    shares = _list([f"CAST({percentile / 100!r} AS DOUBLE)" for percentile in percentiles])
    return _NUMERIC_SUMMARY.format(
        selected=expression.selected,
        text=expression.named.text,
        type=expression.named.type,
        null=quoted(NULL),
        numbers=_NUMBERS,
        stddev=numbers.deviation("number", "DOUBLE"),
        quantiles=f"quantile_cont(number, {shares})" if percentiles else "NULL",
        rows=rows.sql,
    )


def column_stats(table: str, column: ColumnInfo, limit: int) -> str:
    """Describe a column, with its most frequent values."""
    name = _name(column.name)
    return _COLUMN_STATS.format(
        table=_name(table),
        column=name,
        avg=numbers.average(name, column.type),
        stddev=numbers.deviation(name, column.type),
        limit=limit,
    )


def daily_counts(
    table: str, events: Sequence[str] | None, from_date: date | None, to_date: date | None
) -> str:
    """Count the events of each day in UTC."""
    conditions = []
    if events is not None:
        conditions.append(f"event_name IN ({', '.join(map(text_literal, events)) or 'NULL'})")
    if from_date is not None:
        conditions.append(f"event_time >= TIMESTAMP '{from_date} 00:00:00'")
    if to_date is not None:
        conditions.append(f"event_time <= TIMESTAMP '{to_date} 23:59:59.999999'")
    where = f"\nWHERE {' AND '.join(conditions)}" if conditions else ""
    return _DAILY_COUNTS.format(table=_name(table), where=where)


def _name(name: str) -> str:
    return quoted(name, '"')


def _list(items: Sequence[str]) -> str:
    return f"list_value({', '.join(items)})"
