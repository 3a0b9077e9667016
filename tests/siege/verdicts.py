"""The corpus: statements with their expected outcome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})|\\n")


@dataclass(frozen=True)
class Case:
    """A statement of the corpus.

    Attributes:
        kind: The name of its file.
        verdict: ``refused`` by the sandbox, ``error`` of DuckDB's, or ``answers``.
        file: The kind of database it is about.
        statement: The statement, with the marks of an arena.
    """

    kind: str
    verdict: str
    file: str
    statement: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.statement}".encode("unicode_escape").decode()[:150]


@cache
def corpus() -> list[Case]:
    """Return all cases: a line each, ``verdict: statement``, ``\\n`` and ``\\uXXXX`` as ever."""
    return [
        Case(
            file.stem,
            verdict,
            "hostile" if file.stem.startswith("hostile") else "honest",
            _ESCAPE.sub(lambda code: chr(int(code[1], 16)) if code[1] else "\n", statement),
        )
        for file in sorted(FOLDER.glob("*.sql"))
        for line in file.read_text().splitlines()
        if line and not line.startswith("--")
        for verdict, _, statement in [line.partition(": ")]
    ]
