"""Mixpanel export files: every quirk of the format becomes a record, or an error with its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    ExportFileError,
    ExportLineError,
    RecordError,
    StorageEngine,
    read_events_export,
    read_profiles_export,
)
from tests.records import EVENTS, PROFILES, Record

MISSING = object()


def event_line(**properties: Any) -> dict[str, Any]:
    given = {"time": 1735689600, "distinct_id": "user-1", "$insert_id": "id-1", **properties}
    kept = {name: value for name, value in given.items() if value is not MISSING}
    return {"event": "Sign Up", "properties": kept}


@pytest.fixture
def events_in(tmp_path: Path) -> Callable[..., list[Record]]:
    """A function that writes lines to a file and reads them as events."""

    def read(*lines: Any) -> list[Record]:
        file = tmp_path / "export.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        file.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return list(read_events_export(file))

    return read


@pytest.fixture
def profiles_in(tmp_path: Path) -> Callable[..., list[Record]]:
    """A function that writes lines to a file and reads them as profiles."""

    def read(*lines: Any) -> list[Record]:
        file = tmp_path / "profiles.jsonl"
        file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        return list(read_profiles_export(file))

    return read


def test_an_event_becomes_a_record_with_its_fields_moved_out_of_the_properties(
    events_in: Callable[..., list[Record]],
) -> None:
    assert events_in(event_line(**{"$browser": "Firefox", "nested": {"time": 1}})) == [
        {
            "event_name": "Sign Up",
            "event_time": datetime(2025, 1, 1, tzinfo=timezone.utc),
            "distinct_id": "user-1",
            "insert_id": "id-1",
            "properties": {"$browser": "Firefox", "nested": {"time": 1}},
        }
    ]


def test_a_profile_becomes_a_record(profiles_in: Callable[..., list[Record]]) -> None:
    lines = [
        {"$distinct_id": "a", "$properties": {"$last_seen": "2025-01-02T03:04:05", "plan": "pro"}},
        {"$distinct_id": 7, "$properties": {}},
    ]
    assert profiles_in(*lines) == [
        {
            "distinct_id": "a",
            "properties": {"plan": "pro"},
            "last_seen": datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        },
        {"distinct_id": "7", "properties": {}, "last_seen": None},
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1735689600, datetime(2025, 1, 1)),
        (1735689600.5, datetime(2025, 1, 1, 0, 0, 0, 500000)),
        (1735689600123, datetime(2025, 1, 1, 0, 0, 0, 123000)),
        (1735689600123.456, datetime(2025, 1, 1, 0, 0, 0, 123456)),
        (0, datetime(1970, 1, 1)),
    ],
)
def test_times_are_in_seconds_or_milliseconds(
    events_in: Callable[..., list[Record]], given: float, expected: datetime
) -> None:
    (event,) = events_in(event_line(time=given))
    assert event["event_time"] == expected.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("user", "user"),
        ("", ""),
        (MISSING, ""),
        (None, ""),
        (7, "7"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        (True, "true"),
    ],
)
def test_the_user_may_be_a_number_or_missing(
    events_in: Callable[..., list[Record]], given: Any, expected: str
) -> None:
    (event,) = events_in(event_line(distinct_id=given))
    assert event["distinct_id"] == expected


@pytest.mark.parametrize("given", [MISSING, None, ""])
def test_a_missing_id_becomes_a_hash_of_the_event(
    events_in: Callable[..., list[Record]], given: Any
) -> None:
    (first,) = events_in(
        event_line(**{"$insert_id": given, "a": {"b": 1, "c": 2}, "d": 2**70}),
    )
    (again,) = events_in(
        '{"properties": {"d": 1180591620717411303424, "a": {"c": 2, "b": 1},'
        ' "distinct_id": "user-1", "time": 1735689600}, "event": "Sign Up"}',
    )
    assert first["insert_id"] == again["insert_id"]
    assert len(first["insert_id"]) == 32


def test_events_without_id_that_differ_anywhere_have_different_ids(
    events_in: Callable[..., list[Record]],
) -> None:
    base = {"$insert_id": MISSING}
    lines = [
        event_line(**base),
        event_line(**base, time=1735689601),
        event_line(**base, distinct_id="user-2"),
        event_line(**base, plan="pro"),
        {**event_line(**base), "event": "Sign Out"},
    ]
    assert len({event["insert_id"] for event in events_in(*lines)}) == len(lines)


def test_a_numeric_id_is_kept_as_text(events_in: Callable[..., list[Record]]) -> None:
    (event,) = events_in(event_line(**{"$insert_id": 17}))
    assert event["insert_id"] == "17"


def test_integers_of_any_size_and_unicode_are_read_exactly(
    events_in: Callable[..., list[Record]],
) -> None:
    (event,) = events_in(event_line(big=2**70, deep=[{"x": -(2**65)}], city="Zürich", emoji="🎉"))
    assert event["properties"] == {
        "big": 2**70,
        "deep": [{"x": -(2**65)}],
        "city": "Zürich",
        "emoji": "🎉",
    }


def test_compressed_files_are_told_by_their_content(tmp_path: Path) -> None:
    text = json.dumps(event_line()).encode()
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    assert list(read_events_export(plain)) == list(read_events_export(str(packed)))


def test_blank_lines_and_foreign_line_ends_are_skipped(
    events_in: Callable[..., list[Record]],
) -> None:
    assert len(events_in(json.dumps(event_line()) + "\r", "", "   ", event_line())) == 2


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert list(read_events_export(tmp_path / "empty")) == []


BAD_LINES: dict[str, tuple[str | None, Any]] = {
    "not json": (None, '{"event": '),
    "not an object": (None, "[1]"),
    "NaN": (None, '{"event": "a", "properties": {"time": 1, "x": NaN}}'),
    "NaN beside a long integer": (
        None,
        '{"event": "a", "properties": {"time": 1, "y": 1180591620717411303424, "x": NaN}}',
    ),
    "no event": ("event", {"properties": {"time": 1}}),
    "event is a number": ("event", {"event": 5, "properties": {"time": 1}}),
    "no properties": ("properties", {"event": "a"}),
    "properties is a list": ("properties", {"event": "a", "properties": []}),
    "no time": ("time", event_line(time=MISSING)),
    "time is text": ("time", event_line(time="now")),
    "time is true": ("time", event_line(time=True)),
    "time is far away": ("time", event_line(time=1e300)),
    "user is a list": ("distinct_id", event_line(distinct_id=["a"])),
    "id is an object": ("$insert_id", event_line(**{"$insert_id": {}})),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_named_by_file_line_index_and_field(
    events_in: Callable[..., list[Record]], tmp_path: Path, case: str
) -> None:
    field, line = BAD_LINES[case]
    with pytest.raises(ExportLineError) as caught:
        events_in(event_line(), "", event_line(), line)
    error = caught.value
    assert (error.path, error.line, error.index, error.field) == (
        tmp_path / "export.jsonl",
        4,
        2,
        field,
    )
    assert isinstance(error, RecordError)
    assert f"{tmp_path / 'export.jsonl'}, line 4" in str(error)


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("$distinct_id", {"$properties": {}}),
        ("$distinct_id", {"$distinct_id": ["a"], "$properties": {}}),
        ("$properties", {"$distinct_id": "a"}),
        ("$last_seen", {"$distinct_id": "a", "$properties": {"$last_seen": "soon"}}),
    ],
)
def test_a_bad_profile_line_is_named(
    profiles_in: Callable[..., list[Record]], field: str, line: Any
) -> None:
    with pytest.raises(ExportLineError) as caught:
        profiles_in(line)
    assert (caught.value.line, caught.value.field) == (1, field)


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(json.dumps(event_line()).encode() + b'\n{"event": "\xff", "properties": {}}\n')
    with pytest.raises(ExportLineError) as caught:
        list(read_events_export(file))
    assert caught.value.line == 2


def test_a_compressed_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl.gz"
    lines = "\n".join(json.dumps(event_line(number=number)) for number in range(1000))
    file.write_bytes(gzip.compress(lines.encode())[:-20])
    read: list[Record] = []
    with pytest.raises(ExportLineError, match="ends early") as caught:
        read.extend(read_events_export(file))
    assert caught.value.path == file


def test_a_file_that_is_damaged_before_its_first_line_is_named(tmp_path: Path) -> None:
    (good := tmp_path / "good.jsonl").write_text(
        "\n".join(json.dumps(event_line(n=n)) for n in range(3))
    )
    (cut := tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}")[:12])
    with pytest.raises(ExportFileError, match="ends early") as caught:
        list(read_events_export([good, cut]))
    assert caught.value.source == str(cut)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_events_export(tmp_path / "nowhere.jsonl"))


def test_loading_a_file_twice_adds_nothing(storage: StorageEngine, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    lines: Iterator[Record] = (
        event_line(**{"$insert_id": MISSING if n % 2 else f"id-{n}", "n": n}) for n in range(500)
    )
    file.write_text("\n".join(map(json.dumps, lines)))
    assert storage.create_events_table("t", read_events_export(file), EVENTS) == 500
    assert storage.append_events_table("t", read_events_export(file), EVENTS) == 0


def test_profiles_of_a_file_are_loaded(storage: StorageEngine, tmp_path: Path) -> None:
    file = tmp_path / "profiles.jsonl"
    lines = [{"$distinct_id": n, "$properties": {"$city": "Bern"}} for n in range(3)]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert storage.create_profiles_table("users", read_profiles_export(file), PROFILES) == 3
    assert storage.execute_rows("SELECT distinct_id FROM users ORDER BY 1") == [
        ("0",),
        ("1",),
        ("2",),
    ]


def test_a_bad_line_in_the_middle_leaves_no_trace(storage: StorageEngine, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    good = (json.dumps(event_line(**{"$insert_id": str(n)})) for n in range(5000))
    file.write_text("\n".join([*good, '{"event": 5}']))
    with pytest.raises(ExportLineError) as caught:
        storage.create_events_table("t", read_events_export(file), EVENTS)
    assert (caught.value.index, caught.value.line) == (5000, 5001)
    assert not storage.table_exists("t")
