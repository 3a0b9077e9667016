"""Export files of any bytes give exact rows or name a line, in DuckDB and in Python alike."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.fuzz.harness import CORPUS, agree

LINE = (
    b'{"event": "Sign Up", "properties": {"time": 1735689600, "distinct_id": "user-1", '
    b'"$insert_id": "id-1", "$browser": "Firefox", "n": [1, -2.5e3, null, true, "\\u00e9"]}}'
)
PROFILE = (
    b'{"$distinct_id": "user-1", "$properties": {"$last_seen": "2025-01-02T03:04:05", "a": {}}}'
)
PIECES = [
    b"\n", b"\r\n", b"\r", b"\0", b"\x0b", b"\x0c", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80",
    b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"NaN", b"Infinity",
    b"-", b"1e400", b"9" * 30, b"null", b'"time": 1,', b'"event": "b",', b'"$insert_id": "j",',
    b'"$properties": {},', b'"x": {"x": {"x": [[[', b"/* */", b"// \n", b"'", LINE, PROFILE,
]  # fmt: skip
cuts = st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(PIECES) | st.binary())


def changed(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, piece in changes:
        content = content[:start] + piece + content[start + length :]
    return content


lines = st.lists(st.sampled_from([LINE, PROFILE, b""]), min_size=1, max_size=3).map(b"\n".join)
files = st.builds(changed, lines, st.lists(cuts, max_size=3))
packed = st.builds(
    changed, files.map(lambda content: gzip.compress(content, mtime=0)), st.lists(cuts, max_size=1)
)

fuzzed = examples(20)


@fuzzed
@given(content=files)
def test_any_file_loads_the_same_both_ways(tmp_path: Path, content: bytes) -> None:
    agree(content, tmp_path)


@fuzzed
@given(content=packed)
def test_any_compressed_file_loads_the_same_both_ways(tmp_path: Path, content: bytes) -> None:
    agree(content, tmp_path)


@pytest.mark.parametrize("case", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_files_once_read_wrongly_load_the_same_both_ways(tmp_path: Path, case: Path) -> None:
    agree(case.read_bytes(), tmp_path)
