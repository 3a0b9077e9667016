"""NaN and Infinity in documents: found wherever they are, and told from text that says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data.ingest import json_validation
from mixpanel_data.ingest.json_validation import bad_number_at
from tests.examples import examples


@pytest.fixture(autouse=True, params=[1, 7, json_validation._BLOCK])
def blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Search so few bytes at a time that much lies across the border of two blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_validation, "_BLOCK", request.param)
        yield


numbers = st.one_of(st.integers(), st.floats(), st.just(float("nan")), st.just(-float("inf")))
members = st.dictionaries(
    st.text(max_size=3) | st.just("inf"),
    st.recursive(
        numbers | st.sampled_from(["NaN", "Infinity", "banana", " -inf,", "n", "na"]),
        lambda some: st.lists(some, max_size=3),
        max_leaves=4,
    ),
    max_size=3,
)


@examples(100)
@given(st.lists(members, max_size=6), st.integers(0, 3))
def test_the_first_document_with_a_bad_number_is_told(made: list[object], skipped: int) -> None:
    texts = [json.dumps(document) for document in made]
    bad = [number for number, text in enumerate(texts[skipped:]) if not is_json(text)]
    assert bad_number_at(pa.array(texts, pa.string())[skipped:]) == next(iter(bad), None)


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda constant: json.loads(""))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("number", ["NaN", "nan", "NAN", "-Infinity", "inf", "iNf"])
def test_a_bad_number_is_found_in_any_case(number: str) -> None:
    assert bad_number_at(pa.array(["{}", f'{{"a": [1, {number}]}}', "{}"])) == 1
