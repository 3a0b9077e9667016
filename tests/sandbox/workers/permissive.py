"""What judges statements where a test is about what they do once they run."""

from __future__ import annotations


class Permissive:
    """Lets everything run."""

    def __init__(self, *_: object) -> None:
        pass

    def check(self, sql: str) -> None:
        """Let a statement run."""
