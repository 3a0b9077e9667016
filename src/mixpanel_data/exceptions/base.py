"""The root of the tree of errors."""

from __future__ import annotations

from typing import Any


class MixpanelDataError(Exception):
    """Base of all errors of this library.

    Attributes:
        message: What happened and what to do next, for people.
        details: The same facts for programs.

    Example:
        >>> from mixpanel_data import TableNotFoundError
        >>> error = TableNotFoundError("events_jan")
        >>> error.details
        {'table_name': 'events_jan'}
    """

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        # Names of files need not be UTF-8, and streams and logs refuse the rest of such a name.
        message = message.encode(errors="replace").decode()
        super().__init__(message)
        self.message = message
        self.details = details if details is not None else {}

    def __str__(self) -> str:
        """Return the message."""
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by attributes, because the subclasses build their messages themselves."""
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[MixpanelDataError], args: tuple[Any, ...]) -> MixpanelDataError:
    return kind.__new__(kind, *args)
