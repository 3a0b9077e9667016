"""The rules for names of tables and databases."""

from __future__ import annotations

import re

from mixpanel_data.exceptions import TableNameError

_TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_PROJECT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_table_name(name: str) -> str:
    """Return the name if an events or profiles table may have it.

    Args:
        name: Letters A to Z, digits and underscores, not starting with an underscore (those are
            internal). Words reserved by SQL are fine.

    Raises:
        TableNameError: Any other name. It is a ``ValueError``.

    Example:
        >>> check_table_name("events_jan")
        'events_jan'
    """
    if not isinstance(name, str) or not _TABLE_NAME.fullmatch(name):
        raise TableNameError(name)
    return name


def check_project_id(project_id: str | int) -> str:
    """Return the id of a Mixpanel project as a string if it can be the name of a file.

    Args:
        project_id: The id. Mixpanel's are numbers.

    Raises:
        TypeError: The id is neither a text nor a whole number.
        ValueError: The id contains anything but letters, digits, ``_``, ``-`` and ``.``, or
            starts with one of the latter three.

    Example:
        >>> check_project_id(12345)
        '12345'
    """
    if isinstance(project_id, bool) or not isinstance(project_id, str | int):
        kind = type(project_id).__name__
        raise TypeError(f"project_id is a {kind}. Use the id that Mixpanel shows, a str or an int.")
    text = str(project_id)
    if not _PROJECT_ID.fullmatch(text):
        raise ValueError(
            f"Project id {project_id!r} cannot be the name of a file. "
            "Use the id that Mixpanel shows, or give a path instead."
        )
    return text
