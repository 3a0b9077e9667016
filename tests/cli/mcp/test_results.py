"""Results are JSON, whatever is in them, and never longer than a model can read."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data.cli.mcp_results import (
    MAX_CHARACTERS,
    MAX_ROWS,
    Answer,
    TooManyColumnsError,
    as_json,
    plain,
)
from tests.cli.mcp.agent import Agent

#: What a reader of JSON that has only floats must not get as a number.
BEYOND = 2**53

VALUES = {
    "1": 1,
    "9007199254740991": 9007199254740991,
    "9007199254740992": "9007199254740992",
    "-9007199254740992": "-9007199254740992",
    "170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
    "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
    "repeat('9', 100)::BIGNUM": "9" * 100,
    "1.5": 1.5,
    "0.1::DECIMAL(18, 3)": 0.1,
    "123456789012345678.9::DECIMAL(38, 1)": "123456789012345678.9",
    "1e300::DOUBLE": 1e300,
    "'nan'::DOUBLE": "NaN",
    "'inf'::FLOAT": "Infinity",
    "'-inf'::DOUBLE": "-Infinity",
    "true": True,
    "NULL": None,
    "'🙂 \"x\" \\ '": '🙂 "x" \\ ',
    "chr(0) || chr(8232)": "\0\u2028",
    "TIMESTAMP '2025-01-31 12:30:00.123456'": "2025-01-31T12:30:00.123456",
    "TIMESTAMPTZ '2025-01-31 12:30:00+02:00'": "2025-01-31T10:30:00+00:00",
    "TIMESTAMP_NS '2025-01-31 12:30:00'": "2025-01-31T12:30:00",
    "DATE '2025-01-31'": "2025-01-31",
    "TIME '12:30:00'": "12:30:00",
    "INTERVAL 36 HOURS": "1 day, 12:00:00",
    "'\\x00\\xFF'::BLOB": "0x00ff",
    "'101'::BIT": "101",
    "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::UUID": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "[1, NULL, 'nan'::DOUBLE]": [1.0, None, "NaN"],
    "{'a': 1, 'b': {'c': [DATE '2025-01-31']}}": {"a": 1, "b": {"c": ["2025-01-31"]}},
    "MAP {'a': 1}": {"a": 1},
    "MAP {1: 'x'}": {"1": "x"},
    """'{"a": 123456789012345678901234567890}'::JSON""": '{"a": 123456789012345678901234567890}',
}


def test_values_of_every_type_come_as_json(asking: Agent) -> None:
    sql = "SELECT " + ", ".join(f"{value} AS c{n}" for n, value in enumerate(VALUES))
    (row,) = asking.rows(sql)
    assert dict(zip(VALUES, row, strict=True)) == VALUES


@pytest.mark.parametrize(
    "value",
    [
        *("DATE 'infinity'", "TIMESTAMP '-infinity'", "DATE '290000-01-01'"),
        *("TIMESTAMP '290000-01-01'", "TIME '24:00:00'", "INTERVAL 5000 YEARS"),
        *("repeat('9', 5000)::BIGNUM", "TIMETZ '12:00:00+15:59:59'"),
    ],
)
def test_values_that_python_cannot_hold_are_told_or_an_error(asking: Agent, value: str) -> None:
    result = asking.call("query", sql=f"SELECT {value} AS a, 1 AS b")
    if result.is_error:
        assert "Traceback" not in str(result.content)
    else:
        assert result.structured_content["rows"][0][1] == 1


def test_columns_may_have_the_same_name(asking: Agent) -> None:
    found = asking.ask("query", sql="SELECT 1 AS a, 2 AS a")
    assert (found["columns"], found["rows"]) == (["a", "a"], [[1, 2]])


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.datetimes(timezones=st.none() | st.just(timezone.utc)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab") | st.integers(), inner),
    max_leaves=20,
)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON.")


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=no_constant)


def numbers_in(value: Any) -> list[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for member in value for number in numbers_in(member)]
    return [value] if isinstance(value, int) else []


@given(st.lists(st.lists(_values, min_size=3, max_size=3), max_size=5))
def test_every_result_is_strict_json(rows: list[list[Any]]) -> None:
    found, text = as_json(Answer(["a", "b", "c"], rows))
    assert strictly(text) == found
    assert all(abs(number) < BEYOND for number in numbers_in(found))
    assert len(found["rows"]) == len(rows)


@given(
    st.integers(0, 1000),
    st.integers(0, 30_000),
    st.integers(1, 100),
    st.sampled_from(["x", '"', "🙂", "\n"]),
)
def test_no_result_is_too_long(rows: int, length: int, columns: int, letter: str) -> None:
    value = letter * (length // columns)
    found, text = as_json(Answer([f"c{n}" for n in range(columns)], [[value] * columns] * rows))
    assert len(text) <= MAX_CHARACTERS
    assert found["row_count"] == len(found["rows"]) <= MAX_ROWS
    assert found["truncated"] == bool(found["notes"])
    assert bool(found["rows"]) == bool(rows)
    if not found["truncated"]:
        assert found["rows"] == [[value] * columns] * rows


def test_long_facts_are_cut() -> None:
    found, text = as_json(Answer([], [], facts={"sql": "x" * 100_000}))
    assert len(text) < 2000
    assert found["facts"]["sql"].endswith("… (100,000 characters)")


def test_names_of_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TooManyColumnsError, match="3,000 columns"):
        as_json(Answer(["a name of a column"] * 3000, []))


def test_values_may_be_nested_deeply() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    _, text = as_json(Answer(["a"], [[value]]))
    assert strictly(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("NaN"), "NaN"),
        (Decimal("1E+3"), 1000.0),
        (Decimal("0.100"), 0.1),
        (float("nan"), "NaN"),
        (-(2**53), str(-(2**53))),
        (datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-01-01T00:00:00+02:00"),
        (date.max, "9999-12-31"),
        (time(1), "01:00:00"),
        (memoryview(b"a"), "0x61"),
        (UUID(int=1), str(UUID(int=1))),
        ({None: 1, 2: 2}, {"None": 1, "2": 2}),
        ((1, (2,)), [1, [2]]),
    ],
)
def test_values_of_python_become_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected
