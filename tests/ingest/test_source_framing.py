"""Documents in every layout people have them in: found, numbered, and told from what is broken."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest import framing
from mixpanel_data.ingest.byte_stream import ByteStream, stream_of_file
from mixpanel_data.ingest.framing import BREAKS_OFF, Block, documents_in
from tests.examples import examples

Document = dict[str, Any]

EVENT: Document = {"event": "Sign Up", "properties": {"time": 1, "q": 'a"}]\\', "deep": [[{}]]}}


@pytest.fixture(autouse=True, params=[9, 1024 * 1024])
def chunk(request: pytest.FixtureRequest) -> Iterator[int]:
    """Read so few bytes at a time that much lies across the border of two chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "CHUNK", request.param)
        yield request.param


def blocks_of(data: bytes, **limits: int) -> list[Block]:
    return list(documents_in(stream_of_file("data", io.BytesIO(data)), **limits))


def read(data: bytes, **limits: int) -> list[tuple[int, Any]]:
    """Return the numbers and documents; those that are no JSON as their problem."""
    found: list[tuple[int, Any]] = []
    for block in blocks_of(data, **limits):
        assert len(block.documents) == len(block.numbers) > 0
        for number, document in zip(block.numbers, block.documents, strict=True):
            is_last = document is block.documents[-1]
            try:
                found.append((number, orjson.loads(document)))
            except ValueError:
                found.append((number, (block.problem if is_last else None, document)))
                continue
            assert not (is_last and block.problem)
    return found


def documents(data: bytes, **limits: int) -> list[Any]:
    return [document for _, document in read(data, **limits)]


def _pretty(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _lines(made: list[Document], end: bytes = b"\n") -> bytes:
    return b"".join(orjson.dumps(document) + end for document in made)


def _page(number: int, results: list[Document]) -> Document:
    return {
        "page": number,
        "page_size": 1000,
        "session_id": "1-a]{",
        "status": "ok",
        "results": results,
        "total": len(results),
    }


def _halves(made: list[Document]) -> tuple[list[Document], list[Document]]:
    return made[: len(made) // 2], made[len(made) // 2 :]


LINES: dict[str, Callable[[list[Document]], bytes]] = {
    "lines": _lines,
    "last line open": lambda made: _lines(made)[:-1],
    "CRLF": lambda made: _lines(made, b"\r\n"),
    "byte order mark": lambda made: b"\xef\xbb\xbf" + _lines(made),
    "lines with spaces": lambda made: b"".join(
        json.dumps(document, ensure_ascii=False).encode() + b"  \n" for document in made
    ),
}

VALUES: dict[str, Callable[[list[Document]], bytes]] = {
    "array": orjson.dumps,
    "array with spaces": lambda made: json.dumps(made).encode(),
    "array, pretty": _pretty,
    "array, an element a line": lambda made: b"[" + b",\n".join(map(orjson.dumps, made)) + b"]\n",
    "arrays, one after another": lambda made: b"".join(map(orjson.dumps, _halves(made))),
    "arrays, pretty": lambda made: b"\n".join(map(_pretty, [*_halves(made), []])),
    "an array a line": lambda made: b"".join(orjson.dumps([each]) + b"\n" for each in made),
    "array, byte order mark": lambda made: b"\xef\xbb\xbf" + orjson.dumps(made),
    "objects, pretty": lambda made: b"\n".join(map(_pretty, made)),
    "objects on one line": lambda made: b"".join(map(orjson.dumps, made)),
    "objects with commas": lambda made: _lines(made, b",\n"),
    "page": lambda made: orjson.dumps(_page(0, made)),
    "page, pretty": lambda made: _pretty(_page(0, made)),
    "a page a line": lambda made: _lines([_page(0, half) for half in (*_halves(made), [])]),
    "pages, pretty": lambda made: b"\n".join(_pretty(_page(0, half)) for half in _halves(made)),
    "array of pages": lambda made: orjson.dumps([_page(0, half) for half in _halves(made)]),
}

texts = st.text(max_size=4) | st.sampled_from(["\\", '"', '\\"', "}", "]", "[{", "é\n", "\\\\"])
members = st.recursive(
    st.none() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)
made_documents = st.lists(
    st.dictionaries(st.sampled_from(["event", "properties", "é"]) | texts, members, min_size=1),
    max_size=6,
)

quick = examples(25)


@pytest.mark.parametrize("layout", LINES)
@quick
@given(made_documents)
@example([EVENT] * 3)
def test_lines_come_back_with_their_numbers(layout: str, made: list[Document]) -> None:
    assert read(LINES[layout](made)) == list(enumerate(made, 1))


@pytest.mark.parametrize("layout", VALUES)
@quick
@given(made_documents)
@example([EVENT] * 3)
def test_values_come_back_with_their_numbers(layout: str, made: list[Document]) -> None:
    assert read(VALUES[layout](made)) == list(enumerate(made, 1))


@quick
@given(made_documents, st.data())
def test_lines_that_are_cut_give_all_before_and_one_bad(
    made: list[Document], data: st.DataObject
) -> None:
    whole = _lines(made)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    complete = cut.count(b"\n")
    assert documents(cut)[:complete] == made[:complete]
    left = cut[cut.rfind(b"\n") + 1 :]
    if left in map(orjson.dumps, made[complete:]):
        assert documents(cut)[complete:] == [made[complete]]
    else:
        assert documents(cut)[complete:] == ([(BREAKS_OFF, left)] if left else [])


@pytest.mark.parametrize("layout", ["array", "array, pretty", "array, an element a line"])
@quick
@given(made_documents.filter(bool), st.data())
def test_arrays_that_are_cut_give_all_before_and_one_bad(
    layout: str, made: list[Document], data: st.DataObject
) -> None:
    whole = VALUES[layout](made).rstrip()
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    *good, bad = documents(cut)
    assert good == made[: len(good)]
    # What is bad is the part of the next document, or nothing where one has just ended.
    assert bad[0] in (BREAKS_OFF, framing._NOT_SPLIT)
    assert cut.rstrip().endswith(bad[1])
    assert len(good) == len(made) or not bad[1].startswith(orjson.dumps(made[len(good)]))


@quick
@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\ \n1e\ufeff', max_size=60))
def test_garbage_neither_hangs_nor_raises_anything_else(data: bytes | str) -> None:
    with suppress(ExportFileError):  # UTF-16
        read(data.encode() if isinstance(data, str) else data)


def test_blank_lines_count_as_lines() -> None:
    data = b'\n{"a": 1}\n  \n\r\n{"a": 2}\n\n'
    assert read(data) == [(2, {"a": 1}), (5, {"a": 2})]


def test_a_bad_line_costs_only_itself() -> None:
    data = b'{"a": 1}\n<html>\n{"a": 2\n{"a": 3}\n'
    bad = (None, b"<html>"), (None, b'{"a": 2')
    assert documents(data) == [{"a": 1}, *bad, {"a": 3}]


def test_a_first_line_that_is_cut_leaves_the_others() -> None:
    data = b'{"event": "a", "prop\n{"event": "b"}\n{"event": "c"}\n'
    assert documents(data)[1:] == [{"event": "b"}, {"event": "c"}]


def test_lines_may_be_arrays_or_pages_later_on() -> None:
    data = b'{"a": 1}\n[{"a": 2}, {"a": 3}]\n{"page": 0, "results": [{"a": 4}]}\n{"results": 5}\n'
    expected = [(1, 1), (2, 2), (2, 3), (3, 4)]
    found = read(data)
    assert [(number, document["a"]) for number, document in found[:-1]] == expected
    assert found[-1] == (4, {"results": 5})


def test_an_event_with_results_is_no_page() -> None:
    event = {"event": "Search", "properties": {"results": [{"a": 1}]}, "results": [{"b": 1}]}
    assert documents(_lines([event, event])) == [event, event]
    assert documents(orjson.dumps([event, event])) == [event, event]


def test_elements_that_are_no_objects_are_documents_too() -> None:
    assert documents(b'[{"a": 1}, null, {"b": 2}, 3, "x"]') == [{"a": 1}, None, {"b": 2}, 3, "x"]


def test_text_between_values_is_a_bad_document() -> None:
    data = b'[{"a": 1}]\nterminated early\n[{"a": 2}]\n'
    assert documents(data) == [{"a": 1}, (None, b"terminated early"), {"a": 2}]


def test_text_after_the_last_value_is_a_bad_document() -> None:
    data = b'[{"a": 1}]\nterminated early'
    assert documents(data) == [{"a": 1}, (None, b"terminated early")]


def test_damage_in_an_array_says_that_nothing_after_it_was_read() -> None:
    data = b'[{"event": "a"},\n{"event": "b", "prop\n,{"event": "c"},\n{"event": "d"}]'
    good, (problem, beginning) = documents(data)
    assert good == {"event": "a"}
    assert problem is not None
    assert "nothing after it" in problem
    assert beginning.startswith(b'{"event": "b"')


def test_a_closing_bracket_too_many_ends_reading() -> None:
    good, (problem, _) = documents(b'[{"a": 1}]]\n[{"a": 2}]')
    assert good == {"a": 1}
    assert problem is not None
    assert "closing bracket too many" in problem


def test_a_page_that_is_cut_gives_what_is_complete() -> None:
    whole = orjson.dumps(_page(0, [{"a": 1}, {"a": 2}]))
    cut = whole[: whole.index(b'{"a":2}') + 4]
    assert documents(cut) == [{"a": 1}, (BREAKS_OFF, b'{"a"')]


def test_a_line_that_is_too_long_costs_only_itself(chunk: int) -> None:
    data = b'{"a": 1}\n{"b": "' + b"x" * 5_000_000 + b'"}\n{"a": 2}\n'
    if chunk < 1000:
        pytest.skip("slow in small chunks")
    *good, last = documents(data, max_document_bytes=2_000_000)
    assert good[0] == last | {"a": 1}
    assert "raise max_document_bytes" in good[1][0]
    assert len(good[1][1]) <= 1000


def test_an_array_without_end_is_stopped(chunk: int) -> None:
    if chunk < 1000:
        pytest.skip("slow in small chunks")
    endless = ByteStream("data", lambda size: b"[" * size)
    (block,) = documents_in(endless, max_document_bytes=3_000_000)
    assert block.problem is not None
    assert "raise max_document_bytes" in block.problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused(encoding: str) -> None:
    with pytest.raises(ExportFileError, match=r"^data: .*iconv"):
        blocks_of('{"a": 1}'.encode(encoding))


def test_what_stands_before_an_error_is_handed_out() -> None:
    parts = iter([b'{"a": 1}\n{"a": 2}\n{"a"'])

    def fail(size: int) -> bytes:
        for part in parts:
            return part
        raise ConnectionResetError("gone")

    found = documents_in(ByteStream("data", fail))
    assert sum(len(next(found).documents) for _ in range(1)) >= 1
    with pytest.raises(ConnectionResetError, match="gone"):
        list(found)


@pytest.mark.parametrize("data", [b"", b"\n", b"  \r\n ", b"\xef\xbb\xbf", b"[]", b"[ ]\n[]\n"])
def test_nothing_is_no_document(data: bytes) -> None:
    assert blocks_of(data) == []
