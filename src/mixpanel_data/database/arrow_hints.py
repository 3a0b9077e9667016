r"""Helps with the arrows of JSON, ``->`` and ``->>``, which bind weaker than other operators.

So ``'x' || properties->>'plan'`` is ``('x' || properties)->>'plan'``. And what ``->>`` gives is
text, which DuckDB neither compares with numbers nor sums.
"""

from __future__ import annotations

import re

_NAME = r'(?:[^\W\d]\w*|"[^"]+")'
_TEXT = r"'(?:[^']|'')*'"
#: An arrow with what is on its left and on its right, or several after each other. It begins
#: where a name does: to look from every letter would take quadratic time.
_ARROW = rf"""(?<![\w."])(?P<arrow>{_NAME}(?:\.{_NAME})*(?:\s*->>?\s*{_TEXT})+)"""
_EXTRACTED = r"(?P<extracted>json_extract(?:_string)?\s*\([^()]*\))"

#: What DuckDB says where an arrow without brackets took a part of the expression around it.
_TORN = re.compile(
    r"Failed to cast value to numerical: \{|'json_extract(?:_string)?\((?:BOOLEAN, |\w+, BOOLEAN\))"
)
_TORN_TEXT = re.compile(r"Malformed JSON at byte \d+ of input")
_CONCATENATED = re.compile(rf"\|\|\s*{_ARROW}", re.IGNORECASE)

#: What it says where a text is used as a number.
_NUMBER = r"(?:\w*INT(?:EGER\w*)?|DECIMAL(?:\([\d,]+\))?|DOUBLE|FLOAT)"
_NO_NUMBER = re.compile(
    rf"Cannot (?:compare|mix) values of type (?:VARCHAR and (?:type )?{_NUMBER}\b"
    rf"|{_NUMBER} and (?:type )?VARCHAR\b)"
    r'|function call "[-+*/%]\(STRING_LITERAL, '
    rf"|'->>?\(JSON, {_NUMBER}\)'"
    rf"|Could not convert string '[^']*' to {_NUMBER}"
)
_NO_FUNCTION = re.compile(
    r"argument types '(?P<function>[^(']+)\((?:[^()]*, )?(?:VARCHAR|JSON)\b.*(?:TINYINT|DOUBLE)",
    re.DOTALL,
)
_VALUE = rf"(?:{_ARROW}|{_EXTRACTED})"
_BESIDE_NUMBER = (
    rf"{_VALUE}[\s)]*(?:(?:NOT\s+)?BETWEEN\b|::|[<>=!+*/%-]+\s*[-\d.])",
    rf"(?:\d\s*[<>=!+*/%-]+|-)[\s(]*{_VALUE}",
)


def arrow_hint(message: str, query: str) -> str | None:
    r"""Return the sentence that helps with an arrow, None where the error has another cause.

    Args:
        message: What DuckDB says.
        query: The SQL.

    Example:
        >>> print(arrow_hint("Malformed JSON at byte 0 of input", "SELECT 'x' || properties->>'a'"))
        -> and ->> bind weaker than other operators: write it in brackets, (properties->>'a').
    """
    if _TORN.search(message):
        return _brackets_hint(_without_brackets(query))
    if _TORN_TEXT.search(message):
        found = _CONCATENATED.search(query)
        return _brackets_hint(found and found["arrow"])
    if _NO_NUMBER.search(message):
        return _number_hint(query, *_BESIDE_NUMBER)
    if (found := _NO_FUNCTION.search(message)) and not found["function"].isidentifier():
        return _number_hint(query, *_BESIDE_NUMBER)
    if found:
        called = rf"\b{re.escape(found['function'])}\s*\([\s(]*(?:DISTINCT[\s(]+)?"
        return _number_hint(query, called + _VALUE)
    return None


def _without_brackets(query: str) -> str | None:
    """Return the first arrow that has no brackets of its own."""
    for found in re.finditer(_ARROW, query):
        before, after = query[: found.start()].rstrip(), query[found.end() :].lstrip()
        if not (before.endswith("(") and after.startswith(")")):
            return found["arrow"]
    return None


def _brackets_hint(arrow: str | None) -> str | None:
    if arrow is None:
        return None
    text = _as_text(arrow)
    return f"-> and ->> bind weaker than other operators: write it in brackets, ({text})."


def _number_hint(query: str, *patterns: str) -> str | None:
    """Return the advice to cast the first text that one of the patterns finds."""
    for pattern in patterns:
        if found := re.search(pattern, query, re.IGNORECASE):
            text = found["extracted"] or f"({_as_text(found['arrow'])})"
            return f"It is text, no number: write CAST({text} AS DOUBLE)."
    return None


def _as_text(arrow: str) -> str:
    """Return an arrow that gives text."""
    return re.sub(rf"->(\s*{_TEXT})$", r"->>\1", arrow.replace("->>", "->"))
