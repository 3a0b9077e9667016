"""The command on a real terminal: tables, bars, questions and Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from mixpanel_data import StorageEngine
from tests.cli.conftest import line
from tests.processes import TIMEOUT

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

import pty


class Terminal:
    """A command on a pseudo-terminal.

    Attributes:
        shown: What it has shown so far.
    """

    def __init__(self, folder: Path, *arguments: object, to_pipe: bool = False) -> None:
        self._own, other = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mixpanel_data", *map(str, arguments)],
            stdin=other,
            stdout=subprocess.PIPE if to_pipe else other,
            stderr=other,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_signals,
        )
        os.close(other)
        self.shown = ""
        self._until = time.monotonic() + TIMEOUT

    def wait_for(self, text: str) -> None:
        """Wait until a text is shown."""
        while text not in self.shown:
            assert self._read(), f"{text!r} is not in {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        while self._read():
            pass
        return self._process.wait(TIMEOUT)

    def _read(self) -> bool:
        left = self._until - time.monotonic()
        ready, _, _ = select.select([self._own], [], [], max(left, 0))
        try:
            data = os.read(self._own, 65536) if ready else b""
        except OSError:  # as Linux tells that nobody has the other end any more
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        os.close(self._own)


def _take_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """An export that takes a while."""
    path = tmp_path / "big.jsonl"
    with path.open("w") as file:
        file.writelines(line(number, text="x" * 100) for number in range(200_000))
    return path


def plain(text: str) -> str:
    """Return a text without what steers a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_result_is_a_table_of_a_hundred_rows_at_most(database: Path) -> None:
    with Terminal(database.parent, "query", database, "SELECT 7 AS n FROM range(1000)") as terminal:
        assert terminal.end() == 0
        shown = plain(terminal.shown)
    assert shown.count("7 ┃") + shown.count("│ 7 │") == 100
    assert "The first 100 rows." in shown


def test_long_text_is_cut_on_a_terminal_only(database: Path) -> None:
    sql = "SELECT repeat('x', 5000) AS long"
    with Terminal(database.parent, "query", database, sql) as terminal:
        assert terminal.end() == 0
    assert "…" in terminal.shown
    assert terminal.shown.count("x") < 300


@pytest.mark.parametrize(("columns", "rows"), [(40, 2), (300, 1)])
def test_a_table_that_is_too_wide_has_a_line_for_each_cell(
    database: Path, columns: int, rows: int
) -> None:
    cells = ", ".join(f"'value-{number}' AS column_{number}" for number in range(columns))
    sql = f"SELECT {cells} FROM range(50)"
    with Terminal(database.parent, "query", database, sql) as terminal:
        assert terminal.end() == 0
    lines = [one.split() for one in plain(terminal.shown).splitlines()]
    wanted = [
        [str(row), f"column_{number}", f"value-{number}"]
        for row in range(1, rows + 1)
        for number in range(columns)
    ]
    assert [one for one in lines if len(one) == 3 and one[0].isdigit()] == wanted
    assert f"The first {rows} rows." in plain(terminal.shown)


def test_a_summary_can_be_read_on_a_terminal(database: Path) -> None:
    with Terminal(database.parent, "summarize", database, "jan") as terminal:
        assert terminal.end() == 0
    assert "distinct_id" in plain(terminal.shown)


def test_null_is_no_empty_text(database: Path) -> None:
    sql = "SELECT NULL AS missing, '' AS empty"
    with Terminal(database.parent, "query", database, sql) as terminal:
        assert terminal.end() == 0
    assert "│ NULL    │       │" in plain(terminal.shown)


@pytest.mark.parametrize("command", [["tables"], ["query", "FROM jan"], ["export", "jan", "-"]])
def test_a_terminal_cannot_show_parquet(database: Path, command: list[str]) -> None:
    name, *arguments = command
    with Terminal(database.parent, name, database, *arguments, "--format", "parquet") as terminal:
        assert terminal.end() == 2
    assert "Write it to a file" in plain(terminal.shown)


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_no_format_steers_a_terminal(database: Path, form: str) -> None:
    codes = [0, 7, 8, 0x1B, 0x7F, 0x9B, 0x202E, 0x2066]
    sql = f"SELECT {' || '.join(f'chr({code})' for code in codes)} || '東' AS a"
    arguments = ("query", database, sql, "--format", form)
    with Terminal(database.parent, *arguments) as terminal:
        assert terminal.end() == 0
    shown = terminal.shown
    assert not any(chr(code) in shown for code in codes)
    assert "東" in shown
    assert ("\\x9b" if form == "csv" else "\\u009b") in shown
    if form != "csv":
        found = orjson.loads(shown)
        (row,) = found if form == "json" else [found]
        assert row["a"] == "".join(map(chr, codes)) + "東"


def test_a_bar_shows_rows_bytes_rate_and_the_end(big: Path) -> None:
    command = ("load", big, "--into", "a.db", "--table", "jan")
    with Terminal(big.parent, *command, to_pipe=True) as terminal:
        assert terminal.end() == 0
    shown = plain(terminal.shown)
    size = f"/{big.stat().st_size / 1e6:,.1f} MB"
    assert re.search(r"Loading .* [1-9][\d,]* rows", shown)
    assert size in shown
    assert "rows/s" in shown
    assert "jan: 200,000 rows added" in shown


def test_ctrl_c_while_loading_leaves_nothing_and_says_so(big: Path) -> None:
    with Terminal(big.parent, "load", big, "--into", "a.db", "--table", "jan") as terminal:
        terminal.wait_for("rows/s")
        terminal.interrupt()
        assert terminal.end() == 130
    assert "Interrupted: nothing was loaded." in terminal.shown
    assert "Traceback" not in terminal.shown
    assert not list(big.parent.glob("a.db*"))


@pytest.mark.parametrize("form", ["table", "json"])
def test_ctrl_c_ends_a_query(database: Path, form: str) -> None:
    sql = "SELECT count(*) FROM range(10000000000) a, range(100) b WHERE a.range % 7 = b.range"
    with Terminal(database.parent, "query", database, sql, "-F", form) as terminal:
        time.sleep(3)  # it shows nothing before it has a result
        terminal.interrupt()
        assert terminal.end() == 130
    assert "Interrupted." in terminal.shown
    assert "Traceback" not in terminal.shown


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 1), ("\n", 1, 2), ("no\n", 1, 2)])
def test_a_table_is_dropped_when_the_answer_is_yes(
    database: Path, answer: str, code: int, left: int
) -> None:
    with Terminal(database.parent, "drop", database, "jan") as terminal:
        terminal.wait_for("Drop table jan, with all its rows? [y/N]")
        terminal.type(answer)
        assert terminal.end() == code
    with StorageEngine(database, read_only=True) as storage:
        assert len(storage.list_tables()) == left


def test_nobody_is_kept_out_while_a_question_waits(database: Path) -> None:
    with Terminal(database.parent, "drop", database, "jan") as terminal:
        terminal.wait_for("[y/N]")
        with StorageEngine(database) as storage:
            storage.rename_table("jan", "january")
        terminal.type("y\n")
        assert terminal.end() == 3
    assert "january" in terminal.shown


def test_an_export_to_the_terminal_has_no_bar(database: Path) -> None:
    with Terminal(database.parent, "export", database, "FROM range(3) t(n)", "-") as terminal:
        assert terminal.end() == 0
    assert terminal.shown.splitlines() == ['{"n":0}', '{"n":1}', '{"n":2}']


def test_ctrl_c_at_a_question_changes_nothing(database: Path) -> None:
    with Terminal(database.parent, "drop", database, "jan") as terminal:
        terminal.wait_for("[y/N]")
        terminal.interrupt()
        assert terminal.end() == 130
    with StorageEngine(database, read_only=True) as storage:
        assert len(storage.list_tables()) == 2


def test_an_export_that_is_interrupted_leaves_nothing(database: Path) -> None:
    sql = "SELECT range, repeat('x', 100) FROM range(100000000)"
    with Terminal(database.parent, "export", database, sql, "a.csv") as terminal:
        terminal.wait_for("rows/s")
        terminal.interrupt()
        assert terminal.end() == 130
    assert [path.name for path in database.parent.iterdir()] == ["app.db"]
