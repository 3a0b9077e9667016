"""JSON paths: how SQL refers to members of documents.

DuckDB reads the argument of ``->`` and ``json_extract`` as a path if it starts with ``$``, as a
JSON pointer if it starts with ``/``, else as a name. Most names in Mixpanel's data start with
``$``, so a name is never passed without escaping.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.sql.builtin import BUILTIN

Step = str | int

#: Names that a path cannot express: DuckDB reads ``"*"`` as all members, even in quotes, and fails
#: on ``""`` with "JSON path error". A pointer can express them, but has no negative indexes.
_ONLY_IN_POINTERS = ("", "*")


def path(steps: Sequence[Step]) -> str:
    r"""Return the path or JSON pointer of a member, whatever its name is.

    Args:
        steps: Names, and indexes in arrays; negative ones count from the end.

    Raises:
        ValueError: A name requires a pointer, which has no negative indexes.

    Example:
        >>> print(path(["$browser", 'q"z', -1]))
        $."$browser"."q\"z"[-1]
        >>> print(path(["*", "a/b"]))
        /*/a~1b
    """
    if not any(step in _ONLY_IN_POINTERS for step in steps):
        return "$" + "".join(map(_step, steps))
    if any(isinstance(step, int) and step < 0 for step in steps):
        raise ValueError(
            f"The path {tuple(steps)!r} mixes a negative index with a name that is empty or '*', "
            "which DuckDB cannot express. Take one step after the other: column['*'][-1]."
        )
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def _step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return '."{}"'.format(step.replace("\\", "\\\\").replace('"', '\\"'))


def path_literal(steps: Sequence[Step]) -> str:
    r"""Return the SQL of :func:`path`.

    Example:
        >>> print(path_literal(["it's"]))
        '$."it''s"'
    """
    return text_literal(path(steps))


def text_literal(text: str) -> str:
    """Return the SQL of a text, whatever is in it."""
    # DuckDB's parser stops at a NUL, and SQLAlchemy 2.0 takes %(name)s for a parameter.
    parts = [
        f"{BUILTIN}chr({ord(part)})" if part in ("%", "\0") else quoted(part)
        for part in re.split(r"(\0|%(?=\())", text)
    ]
    return parts[0] if len(parts) == 1 else f"{BUILTIN}concat({', '.join(parts)})"
