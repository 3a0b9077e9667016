"""What is wrong with a field, before it is known of which record or line."""

from __future__ import annotations


class FieldError(ValueError):
    """What is wrong with a field of a row, or with the row as a whole.

    Attributes:
        field: The field that is missing or wrong, None when it is the row as a whole.
    """

    def __init__(self, field: str | None, problem: str) -> None:
        super().__init__(problem)
        self.field = field
