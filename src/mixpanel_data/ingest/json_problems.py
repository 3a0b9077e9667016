"""Why a text is no JSON: it is unfinished, or something is in it that JSON does not have."""

from __future__ import annotations

import codecs
import json
import re

from mixpanel_data.common.json_depth import exceeds_depth

#: What may be the end of unfinished JSON: a part of a text, a word, a number or an escape.
_UNFINISHED = re.compile(
    r'"(?:[^"\\]|\\.)*\\?|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?|-|\.|[eE][+-]?|u[0-9a-fA-F]{0,4}|'
    r"\\(?:u[0-9a-fA-F]{0,4})?|",
    re.DOTALL,
)

#: What Mixpanel writes at the end of an export that failed, and how near the end it has to be.
_MARK = b"terminated early"
_MARK_AT = 100


class NotFiniteError(ValueError):
    """NaN or an infinity, which Python's parser takes for numbers."""


def is_end_of_failed_export(text: bytes) -> bool:
    r"""Tell whether a text ends with what Mixpanel writes where an export fails half-way.

    No JSON object does.

    Example:
        >>> is_end_of_failed_export(b"export terminated early\n")
        True
    """
    return text[-_MARK_AT:].rstrip(b"\"'.,] \t\r\n").lower().endswith(_MARK)


def is_unfinished(document: bytes) -> bool:
    """Tell whether a document is the beginning of JSON, and not the whole of any.

    Example:
        >>> is_unfinished(b'{"a": [1, "b'), is_unfinished(b'{"a": NaN}'), is_unfinished(b"[1]")
        (True, False, False)
    """
    if exceeds_depth(document):
        return False
    try:
        # Without what is left of a character at the end.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(document.rstrip())
        _parse(text)
    except json.JSONDecodeError as error:
        return _UNFINISHED.fullmatch(text, error.pos) is not None
    except ValueError:
        return False
    return False


def reason_of(document: bytes) -> str:
    r"""Return why a document, which is not nested too deeply, is no JSON.

    Example:
        >>> reason_of(b'{"a": NaN}')
        'it holds NaN, which JSON has no form for'
        >>> reason_of(b"{'a': 1}")
        'expecting property name enclosed in double quotes, and there is "\'" at character 2'
    """
    if is_unfinished(document):
        return "it ends too early"
    try:
        text = document.decode("utf-8-sig")
        _parse(text)
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1}, 0x{document[error.start]:02x}, is not UTF-8"
    except json.JSONDecodeError as error:
        expected = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").rstrip(": ")
        return f"{expected}, and there is {text[error.pos]!r} at character {error.pos + 1}"
    except NotFiniteError as error:
        return f"it holds {error}, which JSON has no form for"
    return "a text in it has half a character, such as \\ud800"


def _parse(text: str) -> None:
    json.loads(text, parse_constant=_refuse, parse_int=str)


def _refuse(name: str) -> None:
    raise NotFiniteError(name)
