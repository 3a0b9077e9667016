"""Generates statements to attack with; the same seed gives the same one."""

from __future__ import annotations

import random
from functools import cache

from tests.siege.grammar import Writer
from tests.siege.mutation import Mutation
from tests.siege.verdicts import corpus
from tests.siege.vocabulary import vocabulary

#: The ways in for a statement, those that cost less more often.
_ENTRIES = [
    *["rows"] * 12,
    *["driver"] * 3,
    *["scalar", "relation", "explain", "analyze"] * 2,
    "df",
]
_MUTATED = 0.4


@cache
def _statements() -> list[str]:
    return [case.statement for case in corpus()]


@cache
def _words() -> list[str]:
    known = vocabulary()
    names = sorted(name for name in known.names if name.isidentifier())
    return [*known.keywords, *names, *known.types, "plain", "events", "spy_text"]


class Fuzzer:
    """Makes one statement.

    Args:
        seed: Decides everything, for a version of DuckDB.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def statement(self) -> str:
        """Return a statement: by the grammar, or one of the corpus or the grammar changed."""
        if self._chance.random() > _MUTATED:
            return Writer(self._chance).write("statement")
        if self._chance.random() < 0.3:
            origin = Writer(self._chance).write("statement")
        else:
            origin = self._chance.choice(_statements())
        return Mutation(self._chance, _statements(), _words()).mutate(origin)

    def shot(self) -> tuple[str, str]:
        """Return a statement and the way in for it."""
        return self.statement(), self._chance.choice(_ENTRIES)
