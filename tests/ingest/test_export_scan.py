"""Export files read by DuckDB: the same rows as the readers give, whatever is in the lines."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import (
    DuplicateRecordError,
    ExportFileError,
    ExportLineError,
    MixpanelDataError,
    StorageEngine,
    TableExistsError,
    read_events_export,
    read_profiles_export,
)
from mixpanel_data.ingest import export_scan, runner
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, PROFILES, parsed_rows

EXAMPLES = Path(__file__).parents[2] / "examples"


def line_of(number: int, **properties: Any) -> str:
    given = {"time": 1735689600 + number, "distinct_id": "u", "$insert_id": f"id-{number}"}
    return json.dumps({"event": "Sign Up", "properties": {**given, **properties}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "export.jsonl"
    file.write_text("\n".join(line_of(number, n=number) for number in range(3000)))
    return file


def load_both_ways(path: Path, kind: str = "events") -> tuple[list[Any] | str, list[Any] | str]:
    """Load a file by DuckDB and by its reader; return the rows, or the error of each."""
    results: list[list[Any] | str] = []
    with empty_storage() as storage:
        loads: dict[str, Callable[[], object]] = {
            "events": lambda: storage.load_events_export("fast", path, EVENTS),
            "profiles": lambda: storage.load_profiles_export("fast", path, PROFILES),
        }
        reads: dict[str, Callable[[], object]] = {
            "events": lambda: storage.create_events_table("slow", read_events_export(path), EVENTS),
            "profiles": lambda: storage.create_profiles_table(
                "slow", read_profiles_export(path), PROFILES
            ),
        }
        for table, load in (("fast", loads[kind]), ("slow", reads[kind])):
            try:
                load()
            except MixpanelDataError as error:
                results.append(repr(error))
            else:
                results.append(parsed_rows(storage, table))
    fast, slow = results
    return fast, slow


@pytest.mark.parametrize("kind", ["events", "profiles"])
def test_the_example_files_load_as_their_readers_say(kind: str) -> None:
    (file,) = EXAMPLES.glob(f"{kind}.jsonl*")
    fast, slow = load_both_ways(file, kind)
    assert fast == slow
    assert len(fast) >= 300


NO_ACCESS = {"enable_external_access": "false"}


def test_ordinary_files_need_no_python_at_all(
    storage: StorageEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "records_of", lambda *_: pytest.fail("read in Python"))
    lines = "\n".join(line_of(n, text="x" * 700) for n in range(60_000)).encode()
    (tmp_path / "plain.jsonl").write_bytes(lines)
    (tmp_path / "packed.jsonl").write_bytes(gzip.compress(lines, 1))
    for name in ("plain", "packed"):
        calls: list[int] = []
        file = tmp_path / f"{name}.jsonl"
        assert storage.load_events_export(name, file, EVENTS, calls.append) == 60_000
        assert calls == sorted(calls)
        assert calls[-1] == 60_000


def test_wide_lines_need_no_python_either(
    storage: StorageEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = {f"property {number}": f"value {number}" for number in range(200)}
    file = tmp_path / "wide.jsonl"
    file.write_text("\n".join(line_of(number, **properties) for number in range(6000)))
    monkeypatch.setattr(runner, "records_of", lambda *_: pytest.fail("read in Python"))
    assert storage.load_events_export("wide", file, EVENTS) == 6000


PIPELINE = {"event_name": "Tap", "time": 1735689600, "distinct_id": "u", "user_id": "u"}
RECORD = {"event_name": "Tap", "event_time": "2025-01-01 00:00:00.25", "distinct_id": 7}
OTHER_LINES = {
    "further members": {**json.loads(line_of(1)), "source": "web", "labels": {"a": None}},
    "a line of a JSON pipeline": {**PIPELINE, "insert_id": "i", "properties": {"a": 1}},
    "a record": {**RECORD, "insert_id": "i", "properties": {}},
    "a time with an offset": json.loads(line_of(1, time="2025-01-01T00:00:00.5+00:00")),
    "words of numbers": json.loads(line_of(1, a="a banana", b="Infinity, NaN", c='"inf,nan,"')),
}


@pytest.mark.parametrize("case", OTHER_LINES)
def test_other_lines_need_no_python_either(
    storage: StorageEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(f"{json.dumps(OTHER_LINES[case])}\n" * 3)
    storage.load_events_export("lines", file.read_text().splitlines(), EVENTS)
    monkeypatch.setattr(runner, "records_of", lambda *_: pytest.fail("read in Python"))
    monkeypatch.setitem(export_scan._CONVERTERS, "events", lambda *_: pytest.fail("converted"))
    storage.load_events_export("file", file, EVENTS)
    assert parsed_rows(storage, "file") == parsed_rows(storage, "lines")


def test_zstd_files_need_no_python_either(
    storage: StorageEngine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = file.with_name("packed.jsonl")
    packed.write_bytes(pa.Codec("zstd").compress(file.read_bytes(), asbytes=True))
    storage.load_events_export("plain", file, EVENTS)
    monkeypatch.setattr(runner, "records_of", lambda *_: pytest.fail("read in Python"))
    assert storage.load_events_export("packed", packed, EVENTS) == 3000
    assert parsed_rows(storage, "packed") == parsed_rows(storage, "plain")


@pytest.mark.parametrize("damage", ["cut off", "something behind it"])
def test_a_damaged_zstd_file_is_refused(storage: StorageEngine, file: Path, damage: str) -> None:
    whole = pa.Codec("zstd").compress(file.read_bytes(), asbytes=True)
    damaged = {"cut off": whole[:-20], "something behind it": whole + b"something"}
    (bad := file.with_name("bad.zst")).write_bytes(damaged[damage])
    with pytest.raises((ExportFileError, ExportLineError)) as caught:
        storage.load_events_export("t", [file, bad], EVENTS)
    assert str(bad) in str(caught.value)
    assert storage.list_tables() == []


def test_an_archive_that_swells_without_end_is_stopped(
    storage: StorageEngine, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.zst"
    lines = (line_of(1) + "\n").encode() * 700_000
    bomb.write_bytes(pa.Codec("zstd").compress(lines, asbytes=True))
    with pytest.raises(ExportFileError, match="unpacks to more than"):
        storage.load_events_export("t", bomb, EVENTS)
    assert storage.list_tables() == []


NO_NUMBERS = ["NaN", "nan", "NAN", "-Infinity", "inf", "iNf", "[1,-INFINITY]"]


@pytest.mark.parametrize("number", NO_NUMBERS)
@pytest.mark.parametrize("as_lines", [False, True])
def test_what_is_no_number_is_refused_in_any_case(
    storage: StorageEngine, file: Path, number: str, as_lines: bool
) -> None:
    bad = file.with_name("bad.jsonl")
    bad.write_text(line_of(1).replace("1735689601", f'1735689601,"x":{number}'))
    with pytest.raises(ExportLineError, match="not JSON"):
        storage.load_events_export("t", bad.read_text().splitlines() if as_lines else bad, EVENTS)


@pytest.mark.needs("order of rows")
def test_rows_keep_the_order_of_the_lines_and_of_the_files(
    storage: StorageEngine, tmp_path: Path
) -> None:
    for part in range(3):
        lines = "\n".join(line_of(n, n=n) for n in range(part * 1000, part * 1000 + 1000))
        packed = gzip.compress(lines.encode()) if part == 1 else lines.encode()
        (tmp_path / f"part-{part}.jsonl").write_bytes(packed)
    assert storage.load_events_export("t", str(tmp_path / "part-*.jsonl"), EVENTS) == 3000
    numbers = [row[4]["n"] for row in parsed_rows(storage, "t")]
    assert numbers == list(range(3000))
    backwards: list[str | Path] = [tmp_path / "part-2.jsonl", str(tmp_path / "part-1.jsonl")]
    assert storage.load_events_export("u", backwards, EVENTS) == 2000
    assert parsed_rows(storage, "u")[0][4]["n"] == 2000


def test_compressed_files_are_told_by_their_content(storage: StorageEngine, file: Path) -> None:
    packed = file.with_name("packed.jsonl")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    plain = file.with_name("plain.gz")
    plain.write_bytes(file.read_bytes())
    storage.load_events_export("packed", packed, EVENTS)
    storage.load_events_export("plain", plain, EVENTS)
    assert parsed_rows(storage, "packed") == parsed_rows(storage, "plain")


def test_a_wrong_checksum_is_refused_though_every_line_can_be_read(
    storage: StorageEngine, file: Path
) -> None:
    damaged = bytearray(gzip.compress(file.read_bytes()))
    damaged[-8] ^= 1  # where gzip's trailer has the checksum (RFC 1952)
    (wrong := file.with_name("wrong.gz")).write_bytes(damaged)
    with pytest.raises(ExportLineError, match="CRC") as caught:
        storage.load_events_export("t", [file, wrong], EVENTS)
    assert caught.value.path == wrong
    assert storage.list_tables() == []


@pytest.mark.parametrize("name", ["a.jsonl", "a-name-that-the-header-of-gzip-also-has.jsonl.gz"])
def test_a_file_of_one_byte_is_not_overlooked(
    storage: StorageEngine, tmp_path: Path, name: str
) -> None:
    with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wb") as file:
        file.write(b"x")
    with pytest.raises(ExportLineError, match="line 1"):
        storage.load_events_export("t", tmp_path / name, EVENTS)


def test_a_load_of_compressed_files_that_is_given_up_leaves_no_thread(
    storage: StorageEngine, file: Path
) -> None:
    packed = file.with_name("packed.gz")
    packed.write_bytes(gzip.compress(file.read_bytes(), 1) * 200)
    storage.execute_scalar("SELECT 1")  # the first statement starts what hears Ctrl-C
    before = threading.active_count()

    def progress(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.load_events_export("t", packed, EVENTS, progress)
    assert threading.active_count() == before
    assert storage.list_tables() == []


def test_loading_again_by_append_adds_nothing(storage: StorageEngine) -> None:
    events = EXAMPLES / "events.jsonl.gz"
    added = storage.load_events_export("t", events, EVENTS)
    assert added == storage.list_tables()[0].row_count > 2000
    assert storage.load_events_export("t", events, EVENTS, if_exists="append") == 0
    assert storage.append_events_table("t", read_events_export(events), EVENTS) == 0


def test_create_is_strict_unless_told_to_append(storage: StorageEngine, file: Path) -> None:
    storage.load_events_export("t", file, EVENTS, primary_key=False)
    with pytest.raises(TableExistsError):
        storage.load_events_export("t", file, EVENTS)


def test_the_last_of_a_key_stays_when_asked(storage: StorageEngine, tmp_path: Path) -> None:
    file = tmp_path / "twice.jsonl"
    file.write_text("\n".join([line_of(1, v=1), line_of(2, v=2), line_of(1, v=3)]))
    storage.load_events_export("t", file, EVENTS, on_conflict="replace")
    assert sorted(row[4]["v"] for row in parsed_rows(storage, "t")) == [2, 3]
    with pytest.raises(DuplicateRecordError) as caught:
        storage.load_events_export("u", file, EVENTS, on_conflict="error")
    assert (caught.value.index, caught.value.key) == (2, "id-1")


BAD_LINES = {
    "cut off": '{"event": "a", "properties": {"time": 1',
    "two in a line": line_of(1) + line_of(2),
    "a list": "[1]",
    "no event": '{"properties": {"time": 1}}',
    "event is a number": '{"event": 5, "properties": {"time": 1, "distinct_id": "u"}}',
    "time is a word": line_of(1, time="yesterday"),
    "time is true": line_of(1, time=True),
    "user is a list": line_of(1, distinct_id=["u"]),
    "NaN": line_of(1, x=float("nan")),
    "Infinity in a list": line_of(1, x=[1, float("inf")]),
    "trailing comma": line_of(1)[:-2] + ",}}",
    "trailing comma and space": line_of(1)[:-1] + ", }",
    "lone surrogate": line_of(1, x="\ud800"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_malformed_line_is_named_by_file_and_line(
    storage: StorageEngine, file: Path, case: str
) -> None:
    bad = file.with_name("bad.jsonl")
    bad.write_text("\n".join([line_of(9001), "", BAD_LINES[case], line_of(9002)]))
    with pytest.raises(ExportLineError) as caught:
        storage.load_events_export("t", [file, bad], EVENTS)
    assert (caught.value.path, caught.value.line) == (bad, 3)
    assert not storage.table_exists("t")


def test_a_file_that_is_not_there_is_an_os_error(storage: StorageEngine, tmp_path: Path) -> None:
    for missing in (tmp_path / "no.jsonl", str(tmp_path / "no-*.jsonl")):
        with pytest.raises(FileNotFoundError):
            storage.load_events_export("t", missing, EVENTS)


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(
    storage: StorageEngine, file: Path
) -> None:
    odd = file.rename(file.with_name("export [1]*.jsonl"))
    assert storage.load_events_export("t", odd, EVENTS) == 3000


@pytest.mark.parametrize("options", [{"config": NO_ACCESS}, {"sandbox": True}])
def test_files_load_fast_where_sql_may_not_read_any(
    file: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(runner, "records_of", lambda *_: pytest.fail("read in Python"))
    with StorageEngine.memory(**options) as storage:
        assert storage.load_events_export("t", file, EVENTS) == 3000


def test_files_load_where_duckdb_has_no_memory_to_read_them(file: Path) -> None:
    with StorageEngine.memory(config={"memory_limit": "40MiB"}) as storage:
        assert storage.load_events_export("t", file, EVENTS) == 3000


def test_a_callback_that_raises_aborts_the_load(storage: StorageEngine, file: Path) -> None:
    def refuse(rows: int) -> None:
        raise LookupError(rows)

    with pytest.raises(LookupError):
        storage.load_events_export("t", file, EVENTS, refuse)
    assert not storage.table_exists("t")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
odd_names = ["$browser", "plan name", "a.b", 'q"z', "NaN", ":Infinity", "time"]
names = st.sampled_from(odd_names) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
nested = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
times = (
    st.integers(0, 4102444800)
    | st.integers(0, 4102444800000)
    | st.floats(0, 4102444800, allow_nan=False)
    | st.integers(-(10**13), 10**18)
    | scalars
)
ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | scalars
own = st.fixed_dictionaries({"time": times}, optional={"distinct_id": ids, "$insert_id": ids})
event_lines = st.builds(
    lambda name, own, others, order: {
        "event": name,
        "properties": {**others, **own} if order else {**own, **others},
    },
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | scalars,
    own,
    st.dictionaries(names.filter(lambda name: name != "time"), nested, max_size=4),
    st.booleans(),
)
seen = st.sampled_from(["2025-01-02T03:04:05", "2025-01-02T03:04:05.5", "2025-13-01T00:00:00"])
profile_lines = st.builds(
    lambda user, seen, others: {"$distinct_id": user, "$properties": {**others, **seen}},
    ids,
    st.fixed_dictionaries({}, optional={"$last_seen": seen | st.text(max_size=4) | scalars}),
    st.dictionaries(names, nested, max_size=4),
)
spacing = st.sampled_from([(",", ":"), (", ", ": ")])


@examples(50)
@given(lines=st.lists(event_lines, max_size=4), separators=spacing, ascii_only=st.booleans())
def test_any_events_file_gives_the_same_rows_or_the_same_error_both_ways(
    tmp_path: Path, lines: list[Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    file = tmp_path / "any.jsonl"
    texts = [json.dumps(x, separators=separators, ensure_ascii=ascii_only) for x in lines]
    file.write_text("\n".join(texts), encoding="utf-8")
    fast, slow = load_both_ways(file)
    assert fast == slow


@examples(20)
@given(lines=st.lists(profile_lines, max_size=4))
def test_any_profiles_file_gives_the_same_rows_or_the_same_error_both_ways(
    tmp_path: Path, lines: list[Any]
) -> None:
    file = tmp_path / "any.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    fast, slow = load_both_ways(file, "profiles")
    assert fast == slow


@pytest.mark.parametrize("fails", [False, True])
def test_reading_files_leaves_nothing_behind(
    storage: StorageEngine, tmp_path: Path, fails: bool
) -> None:
    def progress(rows: int) -> None:
        if fails:
            raise LookupError("no more")

    file = tmp_path / "export.jsonl"
    file.write_bytes("\n".join(line_of(n) for n in range(20_000)).encode())
    names = """
        SELECT function_name FROM duckdb_functions()
        UNION ALL SELECT name FROM duckdb_variables() ORDER BY ALL
    """
    before = storage.execute_rows(names)
    with suppress(LookupError):
        storage.load_events_export("t", file, EVENTS, progress)
    assert storage.execute_rows(names) == before
    assert storage.table_exists("t") is not fails
