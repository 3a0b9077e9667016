"""Text of others as a terminal may be shown it."""

from __future__ import annotations

import re

#: Characters that move the cursor, change colours, end lines or reverse the order of text.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str, *, one_line: bool = False) -> str:
    r"""Return a text in which escapes stand for the characters that steer a terminal.

    Args:
        text: The text, such as a name or a value from somebody's data.
        one_line: Escape tabs and ends of lines as well.

    Example:
        >>> printable("a\x1b[31m")
        'a\\x1b[31m'
    """
    text = _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
    return text.replace("\n", "\\n").replace("\t", "\\t") if one_line else text


def printable_json(text: str) -> str:
    r"""Return JSON of the same value, in which escapes stand for what steers a terminal.

    Example:
        >>> printable_json('["\x9b31m"]')
        '["\\u009b31m"]'
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
