"""Looks at the data of tables: which events, properties and values there are.

Each function takes one that runs SQL and returns the rows.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from mixpanel_data.common.nearest import nearest
from mixpanel_data.common.times import as_utc
from mixpanel_data.query import exploration_sql
from mixpanel_data.query.exploration_sql import Rows
from mixpanel_data.query.numbers import is_numeric
from mixpanel_data.query.property_expressions import JSON_TYPES, NULL
from mixpanel_data.types import ColumnInfo, TableSchema
from mixpanel_data.types.results import (
    ColumnStats,
    ColumnSummary,
    CoveredProperty,
    DailyCount,
    DailyCounts,
    EventBreakdown,
    EventStats,
    NumericSummary,
    PropertyCoverage,
    PropertyDistribution,
    PropertyStats,
    Sample,
    Summary,
    ValueCount,
)

#: Rows up to which a table is read as a whole unless the caller says otherwise.
EXACT_ROWS = 2_000_000

Ask = Callable[[str], list[tuple[Any, ...]]]


def sample(ask: Ask, schema: TableSchema, n: int) -> Sample:
    """Return rows taken at random."""
    sql = exploration_sql.sample(schema.table_name, n)
    columns = [column.name for column in schema.columns]
    return Sample(sql=sql, table=schema.table_name, columns=columns, rows=ask(sql))


def summarize(ask: Ask, schema: TableSchema) -> Summary:
    """Return what is in the columns of a table."""
    sql = exploration_sql.summarize(schema.table_name, schema.columns)
    columns = []
    for name, kind, low, high, unique, avg, std, q25, q50, q75, count, nulls in ask(sql):
        numeric = is_numeric(kind)
        columns.append(
            ColumnSummary(
                *(name, kind, low, high, unique),
                avg=_float(avg) if numeric else None,
                std=_float(std) if numeric else None,
                q25=q25,
                q50=q50,
                q75=q75,
                count=count,
                null_percentage=float(nulls or 0),
            )
        )
    rows = columns[0].count if columns else 0
    return Summary(sql=sql, table=schema.table_name, row_count=rows, columns=columns)


def event_breakdown(ask: Ask, table: str) -> EventBreakdown:
    """Return which events a table has."""
    sql = exploration_sql.event_breakdown(table)
    found = ask(sql)
    ((_, total, users, first, last),) = [row for row in found if row[0] is None]
    events = [
        EventStats(name, count, of_users, as_utc(start), as_utc(end), percentage(count, total))
        for name, count, of_users, start, end in found
        if name is not None
    ]
    return EventBreakdown(
        sql=sql,
        table=table,
        total_events=total,
        total_users=users,
        date_range=(as_utc(first), as_utc(last)) if total else None,
        events=events,
    )


def property_keys(ask: Ask, rows: Rows) -> list[str]:
    """Return the names of the properties, sorted."""
    return [name for (name,) in ask(exploration_sql.property_keys(rows))]


def sampling(ask: Ask, table: str, sample_rows: int, *, exact: bool | None) -> float | None:
    """Return the percentage of the rows to read, None for all."""
    if exact:
        return None
    ((total,),) = ask(exploration_sql.row_count(table))
    if total <= (EXACT_ROWS if exact is None else sample_rows):
        return None
    return max(percentage(sample_rows, total), 0.0001)


def property_coverage(ask: Ask, rows: Rows, properties: Sequence[str] | None) -> PropertyCoverage:
    """Return which properties the rows have."""
    sql = exploration_sql.coverage(rows, properties)
    total, found = 0, defaultdict[str, list[tuple[Any, ...]]](list)
    for name, kind, count, place, example in ask(sql):
        if name is None:
            total = count
        elif kind is not None:
            found[name].append((kind, count, place, example))
    if properties is None:
        covered = [_covered(name, found[name], total) for name in found]
        covered.sort(key=lambda each: (-each.defined_count, each.property))
    else:
        covered = [_covered(name, found[name], total) for name in properties]
    return PropertyCoverage(
        sql=sql,
        hint=_hint(ask, rows, [name for name in properties or () if not found[name]], total),
        table=rows.table,
        event=rows.event,
        row_count=total,
        sampled=rows.percent is not None,
        sample_share=1.0 if rows.percent is None else rows.percent / 100,
        coverage=covered,
    )


def _covered(name: str, kinds: list[tuple[Any, ...]], total: int) -> CoveredProperty:
    """Return one property, from its types with their count, first place and example."""
    values = sorted((each for each in kinds if each[0] != NULL), key=lambda each: each[2])
    nulls = sum(count for kind, count, *_ in kinds if kind == NULL)
    types = _types((kind, count) for kind, count, *_ in values)
    defined = sum(types.values())
    example = _value(values[0][3], values[0][0]) if values else None
    return CoveredProperty(
        property=name,
        defined_count=defined,
        null_count=nulls,
        missing_count=total - defined - nulls,
        coverage_percentage=percentage(defined, total),
        types=types,
        example=example,
    )


class _Values(NamedTuple):
    """How often a property has which values and types; NULL is a null, None none at all."""

    counts: dict[str | None, int]
    unique: int
    top: list[ValueCount]

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    @property
    def nulls(self) -> int:
        return self.counts.get(NULL, 0)

    @property
    def missing(self) -> int:
        return self.counts.get(None, 0)

    @property
    def defined(self) -> int:
        return self.rows - self.nulls - self.missing


def _values(ask: Ask, sql: str) -> _Values:
    found = ask(sql)
    counts = {kind: int(count) for kind, count, *_ in found}
    unique = {kind: number for kind, _, number, *_ in found if kind not in (NULL, None)}
    values = _Values(counts, sum(unique.values()), [])
    for kind, _, _, text, count in found:
        if count is not None:
            pct = percentage(count, values.defined)
            values.top.append(ValueCount(_value(text, kind), count, pct))
    return values


def property_distribution(ask: Ask, rows: Rows, name: str, limit: int) -> PropertyDistribution:
    """Return the most frequent values of a property."""
    sql = exploration_sql.distribution(rows, name, limit)
    found = _values(ask, sql)
    return PropertyDistribution(
        sql=sql,
        hint=_hint(ask, rows, [name] if found.missing == found.rows else [], found.rows),
        table=rows.table,
        event=rows.event,
        property=name,
        total_count=found.defined,
        unique_count=found.unique,
        values=found.top,
    )


def property_stats(ask: Ask, rows: Rows, name: str, top_n: int) -> PropertyStats:
    """Return what a property holds."""
    sql = exploration_sql.distribution(rows, name, top_n)
    found = _values(ask, sql)
    types = _types(
        (kind, count) for kind, count in found.counts.items() if kind not in (NULL, None)
    )
    return PropertyStats(
        sql=sql,
        hint=_hint(ask, rows, [name] if found.missing == found.rows else [], found.rows),
        table=rows.table,
        event=rows.event,
        property=name,
        row_count=found.rows,
        defined_count=found.defined,
        null_count=found.nulls,
        missing_count=found.missing,
        coverage_percentage=percentage(found.defined, found.rows),
        unique_count=found.unique,
        types=types,
        top_values=found.top,
    )


def numeric_summary(
    ask: Ask, rows: Rows, name: str, percentiles: Sequence[float]
) -> NumericSummary:
    """Return what the numbers of a property are."""
    sql = exploration_sql.numeric_summary(rows, name, percentiles)
    ((count, others, low, high, total, avg, stddev, quantiles),) = ask(sql)
    return NumericSummary(
        sql=sql,
        hint=None if count or others else _hint(ask, rows, [name], None),
        table=rows.table,
        event=rows.event,
        property=name,
        count=count,
        other_count=others,
        min=low,
        max=high,
        sum=_float(total),
        avg=_float(avg),
        stddev=_float(stddev),
        percentiles=dict(zip(percentiles, quantiles or [None] * len(percentiles), strict=True)),
    )


def column_stats(ask: Ask, table: str, column: ColumnInfo, top_n: int) -> ColumnStats:
    """Return what a column holds."""
    sql = exploration_sql.column_stats(table, column, top_n)
    found = ask(sql)
    rows, values, unique, low, high, avg, stddev, *_ = found[0]
    return ColumnStats(
        sql=sql,
        table=table,
        column=column.name,
        type=column.type,
        row_count=rows,
        null_count=rows - values,
        null_percentage=percentage(rows - values, rows),
        unique_count=unique,
        min=low,
        max=high,
        avg=_float(avg),
        stddev=_float(stddev),
        top_values=[
            ValueCount(value, count, percentage(count, values))
            for *_, value, count in found
            if count is not None
        ],
    )


def daily_counts(
    ask: Ask,
    table: str,
    events: Sequence[str] | None,
    from_date: date | None,
    to_date: date | None,
) -> DailyCounts:
    """Return how often events occurred on each day."""
    sql = exploration_sql.daily_counts(table, events, from_date, to_date)
    counts = [DailyCount(*row) for row in ask(sql)]
    unseen = sorted(set(events or ()) - {each.event for each in counts})
    hint = _did_you_mean(unseen, _event_names(ask, table)) if unseen else None
    return DailyCounts(sql=sql, hint=hint, table=table, counts=counts)


def event_hint(ask: Ask, rows: Rows) -> str | None:
    """Return a hint if an event does not occur, None if it does."""
    return (
        None if rows.event is None else _did_you_mean([rows.event], _event_names(ask, rows.table))
    )


def _hint(ask: Ask, rows: Rows, unseen: Sequence[str], row_count: int | None) -> str | None:
    """Return a hint for names that occur nowhere.

    Args:
        ask: Runs SQL.
        rows: The rows that were asked for.
        unseen: Properties that none of these rows has.
        row_count: Number of these rows, None if it is unknown.
    """
    if not row_count and (hint := event_hint(ask, rows)):
        return hint
    if not unseen:
        return None
    percent = rows.percent or sampling(ask, rows.table, EXACT_ROWS, exact=None)
    return _did_you_mean(unseen, property_keys(ask, rows._replace(percent=percent)))


def _did_you_mean(unseen: Iterable[str], known: Sequence[str]) -> str | None:
    """Return a sentence for each name that is not known."""
    sentences = []
    for name in unseen:
        if name not in known:
            meant = nearest(name, known)
            advice = f" Did you mean {meant!r}?" if meant else ""
            sentences.append(f"{name!r} does not occur here.{advice}")
    return " ".join(sentences) or None


def _event_names(ask: Ask, table: str) -> list[str]:
    return [name for (name,) in ask(exploration_sql.event_names(table))]


def percentage(part: int, whole: int) -> float:
    """Return a part in percent, 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def _types(counts: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """Return the names of types with their counts, the most frequent first."""
    found: Counter[str] = Counter()
    for kind, count in counts:
        found[JSON_TYPES[kind or NULL]] += count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _value(text: str, kind: str) -> Any:
    """Return a property's value, of its text and DuckDB's name of its type."""
    if kind in ("BIGINT", "UBIGINT") or (kind == "DOUBLE" and text.lstrip("-").isdigit()):
        return int(text)
    if kind == "DOUBLE":
        return float(text)
    return text == "true" if kind == "BOOLEAN" else text


def _float(value: Any) -> float | None:
    """Return a number that may be text, None for one that is none."""
    return None if value is None or not math.isfinite(float(value)) else float(value)
