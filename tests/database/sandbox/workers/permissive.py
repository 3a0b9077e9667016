"""Rules that allow every statement, for tests of statements that run."""

from __future__ import annotations


class Permissive:
    """Lets everything run."""

    def __init__(self, *_: object) -> None:
        pass

    def check(self, sql: str) -> None:
        """Let a statement run."""
