"""The example files have the promised content, and the demo prints the right numbers."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENTS = EXAMPLES / "events.jsonl.gz"
PROFILES = EXAMPLES / "profiles.jsonl.gz"

Properties = dict[str, Any]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return gzip.decompress(EVENTS.read_bytes()).decode().split("\n")[:-1]


@pytest.fixture(scope="module")
def events(lines: list[str]) -> list[Properties]:
    return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="module")
def properties(events: list[Properties]) -> list[Properties]:
    return [event["properties"] for event in events]


@pytest.fixture(scope="module")
def unique(lines: list[str]) -> list[Properties]:
    """The first event of every insert id, and all events that have none."""
    first: dict[object, Properties] = {}
    for number, line in enumerate(lines):
        if line:
            event = json.loads(line)
            first.setdefault(event["properties"].get("$insert_id", number), event)
    return list(first.values())


@pytest.fixture(scope="module")
def profiles() -> list[Properties]:
    text = gzip.decompress(PROFILES.read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def run_example(script: str, *arguments: object, temp_folder: Path, encoding: str = "utf-8") -> str:
    folder = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temp_folder))
    finished = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        env=os.environ | folder | {"PYTHONIOENCODING": encoding},
        cwd=temp_folder,
        capture_output=True,
        encoding=encoding,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


@pytest.fixture(scope="module")
def temp_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(temp_folder: Path) -> str:
    return run_example("demo.py", temp_folder=temp_folder)


@pytest.fixture(scope="module")
def results(demo: str) -> list[str]:
    """What each step of the demo prints, without its title and its code."""
    steps = re.split(r"^\d+\. .*\n", demo, flags=re.MULTILINE)[1:]
    return [re.sub(r"^  \|.*\n", "", step, flags=re.MULTILINE).strip() for step in steps]


def table_rows(frame: str) -> list[list[str]]:
    """The cells of a printed DataFrame, without its header and its index."""
    return [re.split(r"\s{2,}", row)[1:] for row in frame.splitlines()[1:]]


# The demo


def test_the_demo_adds_every_event_once_and_says_how_many_it_skipped(
    results: list[str], events: list[Properties], unique: list[Properties]
) -> None:
    skipped = len(events) - len(unique)
    assert f"{len(unique):,} events added, {skipped} skipped" in results[0]


def test_the_demo_draws_one_full_bar_where_there_is_no_terminal(
    results: list[str], events: list[Properties]
) -> None:
    assert results[0].startswith(f"[{'#' * 30}] {len(events):,} records\n")


def test_the_demo_warns_of_the_events_that_share_an_id_by_mistake(
    results: list[str], events: list[Properties]
) -> None:
    assert f"WARNING: events_jan: {len(mistaken(events))} of the rows" in results[0]


def test_the_demo_adds_every_profile(results: list[str], profiles: list[Properties]) -> None:
    assert results[0].endswith(f"{len(profiles)} profiles added")


def test_the_demo_lists_the_tables_with_their_columns_and_dates(
    results: list[str], unique: list[Properties], profiles: list[Properties]
) -> None:
    assert results[1].splitlines() == [
        f"events_jan ({len(unique):,} events): "
        "event_name event_time distinct_id insert_id properties",
        f"users ({len(profiles)} profiles): distinct_id properties last_seen",
        "events_jan was fetched from 2025-01-01 to 2025-01-31",
    ]


def test_the_demo_counts_events_and_users_by_name(
    results: list[str], unique: list[Properties]
) -> None:
    counts = Counter(event["event"] for event in unique)
    users = {name: {user(event) for event in unique if event["event"] == name} for name in counts}
    expected = [
        [name, str(count), str(len(users[name]))]
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    assert table_rows(results[2]) == expected


def test_the_demo_counts_sign_ups_by_browser(results: list[str], unique: list[Properties]) -> None:
    browsers = Counter(of(unique, "Sign Up", "$browser"))
    assert results[3] == str(sorted(browsers.items()))


def test_the_demo_finds_users_by_a_city_in_another_script(
    results: list[str], profiles: list[Properties]
) -> None:
    cities = Counter(profile["$properties"]["$city"] for profile in profiles)
    assert results[4] == f"{cities['東京']} users in 東京"


def test_the_demo_tells_the_days_on_which_people_sign_up(
    results: list[str], unique: list[Properties]
) -> None:
    # 1 January 2025, when the file begins, was a Wednesday.
    names = ["Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday"]
    days = Counter(
        names[(time - 1_735_689_600) // 86_400 % 7] for time in of(unique, "Sign Up", "time")
    )
    assert results[5] == str(sorted(days.items(), key=lambda item: (-item[1], item[0]))[:3])


def test_the_demo_counts_upgrades_with_sqlalchemy(
    results: list[str], unique: list[Properties]
) -> None:
    plans = Counter(of(unique, "Plan Upgraded", "plan name"))
    assert results[6] == str(sorted(plans.items()))


def test_the_demo_joins_exports_with_the_plans_of_their_users(
    results: list[str], unique: list[Properties], profiles: list[Properties]
) -> None:
    plans = {profile["$distinct_id"]: profile["$properties"]["plan"] for profile in profiles}
    days: dict[str, list[int]] = {}
    for event in unique:
        if event["event"] == "Report Exported":
            exported = event["properties"]["filters"]["range"]["days"]
            days.setdefault(plans[user(event)], []).append(exported)
    rows = table_rows(results[7])
    assert [(plan, int(count)) for plan, count, _ in rows] == [
        (plan, len(values)) for plan, values in sorted(days.items())
    ]
    for plan, _, average in rows:
        assert float(average) == pytest.approx(sum(days[plan]) / len(days[plan]), abs=0.051)


def test_the_demo_adds_nothing_when_it_loads_the_file_again(results: list[str]) -> None:
    assert results[8].splitlines()[-1] == "0 events added"


def test_the_demo_loads_what_is_whole_of_an_export_that_breaks_off(results: list[str]) -> None:
    assert re.search(r"\n\d+ events added, 1 rejected:\n.*\"number\": \d+", results[9])


def test_the_demo_shows_a_typed_error_with_its_advice(results: list[str]) -> None:
    assert results[10].startswith("TableExistsError: Table 'events_jan' exists already. Add to it")


def test_the_demo_finds_all_events_in_the_file_it_opens_again(
    results: list[str], unique: list[Properties]
) -> None:
    assert results[11:] == [f"{len(unique):,} events"]


def test_the_demo_shows_the_code_of_every_step_and_stays_short(demo: str) -> None:
    assert len(re.findall(r"^\d+\. .*\n  \| ", demo, re.MULTILINE)) == 12
    assert len(demo.splitlines()) < 110


def test_the_demo_leaves_no_file_behind(demo: str, temp_folder: Path) -> None:
    assert demo
    assert list(temp_folder.iterdir()) == []


def test_the_demo_runs_where_only_ascii_can_be_written(tmp_path: Path) -> None:
    assert "users in ??" in run_example("demo.py", temp_folder=tmp_path, encoding="ascii")


# The example files


def test_the_generator_reproduces_the_committed_files(tmp_path: Path, lines: list[str]) -> None:
    run_example("make_exports.py", tmp_path, temp_folder=tmp_path)
    made = gzip.decompress((tmp_path / EVENTS.name).read_bytes()).decode()
    assert made.split("\n")[:-1] == lines
    assert (tmp_path / PROFILES.name).read_bytes() == PROFILES.read_bytes()


def test_the_generator_makes_the_same_compressed_file_twice(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_example("make_exports.py", tmp_path / name, temp_folder=tmp_path)
        made.append((tmp_path / name / EVENTS.name).read_bytes())
    assert made[0] == made[1]


def test_the_files_are_a_month_of_a_small_product(
    events: list[Properties], profiles: list[Properties]
) -> None:
    assert EVENTS.stat().st_size < 200_000
    assert 2_500 < len(events) < 3_500
    assert len(profiles) == 300
    assert {event["event"] for event in events} == {
        "$identify",
        "Invoice Paid",
        "Page View",
        "Plan Upgraded",
        "Report Exported",
        "Sign Up",
    }
    times = [moment(event) for event in events]
    assert 1_735_689_600 <= min(times) < max(times) < 1_738_368_000


def test_events_have_the_properties_that_mixpanel_adds(properties: list[Properties]) -> None:
    added = {"$browser", "$city", "$current_url", "$insert_id", "mp_country_code", "mp_lib"}
    assert any(added <= each.keys() for each in properties)
    assert all("mp_processing_time_ms" in each for each in properties)


@pytest.mark.parametrize("name", ["$browser", "plan name", "utm.source", 'clicked "Start here"'])
def test_some_names_need_quoting(name: str, properties: list[Properties]) -> None:
    assert any(name in each for each in properties)


def test_some_events_have_no_insert_id(properties: list[Properties]) -> None:
    assert sum("$insert_id" not in each for each in properties) > 20


def test_some_lines_are_exact_duplicates_with_an_insert_id_and_without(lines: list[str]) -> None:
    repeated = [line for line, count in Counter(lines).items() if count > 1]
    assert len(repeated) > 20
    assert {'"$insert_id"' in line for line in repeated} == {True, False}


def test_some_different_events_share_an_insert_id(events: list[Properties]) -> None:
    assert len(mistaken(events)) == 4


def test_some_text_is_in_many_scripts_with_emoji(
    properties: list[Properties], profiles: list[Properties]
) -> None:
    cities = {each["$city"] for each in properties if "$city" in each}
    assert cities >= {"Zürich", "Αθήνα", "Київ", "القاهرة", "תל אביב", "मुंबई", "東京", "서울"}
    names = "".join(profile["$properties"]["$name"] for profile in profiles)
    assert set("ëöίжاגव灯은🌊'") <= set(names)


def test_some_values_are_nested_or_booleans_or_null(properties: list[Properties]) -> None:
    values = [value for each in properties for value in each.values()]
    assert any(isinstance(value, dict) and isinstance(value["range"], dict) for value in values)
    assert any(isinstance(value, dict) and isinstance(value["ports"], list) for value in values)
    assert any(isinstance(value, list) and isinstance(value[0], dict) for value in values)
    assert all(any(value is wanted for value in values) for wanted in (True, False, None))


def test_some_integers_have_seventy_bits(properties: list[Properties]) -> None:
    assert any(each.get("ledger_entry", 0).bit_length() == 70 for each in properties)


def test_some_distinct_ids_are_numbers_or_empty_or_missing(properties: list[Properties]) -> None:
    ids = [each.get("distinct_id") for each in properties]
    assert 0 < sum(isinstance(value, int) for value in ids) < 10
    assert 0 < ids.count("") < 10
    assert 0 < sum("distinct_id" not in each for each in properties) < 10


def test_some_times_have_milliseconds(properties: list[Properties]) -> None:
    assert 0 < sum(each["time"] % 1 > 0 for each in properties) < 10


def test_one_line_is_blank(lines: list[str]) -> None:
    assert lines.count("") == 1


def test_profiles_have_example_addresses_and_some_no_last_seen(profiles: list[Properties]) -> None:
    for profile in profiles:
        assert profile["$properties"]["$email"].endswith("@example.com")
    seen = [profile["$properties"].get("$last_seen") for profile in profiles]
    assert 0 < seen.count(None) < 20
    iso_without_zone = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
    assert all(iso_without_zone.fullmatch(time) for time in seen if time is not None)


def user(event: Properties) -> str:
    return str(event["properties"].get("distinct_id", ""))


def moment(event: Properties) -> float:
    time = event["properties"]["time"]
    return float(time / 1000 if time > 10**12 else time)


def of(events: list[Properties], name: str, field: str) -> Iterator[Any]:
    return (event["properties"][field] for event in events if event["event"] == name)


def mistaken(events: list[Properties]) -> list[Properties]:
    """The events whose insert id belongs to an earlier, different one."""
    first: dict[str, tuple[object, ...]] = {}
    found = []
    for event in events:
        identity = (event["event"], moment(event), user(event))
        insert_id = event["properties"].get("$insert_id")
        if insert_id is not None and first.setdefault(insert_id, identity) != identity:
            found.append(event)
    return found
