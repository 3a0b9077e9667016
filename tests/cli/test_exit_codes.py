"""Exit codes, and messages instead of tracebacks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import duckdb
import pytest
import typer

import mixpanel_data.exceptions as ours
from mixpanel_data import MixpanelDataError, StorageEngine, migrate
from mixpanel_data.cli import exit_codes
from tests.cli.conftest import Run, line
from tests.processes import PythonProcess, run_python


def test_every_error_of_ours_has_a_code() -> None:
    kinds = [kind for kind in vars(ours).values() if isinstance(kind, type)]
    codes = {
        kind: exit_codes.code_of(kind.__new__(kind))
        for kind in kinds
        if issubclass(kind, MixpanelDataError)
    }
    assert set(codes.values()) == {1, 2, 3, 4, 5}
    assert codes[ours.DatabaseLockedError] == 4
    assert codes[ours.SchemaNewerError] == codes[ours.SchemaDriftError] == 5
    assert codes[ours.DatabaseNotFoundError] == codes[ours.ExportFileNotFoundError] == 3
    assert codes[ours.QueryError] == codes[ours.ExportLineError] == codes[ours.MigrationError] == 1


def test_messages_advise_what_can_be_typed(run: Run, database: Path) -> None:
    Path("a.jsonl").write_text(line())
    Path("bad.jsonl").write_text("no JSON\n")
    Path("people.jsonl").write_text('{"$distinct_id": "u", "$properties": {}}\n')
    run("load", "a.jsonl", "--into", database, "--table", "taken")
    told: list[tuple[list[object], str]] = [
        (["load", "a.jsonl", "--into", database, "--table", "jan"], "--if-exists append"),
        (["load", "bad.jsonl", "--into", database, "--table", "b"], "--on-error skip"),
        (["sample", database, "feb"], "The command tables"),
        (["tables", "nowhere.db"], "load creates a database"),
        (["query", database, "DROP TABLE jan"], "with --write"),
        (["export", database, "DELETE FROM jan", "x.csv"], "query --write runs"),
        (["export", database, "FROM jan", "x.unknown"], "--format"),
        (["columns", "add", database, "jan", "plan name"], "plan name AS name"),
        (["rename", database, "jan", "taken"], "drop it first: drop does"),
        (["keys", database, "feb"], "The command tables"),
        (
            ["load", "a.jsonl", "--profiles", "--into", database, "--table", "p"],
            "Load it without --profiles.",
        ),
        (["load", "people.jsonl", "--into", database, "--table", "p"], "Load it with --profiles."),
        (["load", database, "--into", "b.db", "--table", "t"], "export writes its tables to files"),
        (["rename", database, "jan", "taken"], "drop does that."),
        (["tables", database, "--lock-timeout", "-1"], "--lock-timeout is -1.0"),
        (["mcp", database, "--timeout", "-1"], "--timeout is -1.0. Use seconds above 0."),
        (["export", database, "jan", "https://x/a.csv"], "Use the path of the file alone."),
    ]
    for command, expected in told:
        message = run(*command).err
        assert expected in message
        assert not re.search(r"\w+=\w|\w\(\)", message), message


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("query a.db x --format xml", "'xml' is not one of 'table', 'json', 'jsonl', 'csv', 'par"),
        ("load a --into b --table c --time-unit h", "'h' is not one of 'auto', 's', 'ms', 'us'."),
        ("load a --into b --table c --max-decompressed-bytes 0", "Use 1 or more."),
        ("sample a.db t -n -1", "Use 0 or more."),
        ("sample a.db t -n x", "Use a whole number."),
        ("tables a.db --lock-timeout x", "Use a number."),
    ],
)
def test_a_wrong_value_is_told_without_the_words_of_a_validator(
    run: Run, wrong: str, told: str
) -> None:
    outcome = run(*wrong.split())
    assert outcome.code == 2
    assert f": {told}" in outcome.err.splitlines()[-1]


_NO_STDOUT = "Error: The output: Bad file descriptor\n"


@pytest.mark.parametrize(
    ("closed", "ended"),
    [
        (">&-", (1, _NO_STDOUT)),
        ("2>&-", (0, "")),
        (">&- 2>&-", (1, "")),
        (">&- <&-", (1, _NO_STDOUT)),
    ],
)
def test_a_closed_stdout_is_an_error_as_elsewhere(
    database: Path, closed: str, ended: tuple[int, str]
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m mixpanel_data tables "{database}" {closed}'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == ended


@pytest.mark.parametrize("seconds", [0, 0.1, 0.3])
def test_ctrl_c_while_the_command_is_imported_is_no_traceback(
    database: Path, seconds: float
) -> None:
    # A module that Python imports first tells that it has started.
    script = f"""
import subprocess, time
code = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
code += "print(flush=True); sys.argv = ['x', 'tables', {str(database)!r}];"
code += "runpy.run_module('mixpanel_data', run_name='__main__')"
process = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
process.stdout.readline()
time.sleep({seconds} + 0.05)
process.send_signal(2)
out, error = process.communicate()
say(process.returncode, "Traceback" in error)
"""
    (ended,) = run_python(script)
    assert ended in ("130 False", "0 False")  # it may be done by then


@pytest.mark.parametrize(("cause", "code"), [(KeyboardInterrupt(), 130), (None, 1)])
def test_an_import_error_that_ctrl_c_has_caused_is_an_interruption(
    cause: BaseException | None, code: int
) -> None:
    error = ImportError("Encountered an error while initializing the extension.")
    error.__cause__ = cause
    with pytest.raises(typer.Exit) as ended, exit_codes.exit_codes():
        raise error
    assert ended.value.exit_code == code


def test_a_signal_that_ends_a_load_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f"{line(n)}\n" for n in range(50_000)))
    script = """
import subprocess
os.chdir(sys.argv[1])
command = [sys.executable, "-m", "mixpanel_data", "load", "-", "--into", "a.db", "--table", "t"]
for number in (signal.SIGTERM, signal.SIGHUP):
    process = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1)
    process.stdin.write(open("a.jsonl", "rb").read())  # until the load has read all but a little
    process.send_signal(number)
    out, error = process.communicate()
    say(process.returncode, error.decode().strip(), sorted(os.listdir()))
"""
    wanted = [f"{code} Terminated: nothing was loaded. ['a.jsonl']" for code in (143, 129)]
    assert run_python(script, tmp_path) == wanted


def test_a_full_disk_behind_stdout_is_told(database: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mixpanel_data", "query", str(database), "FROM jan"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "Error: The output: No space left on device\n")


def test_a_lock_is_waited_for_and_then_told(run: Run, database: Path) -> None:
    script = "storage = StorageEngine(sys.argv[1]); say('open'); sys.stdin.readline()"
    with PythonProcess(script, database) as other:
        assert other.read() == "open"
        for command in ("tables", "migrate check"):
            outcome = run(*command.split(), database, "--lock-timeout", "0.2")
            assert (outcome.code, outcome.out) == (4, "")
            assert f"in use by process {other.pid}" in outcome.err
    assert run("tables", database, "--lock-timeout", "30").code == 0


def test_a_file_of_data_is_told_to_be_no_database(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"event": "A"}\n')
    for command in (["tables", path], ["load", path, "--into", path, "--table", "jan"]):
        outcome = run(*command)
        assert (outcome.code, outcome.out) == (1, "")
        assert "no DuckDB database" in outcome.err
    assert path.read_text() == '{"event": "A"}\n'


def test_reading_beside_other_readers_needs_no_lock(run: Run, database: Path) -> None:
    with StorageEngine(database, read_only=True):
        assert run("tables", database).code == 0


def test_a_wrong_revision_is_told_and_mended(run: Run, database: Path) -> None:
    migrate.downgrade(database, "0001")
    outcome = run("tables", database)
    assert (outcome.code, outcome.out) == (5, "")
    assert "0001" in outcome.err
    assert run("migrate", "status", database).rows[0]["state"] == "older"
    assert run("migrate", "check", database).code == 5
    told = run("migrate", "upgrade", database, "--backup")
    assert (told.code, told.rows[0]["before"]) == (0, "0001")
    assert Path(told.rows[0]["backup"]).exists()
    assert run("migrate", "check", database).code == 0
    assert run("migrate", "upgrade", database, "nothing").code == 5


def test_a_revision_that_there_is_not_is_told_in_words_of_the_command(
    run: Run, database: Path
) -> None:
    for outcome in (
        run("migrate", "downgrade", database, "9999", "--yes"),
        run("migrate", "upgrade", database, "nothing"),
    ):
        assert outcome.code == 5
        assert "migrate status tells" in outcome.err
        assert "mixpanel_data." not in outcome.err
    assert {"revision", "head"} <= set(run("migrate", "status", database).rows[0])


def test_the_status_of_a_file_of_another_program_is_an_error(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE _metadata (x INTEGER)")
    outcome = run("migrate", "status", path)
    assert (outcome.code, outcome.rows[0]["state"]) == (5, "foreign")
    assert "not this library's" in outcome.err


def test_a_downgrade_is_asked_for(run: Run, database: Path) -> None:
    refused = run("migrate", "downgrade", database, "0001")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert run("migrate", "status", database).rows[0]["state"] == "current"
    assert run("migrate", "downgrade", database, "0001", "--yes").rows[0]["after"] == "0001"
    assert run("migrate", "downgrade", "no.db", "0001").code == 3


def test_tables_that_were_changed_are_told(run: Run, database: Path) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("ALTER TABLE jan ADD COLUMN more INTEGER")
    outcome = run("migrate", "check", database)
    assert outcome.code == 5
    assert "more" in outcome.err


@pytest.mark.parametrize("content", [b"no database", b""])
def test_another_file_is_an_error(run: Run, content: bytes) -> None:
    Path("a.db").write_bytes(content)
    outcome = run("tables", "a.db")
    assert outcome.code in (0, 1)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("arguments", [("nothing",), ("tables",), ("tables", "a", "b"), ("-x",)])
def test_wrong_usage_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: " in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        *(
            "query DB SQL -f EMPTY",
            "query EMPTY SQL",
            "export DB jan EMPTY",
            "export DB EMPTY a.csv",
        ),
        *("load EMPTY --into a.db --table t", "load a.jsonl EMPTY --into a.db --table t"),
        *("load a.jsonl --into EMPTY --table t", "load a.jsonl --into a.db --table EMPTY"),
        "load a.jsonl --into a.db --table t --rejects EMPTY --on-error skip",
        "load a.jsonl --into a.db --table t --time-zone EMPTY",
        "load a.jsonl --into a.db --table t --columns EMPTY",
        "load a.jsonl --into a.db --table t --columns ,",
        "load a.jsonl --into a.db --table t --replace-range EMPTY EMPTY",
        *("columns add DB jan EMPTY", "columns add DB jan ,", "rename DB jan EMPTY"),
        *("drop DB EMPTY --yes", "migrate upgrade DB EMPTY", "mcp DB --memory-limit EMPTY"),
    ],
)
def test_an_empty_argument_is_refused(run: Run, database: Path, command: str) -> None:
    Path("a.jsonl").write_text(line())
    before = sorted(Path().iterdir())
    words = {"EMPTY": "", "DB": database, "SQL": "SELECT 1"}
    outcome = run(*(words.get(word, word) for word in command.split()))
    assert (outcome.code, outcome.out) == (2, "")
    assert "empty" in outcome.err or "No property is named" in outcome.err
    assert sorted(Path().iterdir()) == before


def test_events_and_properties_may_have_an_empty_name(run: Run) -> None:
    Path("a.jsonl").write_text(line(**{"": 7}).replace("Tap", ""))
    assert run("load", "a.jsonl", "--into", "a.db", "--table", "t").code == 0
    assert run("keys", "a.db", "t", "--event", "").rows == [{"property": ""}]
    assert run("stats", "a.db", "t", "").rows[0]["property"] == ""


_NAMES = pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")


@_NAMES
def test_arguments_are_utf_8_in_any_locale(database: Path) -> None:
    script = """
import subprocess
variables = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
command = [sys.executable, "-m", "mixpanel_data"]
for more in (["query", sys.argv[1], "SELECT 'é' AS x"], ["stats", sys.argv[1], "jan", "é"],
             ["export", sys.argv[1], "SELECT 'é' AS x", os.path.dirname(sys.argv[1]) + "/é.jsonl"]):
    done = subprocess.run([*command, *more], env=variables, stdout=-1, stderr=-1)
    say(done.returncode, done.stdout.decode()[:60].strip())
"""
    asked, stats, _ = run_python(script, database)
    assert asked == '0 {"x":"é"}'
    assert stats.startswith("0 ")
    assert '"property":"é"' in stats
    assert (database.parent / "é.jsonl").read_text() == '{"x":"é"}\n'


@_NAMES
def test_an_argument_that_is_not_utf_8_is_refused_unless_it_is_a_path(
    run: Run, database: Path
) -> None:
    wrong = os.fsdecode(b"caf\xe9")
    for command in (["query", database, wrong], ["stats", database, "jan", wrong]):
        outcome = run(*command)
        assert (outcome.code, outcome.out) == (2, "")
        assert "It is not UTF-8." in outcome.err
    written = run("export", database, "SELECT 1 AS a", f"{wrong}.csv")
    assert (written.code, written.rows[0]["path"]) == (0, f"{wrong}.csv")
    assert Path(f"{wrong}.csv").read_text() == '"a"\n1\n'


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        ("load - --into new.db --table t", (1, "stdin is empty. Nothing was loaded.")),
        ("query app.db -", (2, "There is no SQL in it.")),
        ("query app.db -f -", (2, "There is no SQL in it.")),
        ("drop app.db jan", (2, "use --yes.")),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="its shell closes nothing")
def test_a_closed_stdin_is_an_empty_one(
    database: Path, command: str, ended: tuple[int, str]
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m mixpanel_data {command} <&-'],
        cwd=database.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (ended[0], "")
    assert "Traceback" not in done.stderr
    assert done.stderr.rstrip().endswith(ended[1])


@pytest.mark.parametrize(
    "command",
    [("tables",), ("info",), ("breakdown", "jan"), ("summarize", "jan"), ("query", "FROM jan")],
)
def test_a_pipe_that_is_closed_ends_tables_quietly(
    database: Path, command: tuple[str, ...]
) -> None:
    script = """
import subprocess
command = [sys.executable, "-m", "mixpanel_data", sys.argv[2], sys.argv[1], *sys.argv[3:]]
both = subprocess.PIPE
process = subprocess.Popen([*command, "--format", "table"], stdout=both, stderr=both)
process.stdout.close()
say(process.wait(), process.stderr.read())
"""
    assert run_python(script, database, *command) == ["0 b''"]


def test_a_pipe_that_is_closed_ends_it_quietly(database: Path) -> None:
    script = """
import subprocess
command = [sys.executable, "-m", "mixpanel_data", "query", sys.argv[1], "FROM range(10000000)"]
for form in ("jsonl", "json", "csv", "parquet"):
    both = subprocess.PIPE
    process = subprocess.Popen([*command, "--format", form], stdout=both, stderr=both)
    process.stdout.read(10)
    process.stdout.close()
    say(form, process.wait(), process.stderr.read())
"""
    lines = run_python(script, database)
    assert lines == [f"{form} 0 b''" for form in ("jsonl", "json", "csv", "parquet")]


def test_stdout_that_takes_no_more_is_an_error(database: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    script = """
import subprocess
command = [sys.executable, "-m", "mixpanel_data", sys.argv[2], sys.argv[1]]
with open("/dev/full", "wb") as full:
    process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
say(process.returncode, process.stderr)
"""
    lines = run_python(script, database, "tables")
    assert lines[0].startswith("1 Error: ")
    assert "Traceback" not in "".join(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="its consoles take any character")
def test_what_an_encoding_lacks_is_escaped(database: Path) -> None:
    script = """
import subprocess
command = [sys.executable, "-m", "mixpanel_data", "query", sys.argv[1], "SELECT '東京' AS city"]
for form in ("table", "jsonl"):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    say(subprocess.run([*command, "-F", form], stdout=-1, env=environment, check=True).stdout)
"""
    table, line = map(literal_eval, run_python(script, database))
    assert rb"\u6771\u4eac" in table
    assert line.decode() == '{"city":"東京"}\n'
