"""Rows that cannot be stored: the first ends the load, or all are left out, counted and written."""

from __future__ import annotations

import gzip
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import (
    ExportExistsError,
    ExportFileError,
    ExportLineError,
    LoadResult,
    RecordError,
    StorageEngine,
)
from tests.engines import empty_storage
from tests.examples import examples
from tests.files import permissions_of
from tests.processes import PythonProcess
from tests.records import EVENTS, PROFILES, Record, make_event, make_events


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


CASES = Path(__file__).parent / "cases"

#: Rows left out of each file, by number of their line.
REJECTED = {
    "cut.jsonl": [6],
    "terminated-early.jsonl": [6],
    "bad-in-the-middle.jsonl": [3, 5, 7],
}

LINE = '{"event": "Tap", "properties": {"time": 1735689600}}'

#: What an earlier load has rejected.
EARLIER = '{"file": null, "number": 0, "field": "event_name", "reason": "is 5", "line": "{}"}\n'


def rejects_in(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def load(storage: StorageEngine, data: Any, **options: Any) -> LoadResult:
    return storage.load_events_export("t", data, EVENTS, on_error="skip", **options)


@pytest.mark.parametrize("name", REJECTED)
def test_the_good_lines_are_loaded_and_the_bad_ones_written_with_number_and_reason(
    storage: StorageEngine, tmp_path: Path, name: str
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    result = load(storage, CASES / name, rejects=rejects)
    assert (result, result.rejected) == (5, len(REJECTED[name]))
    written = rejects_in(rejects)
    assert [reject["number"] for reject in written] == REJECTED[name]
    lines = (CASES / name).read_text().splitlines()
    assert [reject["line"] for reject in written] == [lines[n - 1] for n in REJECTED[name]]
    assert {reject["file"] for reject in written} == {str(CASES / name)}
    assert all(reject["reason"] for reject in written)


@pytest.mark.parametrize("name", REJECTED)
def test_without_skip_the_first_bad_line_ends_the_load(storage: StorageEngine, name: str) -> None:
    with pytest.raises(ExportLineError) as caught:
        storage.load_events_export("t", CASES / name, EVENTS)
    assert caught.value.line == REJECTED[name][0]
    assert storage.list_tables() == []


def test_a_message_begins_with_what_is_wrong_and_shows_the_line_once(
    storage: StorageEngine, tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"event": "Tap", "properties": {"time": "soon", "x": "' + 500 * "y" + '"}}\n')
    with pytest.raises(ExportLineError) as caught:
        storage.load_events_export("t", path, EVENTS)
    message = str(caught.value)
    assert message.startswith("Field 'time' is 'soon', which is not an ISO 8601 time. The line beg")
    assert message.count("line 1") == 1
    assert 60 < message.count("y") < 121
    assert message.endswith("Repair it, or load the others with on_error='skip'.")


@pytest.mark.parametrize(
    "before", ["", LINE + "\n", LINE + '\n{"event": "Tap", "prop', f"[{LINE},\n"]
)
@pytest.mark.parametrize(
    "mark", ["terminated early", "export terminated early\n", "Terminated early."]
)
def test_an_export_that_is_not_whole_is_to_be_made_again(
    storage: StorageEngine,
    tmp_path: Path,
    before: str,
    mark: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, rejects = tmp_path / "export.jsonl", tmp_path / "rejects.jsonl"
    path.write_text(before + mark)
    with pytest.raises(ExportLineError, match="says that the export is not whole") as caught:
        storage.load_events_export("t", path, EVENTS)
    assert str(caught.value).endswith("Export again, or load the others with on_error='skip'.")
    with caplog.at_level(logging.WARNING):
        assert load(storage, path, rejects=rejects) == before.count(LINE)
    assert caplog.messages[0].endswith(") Export again.")
    assert rejects_in(rejects)[0]["reason"] == "says that the export is not whole. Export again."


def test_the_mark_within_a_value_means_nothing(storage: StorageEngine) -> None:
    line = LINE.replace("Tap", "export terminated early")
    assert load(storage, [line]).rejected == 0


def test_an_error_message_of_the_api_is_no_line_to_repair(storage: StorageEngine) -> None:
    with pytest.raises(ExportLineError, match="error message of Mixpanel's API: 'busy'") as caught:
        storage.load_events_export("t", [LINE, '{"error": "busy"}'], EVENTS)
    assert str(caught.value).endswith("Export again, or load the others with on_error='skip'.")


@pytest.mark.parametrize("end", [10, 200, 4000])
def test_a_compressed_file_that_breaks_off_gives_the_lines_before(
    storage: StorageEngine, tmp_path: Path, end: int
) -> None:
    lines = [
        json.dumps({"event": "Tap", "properties": {"time": 1, "$insert_id": str(i), "x": i}})
        for i in range(20_000)
    ]
    path = tmp_path / "export.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-end])
    damaged = r"^The line cannot be read: the compressed file ends early or is damaged"
    with pytest.raises(RecordError, match=rf"{damaged}|^The line is not JSON"):
        storage.load_events_export("t", path, EVENTS)
    result = load(storage, path)
    assert 0 < result <= 20_000
    assert result.rejected >= 1


def spoil_time(record: Record) -> None:
    record["event_time"] = "soon"


def spoil_properties(record: Record) -> None:
    record["properties"] = [1]


def spoil_name(record: Record) -> None:
    record["event_name"] = None


SPOILERS = [spoil_time, spoil_properties, spoil_name]

WAYS: dict[str, Callable[[list[Record]], Any]] = {
    "records": list,
    "iterator": iter,
    "pandas": pd.DataFrame,
    "pandas without dicts": lambda records: pd.DataFrame(with_texts(records)),
    "Arrow": lambda records: pa.Table.from_pylist(with_texts(records)),
}


def with_texts(records: list[Record]) -> list[Record]:
    return [
        {
            **record,
            "event_time": str(record["event_time"]),
            "properties": json.dumps(record["properties"]),
        }
        for record in records
    ]


@pytest.mark.parametrize("way", WAYS)
def test_bad_records_are_left_out_of_records_frames_and_arrow(
    storage: StorageEngine, tmp_path: Path, way: str
) -> None:
    records = list(make_events(5000))
    bad = {100: spoil_time, 101: spoil_properties, 2500: spoil_name, 4999: spoil_time}
    for index, spoil in bad.items():
        spoil(records[index])
    rejects = tmp_path / "rejects.jsonl"
    result = storage.create_events_table(
        "t", WAYS[way](records), EVENTS, on_error="skip", rejects=rejects
    )
    assert (result, result.read, result.rejected) == (4996, 5000, 4)
    assert sorted(reject["number"] for reject in rejects_in(rejects)) == sorted(bad)
    stored = {row[0] for row in storage.execute_rows("SELECT insert_id FROM t")}
    kept = [record for index, record in enumerate(records) if index not in bad]
    assert stored == {record["insert_id"] for record in kept}


@examples(50)
@given(
    bad=st.dictionaries(st.integers(0, 59), st.sampled_from(SPOILERS)),
    way=st.sampled_from([*WAYS]),
    batch_size=st.integers(1, 70),
)
def test_read_is_always_what_was_stored_and_left_out(
    bad: dict[int, Callable[[Record], None]], way: str, batch_size: int
) -> None:
    records = list(make_events(60))
    for index, spoil in bad.items():
        spoil(records[index])
    with empty_storage() as storage:
        result = storage.create_events_table(
            "t", WAYS[way](records), EVENTS, on_error="skip", batch_size=batch_size
        )
        assert (result.read, result.added, result.rejected) == (60, 60 - len(bad), len(bad))
        assert storage.execute_scalar("SELECT count(*) FROM t") == 60 - len(bad)


def test_an_index_counts_the_records_that_were_left_out(storage: StorageEngine) -> None:
    records: list[Any] = [None, make_event(0), None, make_event(1), make_event(0)]
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", records, EVENTS, on_error="skip", on_conflict="error")
    assert caught.value.index == 4


def test_each_reason_is_logged_once(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    records = [make_event(i, event_time=f"day {i}") for i in range(50)]
    with caplog.at_level(logging.WARNING, "mixpanel_data"):
        storage.create_events_table(
            "t", [*records, make_event(99, event_name=1)], EVENTS, on_error="skip"
        )
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("t: 50 rows rejected, the first: Record 0, field 'event_time'")
    assert second.startswith("t: 1 row rejected, the first: Record 50, field 'event_name'")


def test_bad_profiles_are_left_out_too(storage: StorageEngine, tmp_path: Path) -> None:
    path = tmp_path / "profiles.jsonl"
    path.write_text('{"$distinct_id": "a", "$properties": {}}\n{"$distinct_id": null}\nno\n')
    result = storage.load_profiles_export("users", path, PROFILES, on_error="skip")
    assert (result, result.rejected) == (1, 2)
    again: list[Any] = [{"distinct_id": "b", "properties": {}}, {"distinct_id": "c"}]
    result = storage.append_profiles_table("users", again, PROFILES, on_error="skip")
    assert (result, result.rejected) == (1, 1)


def test_an_earlier_file_of_rejects_stays_when_the_load_fails(
    storage: StorageEngine, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text(EARLIER)

    def data() -> Any:
        yield None
        yield make_event()
        raise KeyError

    with pytest.raises(KeyError):
        storage.create_events_table("t", data(), EVENTS, on_error="skip", rejects=rejects)
    assert rejects.read_text() == EARLIER
    assert [path.name for path in tmp_path.glob("rejects*")] == ["rejects.jsonl"]


def test_the_file_of_rejects_is_empty_when_there_are_none(
    storage: StorageEngine, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text(EARLIER)
    storage.create_events_table("t", make_events(3), EVENTS, on_error="skip", rejects=str(rejects))
    assert rejects.read_text() == ""


def test_what_is_read_or_open_is_never_written_over(tmp_path: Path) -> None:
    path, database, other = (tmp_path / name for name in ("export.jsonl", "a.db", "b.db"))
    path.write_bytes((CASES / "week1.jsonl").read_bytes())
    with StorageEngine(database) as storage, StorageEngine(other):
        for rejects in (path, database, Path(f"{database}.wal"), other):
            with pytest.raises(ValueError, match="which this load reads, or"):
                load(storage, path, rejects=rejects)
        assert storage.list_tables() == []
    assert path.read_bytes() == (CASES / "week1.jsonl").read_bytes()
    for file in (database, other):
        with StorageEngine.open_existing(file) as storage:
            assert load(storage, path) == 5


@pytest.mark.parametrize(
    "content", ["precious", "{}", '{"file": null}', "[]\n", "\n", "\udcff", EARLIER.strip("{") * 2]
)
def test_a_file_with_other_things_in_it_is_not_replaced(
    storage: StorageEngine, tmp_path: Path, content: str
) -> None:
    rejects = tmp_path / "notes.jsonl"
    rejects.write_text(content, errors="surrogateescape")
    before = rejects.read_bytes()
    with pytest.raises(ExportExistsError, match=r"notes.jsonl.*Choose another for rejects"):
        storage.create_events_table("t", make_events(3), EVENTS, on_error="skip", rejects=rejects)
    assert rejects.read_bytes() == before
    assert not storage.table_exists("t")


def test_the_next_load_replaces_the_rejects_of_the_last(
    storage: StorageEngine, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    for number in (1, 2):
        storage.create_events_table(
            f"t{number}", [{}] * number, EVENTS, on_error="skip", rejects=rejects
        )
        assert len(rejects_in(rejects)) == number


@pytest.mark.parametrize("rejects", ["", ".", "nofolder/r.jsonl", "/dev/null", "~nouser/r.jsonl"])
def test_rejects_that_can_be_no_file_are_named(
    storage: StorageEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rejects: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportFileError, match="rejects") as caught:
        storage.create_events_table("t", make_events(3), EVENTS, on_error="skip", rejects=rejects)
    assert caught.value.source == str(Path(rejects))
    assert ".tmp" not in str(caught.value)


def test_rejects_without_skip_is_a_mistake(storage: StorageEngine) -> None:
    with pytest.raises(ValueError, match="on_error='skip'"):
        storage.create_events_table("t", [], EVENTS, rejects="rejects.jsonl")
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        storage.create_events_table("t", [], EVENTS, on_error="ignore")  # type: ignore[arg-type]


ODD: dict[str, Any] = {
    "bytes": b"\xff\xfe\x00",
    "a key that is a tuple": {(1, 2): "a"},
    "a set": {"event_name": {1, 2}},
    "an object": object(),
    "a number": 7,
    "a lone surrogate": "\ud800",
    "within itself": [],
}
ODD["within itself"].append(ODD["within itself"])


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_left_out_can_be_written(
    storage: StorageEngine, tmp_path: Path, odd: str
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    data: list[Any] = [ODD[odd], make_event()]
    result = storage.create_events_table("t", data, EVENTS, on_error="skip", rejects=rejects)
    assert (result, len(rejects_in(rejects))) == (1, 1)


def test_the_file_of_rejects_is_for_its_owner_only(storage: StorageEngine, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text(EARLIER)
    rejects.chmod(0o644)
    storage.create_events_table("t", [{}], EVENTS, on_error="skip", rejects=rejects)
    assert permissions_of(rejects) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.jsonl"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode")
def test_the_name_of_a_file_need_not_be_utf8(
    storage: StorageEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.jsonl")
    path.write_text("{oops\n")
    rejects = tmp_path / "rejects.jsonl"
    assert load(storage, path, rejects=rejects).rejected == 1
    (rejected,) = rejects_in(rejects)
    assert os.fsencode(rejected["file"]) == os.fsencode(path)
    assert b"bad?.jsonl" in caplog.text.encode()


def test_the_log_does_not_advise_what_was_done(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mixpanel_data"):
        load(storage, ["{oops\n"])
    assert "1 row rejected" in caplog.text
    assert "on_error" not in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit for files")
def test_no_room_for_the_rejects_is_a_full_disk(tmp_path: Path) -> None:
    code = """
import resource
storage = StorageEngine.memory()
storage.execute_rows("SELECT 1")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
data = ({"event_name": "x" * 500} for _ in range(2000))
try:
    storage.create_events_table("t", data, EVENTS, on_error="skip", rejects=sys.argv[1])
except DiskFullError as error:
    say(error.path, storage.list_tables(), str(error).replace("\\n", " "))
"""
    rejects = tmp_path / "rejects.jsonl"
    with PythonProcess(code, rejects) as process:
        (said,) = process.read_all()
        assert process.wait() == 0, process.errors()
    assert said.startswith(f"{rejects} [] {rejects}: the disk is full")
    assert said.endswith("The rejected rows cannot be written. Make room there, and try again.")
    assert [*tmp_path.iterdir()] == []
