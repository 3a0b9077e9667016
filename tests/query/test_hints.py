"""Where people stumble over the spelling of a property, the error ends with the right one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from mixpanel_data import QueryError, StorageEngine
from mixpanel_data.database.query_hints import hint_for
from tests.records import EVENTS, event_with, make_events


@pytest.fixture(scope="module")
def events() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        yield storage


def spelling_in(hint: str) -> str:
    """The SQL that a hint says to write."""
    found = re.search(r"[Ww]rite (?:it in brackets, |it as |the property as )?(.*)\.$", hint)
    assert found
    return found[1]


def with_help(storage: StorageEngine, query: str, expression: str) -> Any:
    """The answer to a query, after at most two hints about an expression in it."""
    for _ in range(2):
        try:
            return storage.execute_scalar(query.replace("{}", expression))
        except QueryError as error:
            expression = spelling_in(error.hint or "")
    return storage.execute_scalar(query.replace("{}", expression))


@pytest.mark.parametrize(
    "property_",
    [
        "properties->>'$browser'",
        "properties->'$browser'",
        "json_extract_string(properties, '$browser')",
        "$browser",
        '"$browser"',
    ],
)
def test_a_property_that_is_misspelt_ends_with_the_spelling_that_works(
    events: StorageEngine, property_: str
) -> None:
    query = f"SELECT {property_} FROM events_jan LIMIT 1"
    with pytest.raises(QueryError) as caught:
        events.execute_rows(query)
    assert caught.value.hint
    assert caught.value.message.endswith(caught.value.hint)
    assert caught.value.message.startswith(str(caught.value.__cause__))
    spelling = spelling_in(caught.value.hint)
    assert spelling == """properties->>'$."$browser"'"""
    assert events.execute_scalar(f"SELECT {spelling} FROM events_jan LIMIT 1") == "Firefox"


@pytest.mark.parametrize("plan", ["properties->>'plan name'", "e.properties->'plan name'"])
@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT count(*) FROM events_jan e WHERE event_name <> '' AND {} = 'pro'", 3),
        ("SELECT count(*) FROM events_jan e WHERE NOT {} = 'pro'", 0),
        ("SELECT count(*) FILTER ({} = 'pro') FROM events_jan e", 3),
        ("SELECT min('plan ' || {}) FROM events_jan e", "plan pro"),
        ("SELECT min('1' || {} || '!') FROM events_jan e", "1pro!"),
    ],
)
def test_an_arrow_that_needs_brackets_gets_them(
    events: StorageEngine, query: str, answer: Any, plan: str
) -> None:
    # DuckDB 2.0 accepts some of these.
    assert with_help(events, query, plan) == answer


def test_an_arrow_without_brackets_is_told_why_it_is_refused(events: StorageEngine) -> None:
    with pytest.raises(QueryError, match="bind weaker than other operators") as caught:
        events.execute_rows("SELECT (properties->>'number') || properties->>'b' FROM events_jan")
    assert spelling_in(caught.value.hint or "") == "(properties->>'b')"


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT count(*) FROM events_jan WHERE {} > 0", 2),
        ("SELECT count(*) FROM events_jan WHERE ({}) <= 1.5", 2),
        ("SELECT count(*) FROM events_jan WHERE 0 < ({})", 2),
        ("SELECT count(*) FROM events_jan WHERE {} BETWEEN 1 AND 2", 2),
        ("SELECT max({} + 1) FROM events_jan", 3),
        ("SELECT max(2 * {}) FROM events_jan", 4),
        ("SELECT max({} / 2) FROM events_jan", 1),
        ("SELECT min(-({})) FROM events_jan", -2),
        ("SELECT sum({}) FROM events_jan", 3),
        ("SELECT SUM(DISTINCT {}) FROM events_jan", 3),
        ("SELECT round(avg({}), 1) FROM events_jan", 1),
        ("SELECT quantile_cont({}, 0.5) FROM events_jan", 1),
        ("SELECT avg({}) FROM events_jan WHERE (properties->>'$.\"$browser\"') = 'Firefox'", 1),
    ],
)
@pytest.mark.parametrize(
    "number",
    [
        "properties->>'number'",
        "properties->'number'",
        "json_extract_string(properties, 'number')",
    ],
)
def test_text_that_is_used_as_a_number_is_cast(
    events: StorageEngine, query: str, answer: Any, number: str
) -> None:
    assert with_help(events, query, number) == answer


def test_a_cast_that_takes_only_the_name_takes_all(events: StorageEngine) -> None:
    query = "SELECT sum({}) FROM events_jan"
    with pytest.raises(QueryError) as caught:
        events.execute_rows(query.format("properties->>'number'::DOUBLE"))
    spelling = spelling_in(caught.value.hint or "")
    assert spelling == "CAST((properties->>'number') AS DOUBLE)"
    assert events.execute_scalar(query.format(spelling)) == 3


@pytest.mark.parametrize(
    "query",
    [
        "SELECT {} FROM events_jan",
        "SELECT e.{} FROM events_jan e",
        "SELECT 1 FROM events_jan WHERE {} = 'x'",
        "SELECT count(*) FROM events_jan GROUP BY {}",
        "SELECT properties->>{} FROM events_jan",
    ],
)
@pytest.mark.parametrize("name", ["number", "plan name"])
def test_a_property_that_is_taken_for_a_column_gets_its_spelling(
    events: StorageEngine, query: str, name: str
) -> None:
    with pytest.raises(QueryError) as caught:
        events.execute_rows(query.format(f'"{name}"'))
    hint = caught.value.hint or ""
    assert "property_keys() lists the properties" in hint
    sql = f"SELECT count({spelling_in(hint)}) FROM events_jan"
    assert events.execute_scalar(sql) == 3


ODD_NAMES = ["", "*", 'q"x', "back\\slash", '\\"', "it's", "a/b~c", '"', '".']


@pytest.mark.parametrize("name", ["", 'q"x', '"'])
def test_a_name_that_quotes_in_a_path_do_not_express_gets_a_spelling_that_does(name: str) -> None:
    with StorageEngine.memory() as storage:
        storage.create_events_table("t", [event_with(1, **{name: "found"})], EVENTS)
        with pytest.raises(QueryError) as caught:
            storage.execute_rows(f"""SELECT properties->>'$."{name}"' FROM t""")
        spelling = spelling_in(caught.value.hint or "")
        assert storage.execute_scalar(f"SELECT {spelling} FROM t") == "found"


@pytest.fixture(scope="module")
def odd() -> Iterator[StorageEngine]:
    """A table with a property of each odd name, which has the name as its value."""
    with StorageEngine.memory() as storage:
        storage.create_events_table(
            "t", [event_with(1, **{name: name for name in ODD_NAMES})], EVENTS
        )
        yield storage


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name and '"' not in name])
def test_the_spelling_of_a_property_that_is_taken_for_a_column_is_right_for_odd_names(
    odd: StorageEngine, name: str
) -> None:
    with pytest.raises(QueryError) as caught:
        odd.execute_rows(f'SELECT "{name}" FROM t')
    assert odd.execute_scalar(f"SELECT {spelling_in(caught.value.hint or '')} FROM t") == name


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_sql_of_results_spells_odd_names_rightly(odd: StorageEngine, name: str) -> None:
    found = odd.property_distribution("t", None, name)
    assert [each.value for each in found.values] == [name]
    assert name in odd.execute_rows(found.sql)[0]


def test_times_and_other_columns_are_not_taken_for_numbers(events: StorageEngine) -> None:
    for query in (
        "SELECT (properties->>'a') >= DATE '2025-01-01' FROM events_jan",
        "SELECT (properties->>'a') BETWEEN DATE '2025-01-01' AND DATE '2025-01-02' FROM events_jan",
        "SELECT sum(distinct_id) FROM events_jan",
        "SELECT distinct_id > 5, (properties->>'a') FROM events_jan",
        "SELECT evnt_name FROM events_jan",
    ):
        with pytest.raises(QueryError) as caught:
            events.execute_rows(query)
        assert caught.value.hint is None


def test_a_parameter_without_a_value_may_be_meant_as_one(events: StorageEngine) -> None:
    with pytest.raises(QueryError, match=r"Give \$a a value in params, or write the property"):
        events.execute_rows("SELECT $a, $b", {"b": 1})


def test_tables_and_columns_that_are_misspelt_name_the_nearest(events: StorageEngine) -> None:
    with pytest.raises(QueryError, match='"events_jan"'):
        events.execute_rows("SELECT * FROM event_jan")
    with pytest.raises(QueryError, match='"event_name"'):
        events.execute_rows("SELECT evnt_name FROM events_jan")


def test_other_errors_have_no_hint(events: StorageEngine) -> None:
    for query in ("SELECT nope", "SELEC 1", "SELECT ?"):
        with pytest.raises(QueryError) as caught:
            events.execute_rows(query)
        assert caught.value.hint is None


@pytest.mark.parametrize(
    "unit", ["a", "a.", '"a".', "a->", "a->'x'", "'", " ", "- ", "sum(", "|| "]
)
@pytest.mark.parametrize(
    "message",
    [
        "Failed to cast value to numerical: {",
        "Malformed JSON at byte 1 of input",
        "Cannot compare values of type VARCHAR and type INTEGER_LITERAL",
        "No function matches the argument types 'sum(VARCHAR)': sum(DOUBLE)",
    ],
)
def test_a_long_text_of_an_attacker_does_not_keep_the_hints_busy(message: str, unit: str) -> None:
    """They would be so for hours; who writes the SQL writes the message, too: ``error('…')``."""
    for query in (unit * (100_000 // len(unit)), f"-{unit}{' ' * 100_000}", f"sum{'(' * 100_000}"):
        hint_for(message, query)
