"""The pages of the documentation, and how a reader would run what is in them."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXTRAS = set(metadata("mixpanel_data").get_all("Provides-Extra") or [])

#: A fenced block, with the comment before it: a package it needs, or the file that it is.
_FENCE = re.compile(
    r"(?:<!-- (?:requires: (?P<requires>\w+)|file: (?P<file>[\w./]+)) -->\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        name: What a traceback calls it.
        language: The word after the fence.
        code: Its lines.
        requires: A package that it needs and the library does not, None for none.
        file: The file that the reader writes it to, None for what is run.
    """

    name: str
    language: str
    code: str
    requires: str | None
    file: str | None

    @property
    def can_run(self) -> bool:
        """Whether what it needs is installed."""
        return self.requires is None or importlib.util.find_spec(self.requires) is not None


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [
        Block(
            name=f"{page.name} block {number}",
            language=match["language"],
            code=match["code"],
            requires=match["requires"],
            file=match["file"],
        )
        for number, match in enumerate(found)
    ]


def run_page(page: Path, folder: Path) -> None:
    """Run the Python and console blocks of a page one after the other, as its reader would."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shell = _Shell(folder)
    for block in blocks_of(page):
        if not block.can_run:
            continue
        if block.file is not None:
            (folder / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            run_python(block, names)
        elif block.language == "console":
            shell.run(block)


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block of Python, or of its prompt with what it printed."""
    if ">>>" not in block.code:
        exec(compile(block.code, block.name, "exec", dont_inherit=True), names)
        return
    test = doctest.DocTestParser().get_doctest(block.code, names, block.name, block.name, 0)
    assert doctest.DocTestRunner(optionflags=_FLAGS).run(test, clear_globs=False).failed == 0
    names.update(test.globs)


class _Shell:
    """Runs the commands of console blocks, each after a ``$``, and compares what they print."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = os.environ | {"PATH": path, "HOME": str(folder), "COLUMNS": "100"}

    def run(self, block: Block) -> None:
        for command, expected in _commands(block.code):
            if command.startswith("pip install "):
                check_requirement(command)
                continue
            printed = self._printed(command, block)
            if expected and not doctest.OutputChecker().check_output(expected, printed, _FLAGS):
                raise AssertionError(f"{block.name}: {command}\n{printed}\nis not\n{expected}")

    def _printed(self, command: str, block: Block) -> str:
        script = f"{command}\nstatus=$?\necho\npwd\nexit $status"  # cd holds for what follows
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"{block.name}: {command}\n{run.stdout}"
        *lines, folder = run.stdout.splitlines()
        self._folder = Path(folder)
        return "\n".join(lines).strip() + "\n"


def _commands(code: str) -> list[tuple[str, str]]:
    """Return each command with the lines that it is said to print."""
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", code, re.MULTILINE)
    return [(command, printed) for command, printed in found]


def check_requirement(command: str) -> None:
    """Check what ``pip install`` names: nothing is downloaded by a test."""
    for word in shlex.split(command)[2:]:
        match = re.fullmatch(r"mixpanel_data(?:\[([\w,]+)\])?", word)
        assert match or word == "--upgrade", command
        extras = match[1].split(",") if match and match[1] else []
        assert set(extras) <= EXTRAS, command
