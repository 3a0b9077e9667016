"""The command ``mixpanel-data``."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer
from typer.core import TyperGroup

from mixpanel_data.cli.commands import Commands, LazyCommand
from mixpanel_data.cli.exit_codes import end_by_signal, exit_codes
from mixpanel_data.common.signals import DEADLY, ENDING

#: The modules of the commands, and of the groups of commands, with what the list of them says.
COMMANDS = {
    "load": ("loading", "Load export files into a table, all of them or nothing."),
    "tables": ("looking", "List the events and profiles tables of a database."),
    "info": ("looking", "Show size, revision and tables of a database."),
    "schema": ("looking", "Show the columns of a table or view."),
    "sample": ("looking", "Show rows of a table, taken at random."),
    "summarize": ("looking", "Show minimum, maximum, quartiles and NULLs of every column."),
    "breakdown": ("looking", "Show which events a table has, how many, of how many users."),
    "keys": ("looking", "List the names of the properties that occur."),
    "coverage": ("looking", "Show in how many rows each property has a value."),
    "stats": ("looking", "Show what a property holds."),
    "query": ("querying", "Run a query and write its result."),
    "export": ("querying", "Write a table, or the result of a query, to a file."),
    "rename": ("changing", "Rename an events or profiles table."),
    "drop": ("changing", "Drop an events or profiles table, with all its rows."),
    "mcp": ("serving", "Serve a database to an AI agent over stdio."),
    "columns": ("columns", "Columns of their own for properties."),
    "migrate": ("migrating", "The revision of a database's tables."),
}


class _Group(TyperGroup):
    """The group of all commands, which ends with our exit codes."""

    def __init__(self, **options: Any) -> None:
        commands = {name: LazyCommand(name, *about) for name, about in COMMANDS.items()}
        super().__init__(**options | {"commands": commands})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for option in self.get_params(ctx):
            # A flag that is not given is None, and typer imports pydantic to make a bool of that.
            option.default = option.default or False
        return super().parse_args(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with exit_codes():
            return super().make_context(*args, **options)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        with exit_codes():
            return super().invoke(ctx)


app = Commands(
    cls=_Group,
    add_completion=True,
    help="Mixpanel events and profiles in a DuckDB file: load exports, look at them, query them.",
    epilog="Data goes to stdout, all else to stderr. Exit codes: 0, 1 error, 2 usage, 3 not found, "
    "4 locked, 5 wrong revision, 130 Ctrl-C.",
)


def _version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"mixpanel-data {version('mixpanel_data')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options of the command as a whole, of which there is none but --version."""


class _Closed(io.RawIOBase):
    """A stream that was closed before the command started.

    The first write raises. Python writes again what is left when it ends.
    """

    is_told = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.is_told:
            return len(data)
        self.is_told = True
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def main() -> None:
    """Run the command."""
    # Python has none of these that was closed before it started. Its number must not become that
    # of a file, to which C code may write then. Each takes the lowest number that is free.
    if sys.stdin is None:
        sys.stdin = _nowhere("r")
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Closed()), encoding="utf-8")
    sys.stderr = sys.stderr or _nowhere("w")
    for number in DEADLY:
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, end_by_signal)
    ENDING.add(end_by_signal)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # not every terminal can write 東京
    app(prog_name="mixpanel-data")
