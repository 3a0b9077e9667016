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

#: An element of an array of PostgreSQL's as text, which is in double quotes where it has to be.
_ELEMENT = r'\s*(?:"((?:[^"\\]|\\.)*)"\s*|([^",{}\\]+))'
_ARRAY = re.compile(rf"\{{(?:{_ELEMENT}(?:,{_ELEMENT})*)?\s*\}}", re.DOTALL)
_NUMBER, _NEGATIVE = re.compile(r"-?\d+"), re.compile(r"-\d+")
_INDEX = re.compile(r"0|[1-9][0-9]*")


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
    return _pointer(steps)


def nested_path(steps: Sequence[Step]) -> str:
    """Return the path of a member in a member, where digits as text may be an index, too.

    PostgreSQL's documents find it so: by index in an array, by name in an object.

    Example:
        >>> print(nested_path(["a", "0"]), nested_path(["a", 0]))
        /a/0 $."a"[0]
    """
    has_digits = any(isinstance(step, str) and _INDEX.fullmatch(step) for step in steps)
    is_from_end = any(isinstance(step, int) and step < 0 for step in steps)
    return _pointer(steps) if has_digits and not is_from_end else path(steps)


def braced_path(given: str | Sequence[Step]) -> str:
    """Return the path that is on the right of PostgreSQL's ``#>``.

    Args:
        given: An array in braces, a list of names and indexes, or a path as DuckDB writes it. A
            number in braces is an index or a name, whatever the document has there.

    Raises:
        ValueError: The braces do not hold an array of names.

    Example:
        >>> print(braced_path('{a,0,"b c"}'))
        /a/0/b c
        >>> print(braced_path("{a,-1}"))
        $."a"[-1]
    """
    if not isinstance(given, str):
        steps = list(given)
    elif not given.startswith("{"):
        return given
    else:
        steps = _elements(given)
    if any(_NEGATIVE.fullmatch(str(step)) for step in steps):
        return path([int(step) if _NUMBER.fullmatch(str(step)) else step for step in steps])
    return _pointer(steps) or "$"


def _elements(array: str) -> list[Step]:
    if not _ARRAY.fullmatch(array):
        raise ValueError(f"{array!r} is no path. Write it as '{{a,b}}', or column[('a', 'b')].")
    return [
        plain.strip() or re.sub(r"\\(.)", r"\1", quoted_, flags=re.DOTALL)
        for quoted_, plain in re.findall(_ELEMENT, array[1:-1], re.DOTALL)
    ]


def _pointer(steps: Sequence[Step]) -> str:
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
