"""Looking at data: every result equals a plain computation over the same records."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import (
    QueryError,
    StorageEngine,
    TableNotFoundError,
    TableShapeError,
    ValueCount,
)
from tests.engines import empty_storage
from tests.examples import examples
from tests.hostile import FRAGMENTS, utf8
from tests.records import EVENTS, PROFILES, START, Record, make_event, make_events, make_profiles

EVENT_NAMES = ["Sign Up", 'it\'s "a" {0} %(b)s', "a\0b", ""]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.integers(-3, 3)
    | st.floats(-1e100, 1e100)
    | st.sampled_from(["1", "true", "x", "null", ""])
    | utf8
)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(utf8, scalars, max_size=2)
names = st.sampled_from([*FRAGMENTS, "", "$browser", "a.b", "a/b~1", "0", '$."a"']) | utf8
documents = st.dictionaries(names, values, max_size=4)


@st.composite
def event_lists(draw: st.DrawFn) -> list[Record]:
    documents_ = draw(st.lists(documents, max_size=8))
    # Some of the rows share a property.
    name, shared = draw(names), draw(st.lists(values, max_size=8))
    for document, value in zip(documents_, shared, strict=False):
        document[name] = value
    return [
        make_event(
            number,
            event_name=draw(st.sampled_from(EVENT_NAMES)),
            event_time=START + timedelta(hours=draw(st.integers(0, 100))),
            distinct_id=draw(st.sampled_from("abc")),
            properties=document,
        )
        for number, document in enumerate(documents_)
    ]


def kind_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**64 else "number"
    kinds = {float: "number", str: "string", list: "array", dict: "object"}
    return kinds[type(value)]


def key_of(value: Any) -> tuple[str, str]:
    """What tells values apart: 1, 1.0, True and "1" are four."""
    return type(value).__name__, json.dumps(value, sort_keys=True)


def given_back(value: Any, kind: str | None) -> Any:
    """A value as the library gives it, with arrays and objects parsed again."""
    return json.loads(value) if kind in ("array", "object") else value


def of(events: list[Record], event: str | None) -> list[Record]:
    return [each for each in events if event in (None, each["event_name"])]


def percent(part: int, whole: int) -> Any:
    return pytest.approx(100 * part / whole if whole else 0)


@examples(15)
@given(event_lists())
def test_the_breakdown_counts_events_and_users(events: list[Record]) -> None:
    with empty_storage() as storage:
        storage.create_events_table("select", events, EVENTS)
        found = storage.event_breakdown("select")
    times = [each["event_time"] for each in events]
    assert found.total_events == len(events)
    assert found.total_users == len({each["distinct_id"] for each in events})
    assert found.date_range == ((min(times), max(times)) if times else None)
    counts = Counter(each["event_name"] for each in events)
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    assert [(each.event_name, each.count) for each in found.events] == [
        (name, counts[name]) for name in ordered
    ]
    for each in found.events:
        own = of(events, each.event_name)
        assert each.unique_users == len({one["distinct_id"] for one in own})
        assert each.first_seen == min(one["event_time"] for one in own)
        assert each.last_seen == max(one["event_time"] for one in own)
        assert each.pct_of_total == percent(len(own), len(events))


@examples(20)
@given(event_lists(), st.sampled_from([None, *EVENT_NAMES]))
def test_coverage_tells_missing_null_and_types_of_all_properties(
    events: list[Record], event: str | None
) -> None:
    with empty_storage() as storage:
        storage.create_events_table("order", events, EVENTS)
        keys = storage.property_keys("order", event)
        found = storage.property_coverage("order", event)
        asked = storage.property_coverage("order", event, [*reversed(keys), "nowhere"])
    own = [each["properties"] for each in of(events, event)]
    assert keys == sorted({name for document in own for name in document})
    assert sorted(each.property for each in found.coverage) == keys
    assert (found.row_count, found.sampled, found.sample_share) == (len(own), False, 1.0)
    for each in found.coverage:
        held = [document[each.property] for document in own if each.property in document]
        kinds = Counter(kind_of(value) for value in held if value is not None)
        assert each.defined_count == kinds.total()
        assert each.null_count == held.count(None)
        assert each.missing_count == len(own) - len(held)
        assert each.coverage_percentage == percent(kinds.total(), len(own))
        assert each.types == dict(kinds)
        first = next((value for value in held if value is not None), None)
        assert given_back(each.example, kind_of(first)) == first
    *same, missing = asked.coverage
    assert same == sorted(found.coverage, key=lambda each: each.property, reverse=True)
    assert (missing.defined_count, missing.missing_count) == (0, len(own))


@examples(25)
@given(event_lists(), st.sampled_from([None, *EVENT_NAMES]), st.data())
def test_values_of_a_property_are_counted_by_type_and_text(
    events: list[Record], event: str | None, data: st.DataObject
) -> None:
    known = sorted({name for each in events for name in each["properties"]})
    name = data.draw(st.sampled_from(known) if known else names)
    with empty_storage() as storage:
        storage.create_events_table("t", events, EVENTS)
        found = storage.property_distribution("t", event, name)
        stats = storage.property_stats("t", name, event, top_n=20)
        few = storage.property_distribution("t", event, name, limit=1)
    own = [each["properties"] for each in of(events, event)]
    held = [document[name] for document in own if document.get(name) is not None]
    counts = Counter(map(key_of, held))
    kinds = Counter(map(kind_of, held))
    assert found.total_count == stats.defined_count == len(held)
    assert found.unique_count == stats.unique_count == len(counts)
    assert found.values == stats.top_values
    assert few.values == found.values[:1]
    assert stats.types == dict(kinds)
    assert stats.null_count == sum(name in document for document in own) - len(held)
    assert stats.missing_count == sum(name not in document for document in own)
    assert stats.row_count == len(own)
    assert stats.coverage_percentage == percent(len(held), len(own))
    assert [each.count for each in found.values] == sorted(counts.values(), reverse=True)
    texts = Counter(
        value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in held
    )
    for each in found.values:
        assert each.pct == percent(each.count, len(held))
        if not isinstance(each.value, str):
            assert counts[key_of(each.value)] == each.count
        else:
            same = texts.get(each.value)
            parsed = None if same else texts[json.dumps(json.loads(each.value), sort_keys=True)]
            assert each.count <= (same or parsed or 0)


@examples(20)
@given(event_lists(), st.lists(st.integers(0, 100) | st.floats(0, 100), max_size=3), st.data())
def test_a_numeric_summary_is_that_of_the_numbers(
    events: list[Record], percentiles: list[float], data: st.DataObject
) -> None:
    known = sorted({name for each in events for name in each["properties"]})
    name = data.draw(st.sampled_from(known) if known else names)
    with empty_storage() as storage:
        storage.create_events_table("t", events, EVENTS)
        found = storage.numeric_summary("t", None, name, iter(percentiles))
    held = [each["properties"].get(name) for each in events]
    numbers = sorted(float(value) for value in held if kind_of(value) in ("integer", "number"))
    others = [value for value in held if kind_of(value) not in ("integer", "number", None)]
    assert (found.count, found.other_count) == (len(numbers), len(others))
    if not numbers:
        assert found.min is found.max is found.sum is found.avg is found.stddev is None
        assert set(found.percentiles.values()) <= {None}
        return
    scale = max(map(abs, numbers)) * 1e-9 + 1e-300
    assert (found.min, found.max) == (numbers[0], numbers[-1])
    assert found.sum == pytest.approx(math.fsum(numbers), abs=scale)
    assert found.avg == pytest.approx(math.fsum(numbers) / len(numbers), abs=scale)
    if len(numbers) > 1:
        assert found.stddev == pytest.approx(statistics.stdev(numbers), rel=1e-6, abs=scale)
    else:
        assert found.stddev is None
    assert list(found.percentiles) == list(dict.fromkeys(percentiles))
    for percentile, value in found.percentiles.items():
        place = (len(numbers) - 1) * percentile / 100
        low, high = numbers[math.floor(place)], numbers[math.ceil(place)]
        assert value == pytest.approx(low + (high - low) * (place - math.floor(place)), abs=scale)


@examples(15)
@given(
    event_lists(),
    st.none() | st.lists(st.sampled_from(EVENT_NAMES), max_size=2),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 5),
)
def test_daily_counts_are_of_utc_days_that_are_inclusive(
    events: list[Record], chosen: list[str] | None, first: int | None, last: int | None
) -> None:
    if first is not None and last is not None:
        first, last = sorted((first, last))
    from_date = None if first is None else START.date() + timedelta(days=first)
    to_date = None if last is None else START.date() + timedelta(days=last)
    with empty_storage() as storage:
        storage.create_events_table("t", events, EVENTS)
        found = storage.daily_counts("t", chosen, from_date, to_date and to_date.isoformat())
    counts = Counter(
        (each["event_time"].date(), each["event_name"])
        for each in events
        if chosen is None or each["event_name"] in chosen
        if (from_date or date.min) <= each["event_time"].date() <= (to_date or date.max)
    )
    assert [(each.date, each.event, each.count) for each in found.counts] == [
        (*key, counts[key]) for key in sorted(counts)
    ]


@examples(10)
@given(st.lists(st.none() | st.integers(-5, 5), max_size=20))
def test_column_stats_are_those_of_the_column(numbers: list[int | None]) -> None:
    with empty_storage() as storage:
        storage.execute_rows('CREATE OR REPLACE TABLE plain ("a ""b" INTEGER)')
        for number in numbers:
            storage.execute_rows("INSERT INTO plain VALUES (?)", [number])
        found = storage.column_stats("plain", 'A "b', top_n=3)
        (summary,) = storage.summarize("plain").columns
        rows = storage.sample("plain", 5).rows
        storage.drop_table("plain")
    held = [number for number in numbers if number is not None]
    counts = Counter(held)
    assert (found.row_count, found.null_count) == (len(numbers), numbers.count(None))
    assert found.unique_count == len(counts)
    assert (found.min, found.max) == (min(held, default=None), max(held, default=None))
    assert found.avg == (pytest.approx(statistics.mean(held)) if held else None)
    assert found.stddev == (pytest.approx(statistics.stdev(held)) if len(held) > 1 else None)
    top = sorted(counts, key=lambda number: (-counts[number], number))[:3]
    assert [(each.value, each.count) for each in found.top_values] == [
        (number, counts[number]) for number in top
    ]
    assert summary.count == len(numbers)
    assert summary.null_percentage == pytest.approx(found.null_percentage, abs=0.01)
    assert (summary.min, summary.max) == (
        (found.min and str(found.min)) or summary.min,
        summary.max,
    )
    assert len(rows) == min(5, len(numbers))
    assert {row[0] for row in rows} <= set(numbers)


# What all of them have in common


@pytest.fixture(scope="module")
def events() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", make_events(60), EVENTS)
        storage.create_profiles_table("users", make_profiles(3), PROFILES)
        storage.execute_rows("CREATE TABLE plain AS SELECT 1 AS n")
        yield storage


LOOKS: list[tuple[str, tuple[Any, ...]]] = [
    ("sample", ("events_jan",)),
    ("summarize", ("events_jan",)),
    ("column_stats", ("events_jan", "event_time")),
    ("column_stats", ("events_jan", "properties")),
    ("event_breakdown", ("events_jan",)),
    ("daily_counts", ("events_jan", ["Sign Up"], "2025-01-01", "2025-01-01")),
    ("property_coverage", ("events_jan",)),
    ("property_coverage", ("events_jan", "Sign Up", ["a'\"\\\0$./~%s"])),
    ("property_distribution", ("events_jan", "Sign Up", "$browser")),
    ("numeric_summary", ("events_jan", None, "number")),
    ("property_stats", ("events_jan", "number")),
    ("property_coverage", ("users",)),
    ("property_stats", ("users", "$city")),
]


@pytest.mark.parametrize(("method", "arguments"), LOOKS)
def test_a_result_has_a_frame_and_plain_values_and_sql_that_runs(
    events: StorageEngine, method: str, arguments: tuple[Any, ...]
) -> None:
    result = getattr(events, method)(*arguments)
    assert len(result.df.columns) > 0
    assert json.loads(json.dumps(result.to_dict()))["sql"] == result.sql
    assert events.execute_rows(result.sql) != []
    with pytest.raises(AttributeError):
        result.sql = ""


@pytest.mark.parametrize("sandbox", [False, True])
def test_files_can_be_looked_at_read_only_and_in_a_sandbox(path: Path, *, sandbox: bool) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(60), EVENTS)
        storage.create_profiles_table("users", make_profiles(3), PROFILES)
        wanted = [getattr(storage, method)(*arguments) for method, arguments in LOOKS[1:]]
    with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
        found = [getattr(storage, method)(*arguments) for method, arguments in LOOKS[1:]]
        assert found == wanted
        for result in found:
            storage.execute_rows(result.sql)


@pytest.mark.parametrize(("method", "arguments"), LOOKS)
def test_a_table_that_is_not_there_names_the_nearest(
    events: StorageEngine, method: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(TableNotFoundError, match="Did you mean 'events_jan'"):
        getattr(events, method)("event_jan", *arguments[1:])


def test_tables_of_the_wrong_kind_are_refused(events: StorageEngine) -> None:
    with pytest.raises(TableShapeError, match=r"'users' holds profiles\. Name a table of events"):
        events.event_breakdown("users")
    with pytest.raises(TableShapeError, match="holds profiles"):
        events.property_keys("users", "Sign Up")
    with pytest.raises(TableShapeError, match="no events or profiles table"):
        events.property_keys("plain")


def test_a_column_that_is_not_there_names_the_nearest(events: StorageEngine) -> None:
    with pytest.raises(TableShapeError, match="Did you mean 'event_name'"):
        events.column_stats("events_jan", "evnt_name")


def test_a_property_that_never_occurs_has_no_values_and_names_the_nearest(
    events: StorageEngine,
) -> None:
    meant = "'Browser' does not occur here. Did you mean '$browser'?"
    stats = events.property_stats("events_jan", "Browser")
    assert (stats.defined_count, stats.missing_count, stats.hint) == (0, 60, meant)
    assert events.property_distribution("events_jan", None, "Browser").hint == meant
    assert events.numeric_summary("events_jan", None, "Browser").hint == meant
    assert events.property_coverage("events_jan", properties=["number", "Browser"]).hint == meant
    assert events.property_stats("events_jan", "zzz").hint == "'zzz' does not occur here."


def test_an_event_that_never_occurs_names_the_nearest(
    events: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    meant = "'sign up' does not occur here. Did you mean 'Sign Up'?"
    assert events.property_stats("events_jan", "number", "sign up").hint == meant
    assert events.property_coverage("events_jan", "sign up").hint == meant
    assert events.numeric_summary("events_jan", "sign up", "number").hint == meant
    assert events.daily_counts("events_jan", ["sign up", "Purchase"]).hint == meant
    assert events.property_keys("events_jan", "sign up") == []
    assert meant in caplog.text


def test_nothing_is_hinted_at_where_everything_occurs(events: StorageEngine) -> None:
    for method, arguments in LOOKS:
        if "a'\"" not in str(arguments) and "~%s" not in str(arguments):
            assert getattr(events, method)(*arguments).hint is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.sample("events_jan", -1),
        lambda s: s.sample("events_jan", "1; DROP TABLE users"),
        lambda s: s.property_distribution("events_jan", None, "a", limit=2.5),
        lambda s: s.property_stats("events_jan", "\ud800"),
        lambda s: s.property_stats("events_jan", "a", "\ud800"),
        lambda s: s.property_stats("events_jan", 5),
        lambda s: s.numeric_summary("events_jan", None, "number", [101]),
        lambda s: s.numeric_summary("events_jan", None, "number", [math.nan]),
        lambda s: s.numeric_summary("events_jan", None, "number", ["50"]),
        lambda s: s.daily_counts("events_jan", from_date="2025-1-1"),
        lambda s: s.daily_counts("events_jan", from_date="2025-01-02", to_date="2025-01-01"),
        lambda s: s.daily_counts("events_jan", to_date="'; DROP TABLE users; --"),
        lambda s: s.daily_counts("events_jan", events=[5]),
    ],
)
def test_arguments_that_make_no_sense_are_value_errors(events: StorageEngine, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"is|has"):
        wrong(events)


def test_a_large_table_is_sampled_and_says_so() -> None:
    count = 30_000
    with empty_storage() as storage:
        storage.create_events_table("t", make_events(count), EVENTS)
        part = storage.property_coverage("t", exact=False, sample_rows=6_000)
        again = storage.property_coverage("t", exact=False, sample_rows=6_000)
        whole = storage.property_coverage("t", exact=True, sample_rows=6_000)
        small = storage.property_coverage("t", exact=False, sample_rows=count)
    assert part == again
    assert part.sampled
    assert 0 < part.row_count < count
    assert part.sample_share == pytest.approx(0.2)
    assert {each.coverage_percentage for each in part.coverage} == {100.0}
    assert (whole.sampled, whole.row_count) == (small.sampled, small.row_count) == (False, count)


def test_documents_that_are_no_objects_have_no_properties(storage: StorageEngine) -> None:
    storage.create_events_table("t", [make_event()], EVENTS)
    for document in (None, "[1]", '"x"', "null"):
        storage.execute_rows(
            "INSERT INTO t VALUES ('E', '2025-01-01', 'u', gen_random_uuid(), ?)", [document]
        )
    assert storage.property_keys("t") == ["$browser", "number", "plan name"]
    found = storage.property_coverage("t")
    assert {each.defined_count for each in found.coverage} == {1}
    assert (found.row_count, storage.property_stats("t", "number").missing_count) == (5, 4)


def test_values_are_those_of_python(storage: StorageEngine) -> None:
    held = ["1", 1, 1.0, True, 10**25, 2.5, [1, "a"], {"a": None}]
    rows = [make_event(n, properties={"p": value}) for n, value in enumerate(held)]
    storage.create_events_table("t", rows, EVENTS)
    found = [each.value for each in storage.property_distribution("t", None, "p").values]
    wanted = ["1", 1, 1.0, True, 10**25, 2.5, '[1,"a"]', '{"a":null}']
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))
    assert ValueCount("1", 1, 12.5) in storage.property_distribution("t", None, "p").values


def test_times_are_aware_utc(events: StorageEngine) -> None:
    first = events.event_breakdown("events_jan").events[0].first_seen
    assert (first.tzinfo, first) == (timezone.utc, datetime(2025, 1, 1, tzinfo=timezone.utc))


def test_macros_of_the_database_do_not_change_what_is_seen(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(9), EVENTS)
    looks = [(name, ("t", *rest)) for name, (table, *rest) in LOOKS if table == "events_jan"][2:]
    before = [getattr(storage, method)(*arguments) for method, arguments in looks]
    for name in ("json_type", "json_extract", "count", "min", "avg", "json_keys", "concat"):
        storage.execute_rows(f"CREATE MACRO {name}(x) AS 'a macro', (x, y) AS 'a macro'")
    assert [getattr(storage, method)(*arguments) for method, arguments in looks] == before


def test_the_limits_of_a_sandbox_hold(path: Path) -> None:
    from mixpanel_data import ResultTooLargeError, Sandbox

    with StorageEngine(path, sandbox=Sandbox(max_rows=5)) as storage:
        storage.create_events_table("t", make_events(60), EVENTS)
        with pytest.raises(ResultTooLargeError):
            storage.sample("t", 6)
        with pytest.raises(QueryError):
            storage.property_distribution("t", None, "number")
