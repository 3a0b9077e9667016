"""The command that loads exports."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import StorageEngine
from tests.cli.conftest import Run, line


def rows_of(database: str | Path, sql: str = "FROM jan ORDER BY ALL") -> list[tuple[Any, ...]]:
    with StorageEngine.open_existing(database, read_only=True) as storage:
        return storage.execute_rows(sql)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of three events."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(map(line, range(3))))
    return path


def test_a_load_makes_the_database_and_tells_what_it_did(run: Run, export: Path) -> None:
    outcome = run("load", export, "--into", "new.db", "--table", "jan")
    assert outcome.code == 0
    (told,) = outcome.rows
    assert (told["table"], told["read"], told["added"], told["files"]) == ("jan", 3, 3, 1)
    assert "jan: 3 rows added from 1 file" in outcome.err
    assert len(rows_of("new.db")) == 3


def test_an_empty_stdin_is_an_error_and_leaves_no_database(run: Run) -> None:
    outcome = run("load", "-", "--into", "new.db", "--table", "jan")
    assert (outcome.code, outcome.out) == (1, "")
    assert "stdin is empty" in outcome.err
    assert not Path("new.db").exists()


def test_an_event_with_the_id_of_another_can_be_kept(run: Run) -> None:
    Path("a.jsonl").write_text(line(1) + line(1, other=True).replace("Tap", "Swipe"))
    outcome = run("load", "a.jsonl", "--into", "a.db", "--table", "jan", "--on-collision", "keep")
    assert outcome.rows[0]["added"] == 2
    refused = run("load", "a.jsonl", "--into", "a.db", "--table", "b", "--on-collision", "error")
    assert refused.code == 1


def test_rejects_need_a_file(run: Run, export: Path) -> None:
    outcome = run("load", export, "--into", "a.db", "--table", "jan", "--rejects", "-")
    assert outcome.code == 2
    assert not Path("-").exists()


def test_files_may_be_many_folders_patterns_and_stdin(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "day s"
    folder.mkdir()
    (folder / "1.jsonl").write_text(line(1))
    (folder / "2.jsonl.gz").write_bytes(gzip.compress(line(2).encode()))
    (tmp_path / "[3].jsonl").write_text(line(3))
    (tmp_path / "3.jsonl").write_text(line(9))  # which the name before would match as a pattern
    (tmp_path / "{4}.jsonl").write_text(line(4))  # which begins like data
    data = ["day s", "[3].jsonl", "{4}.jsonl", "-"]
    outcome = run("load", *data, "--into", "a.db", "--table", "jan", stdin=line(5).encode())
    assert outcome.rows[0]["added"] == 5
    ids = rows_of("a.db", "SELECT insert_id FROM jan ORDER BY 1")
    assert ids == [("i1",), ("i2",), ("i3",), ("i4",), ("i5",)]
    assert run("load", "day s/*.jsonl", "--into", "a.db", "--table", "b").rows[0]["added"] == 1


def test_a_second_load_appends_or_replaces_only_when_told(run: Run, export: Path) -> None:
    into = ("--into", "a.db", "--table", "jan")
    run("load", export, *into)
    export.write_text(line(2) + line(3))
    refused = run("load", export, *into)
    assert (refused.code, refused.out) == (1, "")
    assert len(rows_of("a.db")) == 3
    (told,) = run("load", export, *into, "--if-exists", "append").rows
    assert (told["added"], told["duplicates"]) == (1, 1)
    (told,) = run("load", export, *into, "--if-exists", "replace").rows
    assert told["added"] == 2
    assert len(rows_of("a.db")) == 2


def test_days_are_replaced(run: Run, export: Path) -> None:
    into = ("--into", "a.db", "--table", "jan")
    run("load", export, *into)
    export.write_text(line(7))
    outcome = run("load", export, *into, "--replace-range", "2025-01-01", "2025-01-01")
    assert outcome.code == 0
    assert rows_of("a.db", "SELECT insert_id FROM jan") == [("i7",)]
    outside = run("load", export, *into, "--replace-range", "2025-01-02", "2025-01-02")
    assert outside.code == 1
    assert rows_of("a.db", "SELECT insert_id FROM jan") == [("i7",)]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--replace-range", "2025-01-01", "2025-02-31"),
        ("--replace-range", "2025-01-02", "2025-01-01"),
        ("--replace-range", "2025-01-01", "2025-01-01", "--profiles"),
        ("--replace-range", "2025-01-01", "2025-01-01", "--if-exists", "append"),
        ("--replace-range", "2025-01-01", "2025-01-01", "--columns", "a"),
        ("--time-zone", "No/Where"),
        ("--time-zone", "Europe/Berlin", "--profiles"),
        ("--rejects", "r.jsonl"),
        ("--columns", "amount:DUBLE"),
        ("--if-exists", "maybe"),
        ("--on-error", "maybe"),
        ("--lock-timeout", "-1"),
    ],
)
def test_wrong_options_leave_nothing(run: Run, export: Path, wrong: tuple[str, ...]) -> None:
    outcome = run("load", export, "--into", "a.db", "--table", "jan", *wrong)
    assert (outcome.code, outcome.out) == (2, "")
    assert not list(export.parent.glob("a.db*"))


def test_bad_lines_end_the_load_or_are_skipped_and_kept(run: Run, export: Path) -> None:
    export.write_text(line(0) + "no event\n" + line(1))
    into = ("--into", "a.db", "--table", "jan")
    refused = run("load", export, *into)
    assert (refused.code, refused.out) == (1, "")
    assert "a.jsonl, line 2" in refused.err
    assert not list(export.parent.glob("a.db*"))
    skipped = run("load", export, *into, "--on-error", "skip", "--rejects", "r.jsonl")
    assert (skipped.rows[0]["added"], skipped.rows[0]["rejected"]) == (2, 1)
    assert json.loads(Path("r.jsonl").read_text())["number"] == 2


def test_a_failed_load_into_a_database_that_is_there_changes_nothing(
    run: Run, database: Path
) -> None:
    Path("bad.jsonl").write_text(line(0) + "no event\n")
    assert run("load", "bad.jsonl", "--into", database, "--table", "feb").code == 1
    assert [row["name"] for row in run("tables", database).rows] == ["jan", "users"]


def test_a_file_that_is_not_there_is_not_found_and_leaves_nothing(run: Run) -> None:
    outcome = run("load", "no.jsonl", "--into", "a.db", "--table", "jan")
    assert outcome.code == 3
    assert "no.jsonl: no such file" in outcome.err
    assert not list(Path().glob("a.db*"))


@pytest.mark.parametrize("mode", [0o700, 0o755])
@pytest.mark.parametrize("file", ["no.jsonl", "bad.jsonl"])
def test_a_first_load_that_fails_leaves_nothing_in_any_folder(
    run: Run, mode: int, file: str
) -> None:
    Path().absolute().chmod(mode)
    Path("bad.jsonl").write_text("no event\n")
    Path("link.db").symlink_to("elsewhere.db")
    for name in ("a.db", "link.db"):
        assert run("load", file, "--into", name, "--table", "jan").code != 0
    assert sorted(path.name for path in Path().iterdir()) == ["bad.jsonl", "link.db"]


def test_profiles_are_loaded(run: Run) -> None:
    Path("p.jsonl").write_text('{"$distinct_id": "u", "$properties": {"plan": "pro"}}\n')
    outcome = run("load", "p.jsonl", "--into", "a.db", "--table", "users", "--profiles")
    assert outcome.rows[0]["added"] == 1
    assert run("tables", "a.db").rows[0]["type"] == "profiles"


def test_times_are_in_the_zone_and_unit_that_are_named(run: Run) -> None:
    Path("a.jsonl").write_text(line(0, time="2025-01-01T00:00:00"))
    into = ("--into", "a.db", "--if-exists", "replace", "--table", "jan")
    run("load", "a.jsonl", *into, "--time-zone", "America/Los_Angeles")
    assert str(rows_of("a.db", "SELECT event_time FROM jan")[0][0]) == "2025-01-01 08:00:00"
    Path("a.jsonl").write_text(line(0, time=1000))
    run("load", "a.jsonl", *into, "--time-unit", "ms")
    assert str(rows_of("a.db", "SELECT event_time FROM jan")[0][0]) == "1970-01-01 00:00:01"


def test_properties_get_columns(run: Run) -> None:
    properties: dict[str, Any] = {"$browser": "Firefox", "amount": 1.5, "a,b": 1, "x:y": "z"}
    Path("a.jsonl").write_text(line(0, **properties))
    columns = ("--columns", '$browser,amount:DOUBLE AS eur,"a,b":BIGINT', "--columns", '"x:y":JSON')
    run("load", "a.jsonl", "--into", "a.db", "--table", "jan", *columns)
    found = rows_of("a.db", 'SELECT "$browser", eur, "a,b", "x:y" FROM jan')
    assert found == [("Firefox", 1.5, 1, '"z"')]


def test_columns_are_added_and_dropped(run: Run, database: Path) -> None:
    added = run("columns", "add", database, "jan", "$browser", "number AS n").rows
    assert added == [
        {"property": "$browser", "type": "VARCHAR", "name": "$browser", "stale": False},
        {"property": "number", "type": "BIGINT", "name": "n", "stale": False},
    ]
    refused = run("columns", "drop", database, "jan", "number")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert len(run("columns", "list", database, "jan").rows) == 3
    assert run("columns", "drop", database, "jan", "number", "--yes").code == 0
    assert len(run("columns", "list", database, "jan").rows) == 2
    assert run("columns", "add", database, "users", "$city:INTEGR").code == 2


def test_columns_without_a_value_are_told_of(run: Run, database: Path) -> None:
    misspelt = run("columns", "add", database, "jan", "browser")
    assert misspelt.code == 0
    assert "'browser' does not occur here. Did you mean '$browser'?" in misspelt.err
    unfit = run("columns", "add", database, "jan", "$browser:BIGINT")
    assert "No value of '$browser' fits BIGINT" in unfit.err
    assert run("columns", "add", database, "jan", "number").err == ""
    Path("a.jsonl").write_text(line(0, amount=1.5))
    columns = ("--columns", "$amount,amount AS eur")
    loaded = run("load", "a.jsonl", "--into", "a.db", "--table", "jan", *columns)
    assert "'$amount' does not occur here" in loaded.err
    assert "'amount' does not" not in loaded.err


def test_tables_are_renamed_and_dropped(run: Run, database: Path) -> None:
    assert run("rename", database, "jan", "january").rows == [{"old": "jan", "new": "january"}]
    assert run("rename", database, "jan", "x").code == 3
    assert run("rename", database, "january", "users").code == 1
    refused = run("drop", database, "january")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert run("drop", database, "nothing").code == 3
    assert run("drop", database, "nothing", "--yes").code == 3
    assert run("drop", database, "january", "--yes").rows == [{"dropped": "january"}]
    assert [row["name"] for row in run("tables", database).rows] == ["users"]


def test_the_limit_of_archives_is_an_option(run: Run) -> None:
    packed = gzip.compress("".join(line(n, pad="x" * 500) for n in range(200)).encode())
    Path("export.jsonl.gz").write_bytes(packed)
    command = ["load", "export.jsonl.gz", "--into", "app.db", "--table", "t"]
    refused = run(*command, "--max-decompressed-bytes", "50000")
    assert refused.code == 1
    assert "raise --max-decompressed-bytes" in refused.err
    assert run(*command, "--max-decompressed-bytes", "500000").code == 0
    assert "200" in run("tables", "app.db", "--format", "csv").out


def test_the_help_tells_the_limit_of_small_archives(run: Run) -> None:
    told = " ".join(run("load", "--help").out.split())
    assert "a thousand times its size, and at least 64 MiB" in told


def test_stdin_can_be_named_once(run: Run, export: Path) -> None:
    outcome = run("load", "-", "-", "--into", "a.db", "--table", "t", stdin=export.read_bytes())
    assert (outcome.code, outcome.out) == (2, "")
    assert "stdin can be read once" in outcome.err
    assert not Path("a.db").exists()
