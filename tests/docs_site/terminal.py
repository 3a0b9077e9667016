"""Draws a session at a terminal for the README: real commands, and what they show.

python -m tests.docs_site.terminal docs/terminal.svg
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: What is typed, beside an export of events.
COMMANDS = [
    "mixpanel-data load events.jsonl.gz --into app.db --table events",
    "mixpanel-data breakdown app.db events",
    "mixpanel-data stats app.db events '$browser'",
]

#: Letters of a line.
WIDTH = 120

#: Fonts from other machines: a reader's own do as well, and his browser asks nobody.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

#: Lines of a bar, which goes again, and the codes that hide the cursor meanwhile.
_BAR = re.compile(r"\r?Loading .*|\x1b\[\?25[lh]")


def session() -> str:
    """Return what a terminal shows of the commands, with the codes for colours."""
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(EXAMPLES / "events.jsonl.gz", folder)
        for command in COMMANDS:
            lines = [line.split("\x1b[2K")[-1] for line in _shown(command, folder).splitlines()]
            shown += [
                f"$ {command}",
                *(line for line in lines if line and not _BAR.match(line)),
                "",
            ]
    return "\n".join(shown[:-1])


def _shown(command: str, folder: str) -> str:
    own, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": "60"}
    program = [sys.executable, "-m", "mixpanel_data", *shlex.split(command)[1:]]
    with subprocess.Popen(
        program, stdin=other, stdout=other, stderr=other, cwd=folder, env=environment
    ):
        os.close(other)
        shown = b"".join(_read(own))
    os.close(own)
    return shown.decode()


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # as Linux tells that nobody has the other end any more
            return
        if not data:
            return
        yield data


def drawn(text: str) -> str:
    """Return a picture (SVG) of what a terminal shows."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=True)
    return _FONTS.sub("", console.export_svg(title="mixpanel-data", unique_id="terminal"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawn(session()), encoding="utf-8")
