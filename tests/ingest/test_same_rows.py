"""However an export comes, its rows are the same, or its refusal is."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import MixpanelDataError
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS

numbers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 1e300, 2**63, 2**64, 10**25]),
)
documents = st.recursive(
    st.one_of(numbers, st.text(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner)),
    max_leaves=6,
)
times = st.one_of(
    st.integers(0, 4 * 10**9),
    st.floats(0, 4e9),
    st.sampled_from(["2025-01-31T12:00:00Z", "2025-01-31", "1764000000", "soon", "", None]),
    st.sampled_from(["2025-01-31 12:00:00.25", "2025-01-31T12:00:00.123456+00:00"]),
    st.sampled_from(["2025-01-31T12:00:00+05:30", "2025-01-31T12:00:00-00:00", "2025-02-30 12:00"]),
    st.sampled_from([True, [], -1, 10**10]),
)
ids: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=3), st.integers(0, 9), st.sampled_from([None, "", 4.5, True, []])
)
names = st.one_of(st.text(max_size=3), st.sampled_from([None, 7, "Tap"]))

#: Members of the properties, in any order, some of them twice.
members = st.lists(
    st.one_of(
        st.tuples(st.just("time"), times),
        st.tuples(st.just("distinct_id"), ids),
        st.tuples(st.just("$insert_id"), ids),
        st.tuples(st.sampled_from(["x", "y", "$browser", 'a "b"', "é"]), documents),
    ),
    max_size=7,
)
top_members = st.lists(
    st.one_of(
        st.tuples(st.just("event"), names),
        st.tuples(st.sampled_from(["at", "dataset", "time"]), documents),
    ),
    max_size=3,
)


def as_object(pairs: list[tuple[str, Any]]) -> str:
    """Return pairs as a JSON object, which may have the same member twice."""
    return "{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in pairs) + "}"


@st.composite
def event_lines(draw: st.DrawFn) -> str:
    """Draw a line that is nearly always an event."""
    properties = draw(members)
    if draw(st.integers(0, 9)):
        properties.append(("time", draw(st.integers(10**9, 2 * 10**9))))
    inner = as_object([(k, json.dumps(v)) for k, v in properties])
    top = [(k, json.dumps(v)) for k, v in draw(top_members)]
    pairs = draw(st.permutations([*top, ("event", '"Tap"'), ("properties", inner)]))
    return as_object(pairs)


@st.composite
def flat_lines(draw: st.DrawFn, time: str) -> str:
    """Draw a line with the parts of an event at its top, as pipelines and records have them."""
    others = st.sampled_from(["user_id", "device_id", "event", "x", time])
    pairs = [(time, json.dumps(draw(times))), ("event_name", json.dumps(draw(names)))]
    pairs.append((time, str(draw(st.integers(10**9, 2 * 10**9)))))
    pairs += [(name, json.dumps(draw(ids))) for name in draw(st.sets(st.sampled_from(OWN)))]
    pairs += [(k, json.dumps(v)) for k, v in draw(st.lists(st.tuples(others, documents)))]
    inner = as_object([(k, json.dumps(v)) for k, v in draw(members)])
    pairs = draw(st.permutations([*pairs[draw(st.integers(0, 2)) :], ("properties", inner)]))
    return as_object(pairs)


OWN = ["distinct_id", "insert_id"]
of_any_shape = st.one_of(event_lines(), flat_lines("time"), flat_lines("event_time"))
lines = st.lists(
    st.one_of(of_any_shape, of_any_shape, st.sampled_from(["", "no", "{", "[1]"])),
    max_size=6,
)
#: A first line of each shape, by which a file is taken.
FIRST = [
    '{"event":"First","properties":{"time":1,"$insert_id":"f"}}',
    '{"event_name":"First","time":1,"insert_id":"f","properties":{},"user_id":"u"}',
    '{"event_name":"First","event_time":"2025-01-01T00:00:00+00:00","properties":{"a":1}}',
]


def outcome(make: Callable[[], Any], **options: Any) -> Any:
    """Return the rows and counts of a load, or what it was refused for."""
    with empty_storage() as storage:
        try:
            result = storage.load_events_export("t", make(), EVENTS, **options)
        except MixpanelDataError as error:
            return type(error), getattr(error, "index", None), getattr(error, "field", None)
        rows = storage.execute_rows("FROM t ORDER BY rowid")
        again = storage.load_events_export("t", make(), EVENTS, if_exists="append", **options)
    assert again == 0
    counts = {k: v for k, v in vars(result).items() if k not in ("files", "seconds")}
    assert result.read == result.added + result.duplicates + result.collisions + result.rejected
    return [(*row[:4], json.loads(row[4])) for row in rows], counts


@given(
    first=st.sampled_from(FIRST),
    texts=lines,
    end=st.sampled_from(["\n", "\r\n"]),
    on_error=st.sampled_from(["raise", "skip"]),
    on_collision=st.sampled_from(["drop", "keep", "error"]),
    time_zone=st.sampled_from([None, "America/Los_Angeles"]),
)
@examples(40)
def test_a_file_that_duckdb_reads_has_the_rows_of_its_lines(
    first: str, texts: list[str], end: str, **options: Any
) -> None:
    content = end.join([first, *texts, ""]).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.jsonl"
        path.write_bytes(content)
        by_duckdb = outcome(lambda: path, **options)
    assert by_duckdb == outcome(lambda: io.BytesIO(content), **options)


@given(
    texts=st.lists(event_lines(), max_size=6),
    between=st.sampled_from([",", ",\n", " , ", "][", "]\n[", ",,", "", "\n"]),
    end=st.sampled_from(["]", "]\n", "", ",", "]]", "] no", ",]"]),
    on_error=st.sampled_from(["raise", "skip"]),
)
@examples(40)
def test_an_array_that_duckdb_reads_has_the_rows_of_its_elements(
    texts: list[str], between: str, end: str, **options: Any
) -> None:
    content = ("[" + between.join(texts) + end).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.json"
        path.write_bytes(content)
        by_duckdb = outcome(lambda: path, **options)
    assert by_duckdb == outcome(lambda: io.BytesIO(content), **options)


@pytest.mark.parametrize("order", [["event", "properties"], ["properties", "event"]])
def test_the_order_of_members_makes_no_difference(order: list[str]) -> None:
    event = {"event": "Tap", "properties": {"time": 1, "distinct_id": "u", "$insert_id": "i"}}
    line = json.dumps({name: event[name] for name in order})
    rows, _ = outcome(lambda: [line])
    assert [row[:4][0] for row in rows] == ["Tap"]


@pytest.mark.parametrize(
    "value",
    [
        r'"\u001f"',
        r'"\b\f\n\r\t\u0001"',
        r'"\u007f"',
        r'"\u00e9\/"',
        r'"\ud83d\ude00"',
        r'"C:\\u"',
        '"\x7f\x85"',
    ],
)
def test_documents_have_the_same_text_however_they_are_read(value: str, tmp_path: Path) -> None:
    line = f'{{"event":"Tap","properties":{{"time":1,"$insert_id":"f","x":{value}}}}}\n'
    (tmp_path / "a.jsonl").write_text(line, encoding="utf-8")
    with empty_storage() as storage:
        storage.load_events_export("by_duckdb", tmp_path / "a.jsonl", EVENTS)
        storage.load_events_export("in_python", [line], EVENTS)
        tables = [storage.execute_rows(f"FROM {name}") for name in ("by_duckdb", "in_python")]
    assert tables[0] == tables[1]
