"""Exports in the shapes in which people have them: the rows that are in them, or what is wrong.

Each file in ``cases`` stands for its kind. Loading one a second time adds nothing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    ExportFileNotFoundError,
    ExportLineError,
    StorageEngine,
    read_events_export,
    read_profiles_export,
)
from mixpanel_data.types import IfExists
from tests.records import EVENTS, PROFILES

CASES = Path(__file__).parent / "cases"
FOUR = datetime(2025, 11, 24, 16)

ROWS = {
    "array-pretty.json": 5,
    "array.json": 3,
    "days": 6,
    "empty-and-null-ids.jsonl": 4,
    "equal-events-without-id.jsonl": 4,
    "extra-members.jsonl": 1,
    "gzip-by-another-name.json": 5,
    "ids-of-other-types.jsonl": 4,
    "los-angeles-2022.jsonl": 3,
    "milliseconds.jsonl": 3,
    "pipeline.jsonl": 3,
    "same-id-other-event.jsonl": 1,
    "times-of-every-kind.jsonl": 6,
    "members-twice.jsonl": 2,
    "week1.jsonl": 5,
    "week[1].jsonl": 2,
}
PROFILE_ROWS = {"engage-page-0.json": 3, "profiles-odd-last-seen.jsonl": 6}


@pytest.fixture
def engine() -> Iterable[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


def load(storage: StorageEngine, data: Any, *, if_exists: IfExists = "fail") -> int:
    return storage.load_events_export("jan", data, EVENTS, if_exists=if_exists)


@pytest.mark.parametrize("name", ROWS)
def test_all_events_of_a_file_are_loaded_and_again_none(engine: StorageEngine, name: str) -> None:
    assert load(engine, CASES / name) == ROWS[name]
    assert load(engine, CASES / name, if_exists="append") == 0


@pytest.mark.parametrize("name", PROFILE_ROWS)
def test_all_profiles_of_a_file_are_loaded_and_again_none(engine: StorageEngine, name: str) -> None:
    assert engine.load_profiles_export("users", CASES / name, PROFILES) == PROFILE_ROWS[name]
    again = engine.load_profiles_export("users", CASES / name, PROFILES, if_exists="append")
    assert again == 0


@pytest.mark.parametrize("name", ROWS)
def test_records_of_a_file_are_its_rows(engine: StorageEngine, name: str) -> None:
    load(engine, CASES / name)
    engine.create_events_table("records", read_events_export(CASES / name), EVENTS)
    for one, other in (("jan", "records"), ("records", "jan")):
        query = f"SELECT * FROM {one} EXCEPT SELECT * FROM {other}"
        assert engine.execute_rows(query) == []


WAYS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "a list": lambda path: [path],
    "lines": lambda path: path.read_text().splitlines(),
    "lines as bytes": lambda path: iter(path.read_bytes().splitlines(keepends=True)),
    "an open file": lambda path: path.open("rb"),
    "a pipe": lambda path: pipe_of(path),
}


def pipe_of(path: Path) -> Any:
    """Return what another program writes."""
    process = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
    return process.stdout


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_whatever_the_way_in_the_rows_are_the_same(engine: StorageEngine, way: str) -> None:
    data = WAYS[way](CASES / "week1.jsonl")
    assert load(engine, data) == ROWS["week1.jsonl"]
    assert load(engine, CASES / "week1.jsonl", if_exists="append") == 0
    if hasattr(data, "close"):
        data.close()


@pytest.mark.parametrize("name", ["week[1].jsonl", "a*b.jsonl", "a?b.jsonl"])
def test_a_file_is_itself_whatever_is_in_its_name(
    engine: StorageEngine, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes((CASES / "week[1].jsonl").read_bytes())
    for other in ("week1.jsonl", "aXb.jsonl"):
        (tmp_path / other).write_bytes((CASES / "week1.jsonl").read_bytes())
    assert load(engine, str(tmp_path / name)) == 2


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("cut.jsonl", 6, "breaks off"),
        ("terminated-early.jsonl", 6, "terminated early"),
        ("bad-in-the-middle.jsonl", 3, "is not JSON"),
    ],
)
def test_a_bad_line_is_named_and_shown(
    engine: StorageEngine, name: str, line: int, said: str
) -> None:
    with pytest.raises(ExportLineError, match=said) as caught:
        load(engine, CASES / name)
    assert (caught.value.path, caught.value.line) == (CASES / name, line)
    assert engine.list_tables() == []


@pytest.mark.parametrize("data", [[], str(CASES / "nothing-*.jsonl"), CASES / "missing.jsonl"])
def test_no_file_at_all_is_an_error(engine: StorageEngine, data: Any) -> None:
    with pytest.raises(ExportFileNotFoundError):
        load(engine, data)
    assert engine.list_tables() == []


def test_the_other_kind_is_named_with_its_method(engine: StorageEngine) -> None:
    with pytest.raises(ExportLineError, match=r"load_profiles_export\(\)"):
        load(engine, CASES / "engage-page-0.json")
    with pytest.raises(ExportLineError, match=r"load_events_export\(\)"):
        engine.load_profiles_export("users", CASES / "week1.jsonl", PROFILES)


def test_members_of_no_column_are_kept_among_the_properties() -> None:
    (event,) = read_events_export(CASES / "extra-members.jsonl")
    assert event["properties"] == {"dataset": "mine", "ingested_at": 1764000060}
    pipeline = [event["properties"] for event in read_events_export(CASES / "pipeline.jsonl")]
    assert {"user_id", "device_id"} <= set.intersection(*map(set, pipeline))


def test_ids_become_text() -> None:
    found = [
        event["distinct_id"] for event in read_events_export(CASES / "ids-of-other-types.jsonl")
    ]
    assert found == ["42", "4.5", "true", ""]


def test_times_are_told_by_what_they_are(engine: StorageEngine) -> None:
    load(engine, CASES / "times-of-every-kind.jsonl")
    times = engine.execute_rows("SELECT event_time FROM jan ORDER BY insert_id")
    assert [time for (time,) in times] == [FOUR, FOUR.replace(microsecond=250_000), *[FOUR] * 4]


def test_a_last_seen_that_is_empty_is_none() -> None:
    profiles = [*read_profiles_export(CASES / "profiles-odd-last-seen.jsonl")]
    seen = [
        profile["last_seen"] and profile["last_seen"].replace(tzinfo=None) for profile in profiles
    ]
    assert seen == [FOUR, FOUR, None, None, FOUR, FOUR]


def test_equal_events_without_an_id_are_kept_and_the_first_has_the_id_it_always_had() -> None:
    name = "equal-events-without-id.jsonl"
    ids = [event["insert_id"] for event in read_events_export(CASES / name)]
    assert len(set(ids)) == len(ids)
    assert ids == [event["insert_id"] for event in read_events_export(CASES / name)]
