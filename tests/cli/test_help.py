"""The help of the command: there at once, and with examples that run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mixpanel_data.cli.app import COMMANDS as COMMANDS_BY_NAME
from mixpanel_data.cli.commands import LazyCommand
from tests.cli.conftest import Run, line
from tests.processes import run_python

COMMANDS = [
    *("load", "tables", "info", "schema", "sample", "summarize", "breakdown", "keys", "coverage"),
    *("stats", "query", "export", "rename", "drop", "mcp"),
    *("columns list", "columns add", "columns drop"),
    *("migrate status", "migrate upgrade", "migrate downgrade", "migrate check"),
]


def test_all_commands_are_listed(run: Run) -> None:
    outcome = run("--help")
    commands = outcome.out.split("Commands:\n")[1].split("\n\n")[0]
    listed = re.findall(r"^  ([a-z]+) ", commands, re.MULTILINE)
    assert sorted(listed) == sorted({command.split()[0] for command in COMMANDS})
    for group in ("columns", "migrate"):
        for command in COMMANDS:
            if command.startswith(f"{group} "):
                assert command.split()[1] in run(group, "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_each_command_runs(run: Run, command: str) -> None:
    outcome = run(*command.split(), "--help")
    (example,) = re.findall(r"^ *(mixpanel-data .*)$", outcome.out, re.MULTILINE)
    assert example.startswith(f"mixpanel-data {command} ")
    Path("export.jsonl.gz").write_text(line(0, **{"$browser": "Firefox", "amount": 2}))
    if command != "load":
        run("load", "export.jsonl.gz", "--into", "app.db", "--table", "events")
    if command == "columns drop":
        run("columns", "add", "app.db", "events", "$browser")
    if command != "mcp":  # which would not end
        assert run(*shlex.split(example)[1:]).code == 0


@pytest.mark.parametrize("arguments", ["['--help']", "['load', '--help']", "['--version']"])
def test_help_and_version_load_neither_duckdb_nor_sqlalchemy(arguments: str) -> None:
    script = f"""
from mixpanel_data.cli.app import app
try:
    app({arguments})
except SystemExit:
    heavy = {{"duckdb", "sqlalchemy", "pandas", "pyarrow", "alembic", "rich", "orjson",
             "pydantic"}}
    say(sorted(heavy & set(sys.modules)))
"""
    prelude = "import sys\nsay = print\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS_BY_NAME)
def test_no_usage_has_dots_or_brackets_twice(run: Run, name: str) -> None:
    group = getattr(LazyCommand(name, *COMMANDS_BY_NAME[name]).loaded(), "commands", None)
    for words in [[name]] if group is None else [[name, each] for each in group]:
        usage = run(*words, "--help").out.splitlines()[0]
        assert not re.search(r"\.\.\.\W*\.\.\.|\[\[", usage), usage
        assert ("..." in usage) == (words in (["load"], ["columns", "add"], ["columns", "drop"]))


@pytest.mark.parametrize("name", COMMANDS_BY_NAME)
def test_the_list_of_commands_says_what_their_own_help_says(name: str) -> None:
    listed = LazyCommand(name, *COMMANDS_BY_NAME[name])
    command = listed.loaded()
    assert " ".join(command.help.split()).startswith(str(listed.help).rstrip("."))


def test_a_shell_completes_commands_and_their_options() -> None:
    script = str(Path(sys.executable).with_name("mixpanel-data"))
    for words, completed in (("su", "summarize"), ("load --if-e", "--if-exists")):
        done = subprocess.run(
            [script],
            env=os.environ
            | {
                "_MIXPANEL_DATA_COMPLETE": "complete_bash",
                "COMP_WORDS": f"mixpanel-data {words}",
                "COMP_CWORD": str(len(words.split())),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == [completed]


def test_the_version_is_that_of_the_package(run: Run) -> None:
    from mixpanel_data import __version__

    assert run("--version").out == f"mixpanel-data {__version__}\n"


def test_the_module_and_the_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("mixpanel-data")
    both = [[str(script)], [sys.executable, "-m", "mixpanel_data"]]
    helps = [
        subprocess.run([*start, "--help"], capture_output=True, text=True, check=True).stdout
        for start in both
    ]
    assert helps[0] == helps[1]
    assert "Usage: mixpanel-data " in helps[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_it(shell: str) -> None:
    lines = run_python(
        """
import subprocess
command = [str(Path(sys.executable).with_name("mixpanel-data")), "--show-completion", sys.argv[1]]
print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
""",
        shell,
    )
    assert any("mixpanel-data" in text for text in lines)


def test_the_app_has_no_command_that_is_not_tested_here() -> None:
    commands: set[str] = set()
    for name, about in COMMANDS_BY_NAME.items():
        group = getattr(LazyCommand(name, *about).loaded(), "commands", None)
        commands |= {name} if group is None else {f"{name} {each}" for each in group}
    assert commands == set(COMMANDS)
