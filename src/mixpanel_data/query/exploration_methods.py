"""Methods of ``StorageEngine`` that look at data."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection

from mixpanel_data.common.choices import require
from mixpanel_data.common.nearest import nearest
from mixpanel_data.common.values import text
from mixpanel_data.database.handle import Database
from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.exceptions import TableShapeError
from mixpanel_data.query import execution, exploration
from mixpanel_data.query.execution import Params, Query
from mixpanel_data.query.exploration_sql import Rows
from mixpanel_data.schema import catalog
from mixpanel_data.types import ColumnInfo, TableSchema, TableType
from mixpanel_data.types.results import (
    ColumnStats,
    DailyCounts,
    EventBreakdown,
    NumericSummary,
    Preview,
    PropertyCoverage,
    PropertyDistribution,
    PropertyStats,
    Sample,
    Summary,
)

_log = logging.getLogger(__name__)

#: The percentiles that a numeric summary has by default.
PERCENTILES = (25, 50, 75, 90, 95, 99)


class ExplorationMethods:
    """Methods of :class:`StorageEngine` that look at data.

    They take names of properties and events as they are, never SQL. Each result is a frozen
    dataclass with ``.df``, ``.to_dict()`` and the SQL it comes from (``.sql``), and is drawn as a
    table in notebooks. In a sandbox, its limits apply.
    """

    _database: Database

    def sample(self, table: str, n: int = 10) -> Sample:
        """Return rows of a table, taken at random.

        Args:
            table: Name of a table or view, managed or not.
            n: How many rows; all if there are fewer.

        Raises:
            TableNotFoundError: There is no table or view of that name.
            ValueError: ``n`` is no number from 0.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.create_table_as("numbers", "SELECT 7 AS n FROM range(100)")
            ...     storage.sample("numbers", 2).rows
            [(7,), (7,)]
        """
        return exploration.sample(self._ask, self._schema(table), _count("n", n))

    def preview(self, query: Query, params: Params | None = None, n: int = 100) -> Preview:
        """Return the first rows of a query, whatever number it has.

        Args:
            query: SQL text, or a SQLAlchemy statement.
            params: As for :meth:`~mixpanel_data.StorageEngine.execute_df`.
            n: How many rows.

        Raises:
            QueryError: DuckDB or the sandbox rejects the query, or it is no query. It did not run.
            ValueError: ``n`` is no number from 0.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     first = storage.preview("SELECT n FROM range(1000) t(n)", n=2)
            ...     first.columns, first.rows, first.has_more
            (['n'], [(0,), (1,)], True)
        """
        n = _count("n", n)
        with (
            self._database.autocommit_connection() as connection,
            self._database.reading_first(connection, n + 1),
        ):
            is_trusted = not self._database.policy.is_sandbox
            found = execution.first_rows(connection, query, params, n, only_query=is_trusted)
        return Preview(sql=str(query), **found._asdict())

    def summarize(self, table: str) -> Summary:
        """Return minimum, maximum, quartiles and more of every column, as ``SUMMARIZE`` does.

        Args:
            table: Name of a table or view, managed or not.

        Raises:
            TableNotFoundError: There is no table or view of that name.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.create_table_as("numbers", "SELECT n FROM range(5) t(n)")
            ...     (column,) = storage.summarize("numbers").columns
            ...     column.min, column.max, column.avg
            ('0', '4', 2.0)
        """
        return exploration.summarize(self._ask, self._schema(table))

    def column_stats(self, table: str, column: str, top_n: int = 10) -> ColumnStats:
        """Return what a column holds, with its most frequent values.

        Times are those of the column, as SQL text gives them: naive UTC where the table is ours.

        Args:
            table: Name of a table or view, managed or not.
            column: Name of the column, in any case. For a property, use :meth:`property_stats`.
            top_n: How many values.

        Raises:
            TableNotFoundError: There is no table or view of that name.
            TableShapeError: It has no such column. It is a ``ValueError``.

        Example:
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.create_table_as("numbers", "SELECT n % 3 AS n FROM range(10) t(n)")
            ...     stats = storage.column_stats("numbers", "n", top_n=1)
            ...     stats.unique_count, stats.top_values
            (3, [ValueCount(value=0, count=4, pct=40.0)])
        """
        schema = self._schema(table)
        top_n = _count("top_n", top_n)
        return exploration.column_stats(
            self._ask, schema.table_name, _column(schema, column), top_n
        )

    def event_breakdown(self, table: str) -> EventBreakdown:
        """Return which events a table has, how many of each, of how many users, and when.

        Args:
            table: Name of an events table.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is no events table. It is a ``ValueError``.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     january = TableMetadata("events", fetched_at=datetime(2025, 2, 1))
            ...     lines = ['{"event": "Sign Up", "properties": {"time": 1735689600}}']
            ...     _ = storage.load_events_export("events_jan", lines, january)
            ...     [(each.event_name, each.count) for each in
            ...      storage.event_breakdown("events_jan").events]
            [('Sign Up', 1)]
        """
        return exploration.event_breakdown(self._ask, self._events(table))

    def daily_counts(
        self,
        table: str,
        events: Sequence[str] | str | None = None,
        from_date: date | str | None = None,
        to_date: date | str | None = None,
    ) -> DailyCounts:
        """Return how often events occurred on each day, in UTC.

        Args:
            table: Name of an events table.
            events: Names of the events, None for all.
            from_date: The first day, such as ``"2025-01-31"``.
            to_date: The last day, inclusive.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is no events table. It is a ``ValueError``.
            ValueError: A day is malformed, or the first is after the last.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     january = TableMetadata("events", fetched_at=datetime(2025, 2, 1))
            ...     lines = ['{"event": "Sign Up", "properties": {"time": 1735689600}}']
            ...     _ = storage.load_events_export("events_jan", lines, january)
            ...     storage.daily_counts("events_jan", "Sign Up").counts
            [DailyCount(date=datetime.date(2025, 1, 1), event='Sign Up', count=1)]
        """
        names = _names("events", events)
        first, last = _day("from_date", from_date), _day("to_date", to_date)
        if first is not None and last is not None and first > last:
            raise ValueError(f"from_date {first} is after to_date {last}.")
        return exploration.daily_counts(
            self._ask,
            self._events(table),
            names,
            first,
            last,
        )

    def property_keys(self, table: str, event: str | None = None) -> list[str]:
        """Return the names of the properties, sorted.

        All rows are read; :meth:`property_coverage` may read a part of them.

        Args:
            table: Name of an events or profiles table.
            event: Name of an event, None for all rows.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is not managed, or has no events. It is a ``ValueError``.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "u", "properties": {"$city": "Zürich", "plan": 1}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.property_keys("users")
            ['$city', 'plan']
        """
        with self._looking(table, event) as (ask, rows):
            found = exploration.property_keys(ask, rows)
            if not found and (hint := exploration.event_hint(ask, rows)):
                _log.warning("%s: %s", rows.table, hint)
        return found

    def property_coverage(
        self,
        table: str,
        event: str | None = None,
        properties: Sequence[str] | None = None,
        *,
        exact: bool | None = None,
        sample_rows: int = 200_000,
    ) -> PropertyCoverage:
        """Return how many rows have which properties, of which types, with an example.

        Tables of up to two million rows are read as a whole, of larger ones a part that is the same
        every time. The result has ``sampled`` and ``sample_share``.

        Args:
            table: Name of an events or profiles table.
            event: Name of an event, None for all rows.
            properties: Names of properties, None for all there are.
            exact: True to read all rows of a large table, False to read only a part of any table
                with more than ``sample_rows``.
            sample_rows: About how many rows of the table that part has.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is not managed, or has no events. It is a ``ValueError``.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "u", "properties": {"plan": "pro"}},
            ...                 {"distinct_id": "v", "properties": {}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     (plan,) = storage.property_coverage("users").coverage
            ...     plan.coverage_percentage, plan.types, plan.example
            (50.0, {'string': 1}, 'pro')
        """
        names = _names("properties", properties)
        sample_rows = _count("sample_rows", sample_rows, least=1)
        with self._looking(table, event) as (ask, rows):
            percent = exploration.sampling(ask, rows.table, sample_rows, exact=exact)
            return exploration.property_coverage(ask, rows._replace(percent=percent), names)

    def property_distribution(
        self, table: str, event: str | None, property: str, limit: int = 20
    ) -> PropertyDistribution:
        """Return the most frequent values of a property.

        Args:
            table: Name of an events or profiles table.
            event: Name of an event, None for all rows.
            property: Name of the property.
            limit: How many values.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is not managed, or has no events. It is a ``ValueError``.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "u", "properties": {"$city": "Zürich"}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.property_distribution("users", None, "$city").values
            [ValueCount(value='Zürich', count=1, pct=100.0)]
        """
        name, limit = _name("property", property), _count("limit", limit)
        with self._looking(table, event) as (ask, rows):
            return exploration.property_distribution(ask, rows, name, limit)

    def numeric_summary(
        self,
        table: str,
        event: str | None,
        property: str,
        percentiles: Iterable[float] = PERCENTILES,
    ) -> NumericSummary:
        """Return minimum, maximum, average and percentiles of the numbers that a property holds.

        Args:
            table: Name of an events or profiles table.
            event: Name of an event, None for all rows.
            property: Name of the property. Text is no number, even ``"42"``.
            percentiles: Numbers from 0 to 100.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is not managed, or has no events. It is a ``ValueError``.
            ValueError: A percentile is not between 0 and 100.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": f"{n}", "properties": {"n": n}} for n in range(5)]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.numeric_summary("users", None, "n", percentiles=[50]).percentiles
            {50: 2.0}
        """
        require("percentiles", percentiles, Iterable, "a list of numbers from 0 to 100")
        given = tuple(percentiles)
        for percentile in given:
            if not isinstance(percentile, (int, float)) or not 0 <= percentile <= 100:
                raise ValueError(f"percentiles has {percentile!r}. Use numbers from 0 to 100.")
        name, unique = _name("property", property), tuple(dict.fromkeys(given))
        with self._looking(table, event) as (ask, rows):
            return exploration.numeric_summary(ask, rows, name, unique)

    def property_stats(
        self, table: str, property: str, event: str | None = None, top_n: int = 10
    ) -> PropertyStats:
        """Return how many rows have a property, its types and its most frequent values.

        Args:
            table: Name of an events or profiles table.
            property: Name of the property.
            event: Name of an event, None for all rows.
            top_n: How many values.

        Raises:
            TableNotFoundError: There is no table of that name.
            TableShapeError: It is not managed, or has no events. It is a ``ValueError``.

        Example:
            >>> from datetime import datetime
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "u", "properties": {"$city": "Zürich"}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.property_stats("users", "city").hint
            "'city' does not occur here. Did you mean '$city'?"
        """
        name, top_n = _name("property", property), _count("top_n", top_n)
        with self._looking(table, event) as (ask, rows):
            return exploration.property_stats(ask, rows, name, top_n)

    # How the tables are found and asked

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL that macros of the database must not affect, within the limits of a sandbox."""
        with self._database.autocommit_connection() as connection:
            return _ask(connection, sql)

    @contextmanager
    def _looking(self, table: str, event: str | None) -> Iterator[tuple[exploration.Ask, Rows]]:
        """Provide what runs SQL over the properties of a table, and the rows to look at.

        All is read in one transaction, so that no column becomes stale meanwhile. In a sandbox,
        where nobody can make it so, SQL runs elsewhere.
        """
        with self._database.catalog_connection() as connection:
            rows = _rows(connection, table, event)
            is_sandbox = self._database.policy.is_sandbox
            yield self._ask if is_sandbox else partial(_ask, connection), rows

    def _schema(self, table: str) -> TableSchema:
        with self._database.catalog_connection() as connection:
            return catalog.get_schema(connection, table)

    def _events(self, table: str) -> str:
        with self._database.catalog_connection() as connection:
            return _events(connection, table).table_name


def _ask(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return execution.rows(connection, qualify_builtins(sql), None, None)


def _rows(connection: Connection, table: str, event: str | None) -> Rows:
    find = _managed if event is None else _events
    found = find(connection, table)
    columns = {
        column.property: column
        for column in found.columns
        if column.property is not None and not column.stale
    }
    name = None if event is None else _name("event", event)
    return Rows(found.table_name, name, columns=columns)


def _events(connection: Connection, table: str) -> TableSchema:
    return _managed(connection, table, "events")


def _managed(connection: Connection, table: str, wanted: TableType | None = None) -> TableSchema:
    found = catalog.get_schema(connection, table)
    kind = catalog.managed_tables(connection).get(found.table_name)
    if kind is None:
        raise TableShapeError(
            found.table_name,
            "is no events or profiles table. sample(), summarize(), column_stats() and SQL can "
            "look at it; adopt_table() makes it one of ours if it has the columns.",
        )
    if wanted not in (None, kind):
        raise TableShapeError(found.table_name, "holds profiles. Name a table of events.")
    return found


def _column(schema: TableSchema, name: str) -> ColumnInfo:
    for column in schema.columns:
        if fold(column.name) == fold(name):
            return column
    names = [column.name for column in schema.columns]
    meant = nearest(str(name), names)
    advice = f"Did you mean {meant!r}? " if meant else ""
    raise TableShapeError(
        schema.table_name,
        f"has no column {name!r}. {advice}It has {', '.join(names)}. "
        "property_stats() looks at a property.",
    )


def _name(argument: str, value: str) -> str:
    try:
        return text(value)
    except ValueError as error:
        raise ValueError(f"{argument} is {value!r}, which {error}") from error


def _names(argument: str, value: str | Iterable[str] | None) -> list[str] | None:
    """Return the names in a list, each once; None for all."""
    if value is None:
        return None
    require(argument, value, Iterable, "a name, or a list of names")
    names = [value] if isinstance(value, str) else value
    return list(dict.fromkeys(_name(argument, name) for name in names))


def _count(argument: str, value: int, least: int = 0) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not is_count or not least <= value < sys.maxsize:
        raise ValueError(f"{argument} is {value!r}. Use a number of rows, such as 10.")
    return value


def _day(argument: str, value: date | str | None) -> date | None:
    if value is None or type(value) is date:
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{argument} is {value!r}. Use a day such as '2025-01-31'.") from error
