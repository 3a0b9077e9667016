"""What is wrong with a text that is no JSON: only an unfinished one breaks off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import ExportLineError, StorageEngine
from mixpanel_data.ingest.json_problems import is_unfinished, reason_of
from tests.examples import examples
from tests.records import EVENTS

LINE = '{{"event": "a", "properties": {{"time": 1, "x": {}}}}}'

WRONG: dict[str, tuple[str | bytes, str]] = {
    "NaN": (LINE.format("NaN"), "holds NaN"),
    "an infinity": (LINE.format("-Infinity"), "holds -Infinity"),
    "latin-1": (LINE.format('"ä"').encode("latin-1"), "byte 48, 0xe4, is not UTF-8"),
    "single quotes": ("{'event': 'a'}", "double quotes, and there is .* at character 2"),
    "a trailing comma": ('{"event": "a", "properties": {"time": 1,}}', "at character 4"),
    "a README": ("hello", "expecting value, and there is 'h' at character 1"),
    "NUL padding": (LINE.format("1") + "\0\0", r"extra data, and there is '\\x00' at character"),
    "a tab in a text": (LINE.format('"a\tb"'), "invalid control character"),
    "half a character": (LINE.format('"\\ud800"'), "half a character"),
    "a wrong escape": (LINE.format('"\\x41"'), "invalid"),
}


@pytest.mark.parametrize("ending", ["", "\n"])
@pytest.mark.parametrize("case", WRONG)
def test_a_whole_line_says_what_is_wrong_with_it_whether_it_is_the_last_or_not(
    storage: StorageEngine, tmp_path: Any, case: str, ending: str
) -> None:
    line, reason = WRONG[case]
    path = tmp_path / "x.jsonl"
    path.write_bytes((line if isinstance(line, bytes) else line.encode()) + ending.encode())
    with pytest.raises(ExportLineError, match=f"is not JSON: .*{reason}"):
        storage.load_events_export("t", path, EVENTS)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@examples(60)
@given(
    document=st.dictionaries(st.text(), JSON, min_size=1),
    cut=st.floats(0, 1),
    escaped=st.booleans(),
)
def test_every_beginning_of_a_document_is_unfinished_and_nothing_else_is(
    document: Any, cut: float, escaped: bool
) -> None:
    try:
        whole = json.dumps(document, allow_nan=False, ensure_ascii=escaped).encode()
    except ValueError:
        return  # an infinity, or half a character
    assert not is_unfinished(whole)
    assert is_unfinished(whole[: 1 + int(cut * (len(whole) - 2))])
    for wrong in (whole + b"}", b"[NaN, " + whole, b"\xff" + whole, whole + b"\0"):
        assert not is_unfinished(wrong)
        assert reason_of(wrong)
