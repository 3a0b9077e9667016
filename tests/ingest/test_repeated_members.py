"""Members that occur twice in one object of JSON text: the last one counts, by every way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import StorageEngine
from mixpanel_data.ingest import repeated_members
from mixpanel_data.ingest.repeated_members import without_repeated_members
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, PROFILES, make_event, make_profile

TEXTS = {
    '{"a":1,"a":2}': {"a": 2},
    '{"a":{"b":1,"b":2}}': {"a": {"b": 2}},
    '{"a":[{"b":1,"b":2},{"b":3}]}': {"a": [{"b": 2}, {"b": 3}]},
    '{"a":1,"\\u0061":2}': {"a": 2},
    '{ "a" : 1 , "a"\n: 2 }': {"a": 2},
    '{"abcdefghijklmn":1,"n":0,"abcdefghijklmn":2}': {"abcdefghijklmn": 2, "n": 0},
    '{"a":123456789012345678901234567890,"b":1,"b":2}': {"a": int("1234567890" * 3), "b": 2},
}

FRAMES: dict[str, Callable[[list[Any]], Any]] = {
    "Arrow": pa.Table.from_pylist,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
}


@pytest.fixture
def engine() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


def documents(storage: StorageEngine, table: str) -> list[object]:
    rows = storage.execute_rows(f"SELECT properties FROM {table} ORDER BY rowid")
    return [json.loads(text, object_pairs_hook=once) for (text,) in rows]


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object, which must have no member twice."""
    members = dict(pairs)
    assert len(members) == len(pairs)
    return members


@pytest.mark.parametrize("form", FRAMES)
def test_the_last_one_is_stored_from_frames(engine: StorageEngine, form: str) -> None:
    events = [make_event(number, properties=text) for number, text in enumerate(TEXTS)]
    profiles = [make_profile(number, properties=text) for number, text in enumerate(TEXTS)]
    engine.create_events_table("e", FRAMES[form](events), EVENTS)
    engine.create_profiles_table("p", FRAMES[form](profiles), PROFILES)
    assert documents(engine, "e") == documents(engine, "p") == [*TEXTS.values()]


def test_the_last_one_is_stored_from_files_and_lines(engine: StorageEngine, tmp_path: Path) -> None:
    given = [text.replace("\n", " ").strip()[1:] for text in TEXTS]
    lines = [
        f'{{"event":"Tap","properties":{{"time":1,"$insert_id":"{number}",{members}}}'
        for number, members in enumerate(given)
    ]
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(lines))
    engine.load_events_export("by_duckdb", path, EVENTS)
    engine.load_events_export("in_python", lines, EVENTS)
    expected = [*TEXTS.values()]
    assert documents(engine, "by_duckdb") == documents(engine, "in_python") == expected


def test_a_member_that_occurs_twice_is_counted_once(engine: StorageEngine) -> None:
    table = pa.Table.from_pylist([make_event(properties='{"a":1,"a":2}')])
    engine.create_events_table("e", table, EVENTS)
    (found,) = engine.property_coverage("e").coverage
    assert (found.defined_count, found.coverage_percentage) == (1, 100)


name = st.sampled_from(
    ["a", "b", "", "$insert_id", "abcdefgh", "xabcdefgh", "abcdefghijklmnop", "é", "a:b", '"', "\\"]
)
spelled = st.builds(lambda text, plain: json.dumps(text, ensure_ascii=plain), name, st.booleans())
escaped = st.sampled_from(
    [r'"\u0061"', r'"\u0061bcdefgh"', r'"\u0061bcd"', r'"\u0061bcdefghijklmnop"', r'"a\u003ab"']
)
scalars = st.sampled_from(["1", "null", '"a:b"', r'"a\": 1"', r'"\u00fc"', r'"\\"', "9" * 30])


def as_object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ", ".join(f"{key}{space}:{value}" for key, space, value in members) + "}"


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaces = st.sampled_from(["", "", " ", "\n"])
    return st.lists(st.tuples(spelled | escaped, spaces, inner), max_size=5).map(as_object)


nested = st.recursive(
    scalars,
    lambda inner: objects(inner) | st.lists(inner, max_size=3).map(lambda v: f"[{', '.join(v)}]"),
    max_leaves=8,
)


@pytest.mark.parametrize("block", [1, 100, repeated_members._BLOCK])
@examples(100)
@given(texts=st.lists(objects(nested), max_size=6), skipped=st.integers(0, 2))
def test_whatever_the_document_it_says_the_same_without_them(
    block: int, texts: list[str], skipped: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeated_members, "_BLOCK", block)
        found = without_repeated_members(pa.array(texts, pa.string())[skipped:]).to_pylist()
    assert [json.loads(text, object_pairs_hook=once) for text in found] == [
        json.loads(text) for text in texts[skipped:]
    ]


def test_names_that_end_alike_are_told_apart_without_parsing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["$referrer", "$initial_referrer", "$lib_version", "$app_version", "$os", "os"]
    names += ["$referring_domain", "$initial_referring_domain", "plan", "plan name"]
    texts = pa.array([json.dumps(dict.fromkeys(names, "a:b"))] * 3)
    monkeypatch.setattr(repeated_members, "json_documents", None)
    assert without_repeated_members(texts) is texts


def test_documents_without_them_stay_the_same_texts() -> None:
    texts = pa.array(['{"a" : 1.0, "b": [{"a": 1e16}, {"a": 2}]}', None, "no JSON", "", '{"a":1}'])
    assert without_repeated_members(texts) is texts
