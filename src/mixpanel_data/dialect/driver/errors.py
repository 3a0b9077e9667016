"""Repairs the class of what DuckDB's client raises.

SQLAlchemy and the rest of the library tell errors by their class. Where the client uses the wrong
one, its message has to be read: here, and nowhere else in the dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
from duckdb import (
    ConstraintException,
    InvalidInputException,
    OutOfRangeException,
    TransactionException,
)

# DuckDB writes some of the names in capitals.
_KINDS: dict[str, type[Exception]] = {
    name.lower(): kind for name, kind in vars(duckdb).items() if name.endswith("Exception")
}


class _Repair(NamedTuple):
    """What an error is to be.

    Attributes:
        kinds: The classes under which it comes, and their subclasses.
        pattern: What is in its message.
        make: Makes the error that says what happened.
    """

    kinds: type[Exception]
    pattern: re.Pattern[str]
    make: Callable[[Any, re.Match[str]], BaseException]


def _repair(
    kinds: type[Exception], pattern: str, make: Callable[[Any, re.Match[str]], BaseException]
) -> _Repair:
    return _Repair(kinds, re.compile(pattern, re.DOTALL), make)


def _of_kind(error: Exception, match: re.Match[str]) -> Exception:
    """Return the error again, as the class that DuckDB's name for its kind stands for."""
    name = f"{match[1].replace(' ', '')}exception".lower()
    return _KINDS.get(name, InvalidInputException)(str(error))


def _no_text(error: Exception, _: re.Match[str]) -> InvalidInputException:
    return InvalidInputException("A text holds what UTF-8 cannot express.")


def _cut_message(error: UnicodeDecodeError, _: re.Match[str]) -> InvalidInputException:
    return InvalidInputException(bytes(error.object).decode(errors="replace"))


#: The first row that fits decides.
_REPAIRS = [
    # The client has no class for a key that two transactions inserted at the same time.
    _repair(
        TransactionException,
        "Failed to commit: PRIMARY KEY or UNIQUE constraint violation",
        lambda error, _: ConstraintException(str(error)),
    ),
    # DuckDB 1.5 wraps what goes wrong while a result streams.
    _repair(
        InvalidInputException,
        r"unsuccessful or closed pending query result\nError: ([\w ]+) Error: ",
        _of_kind,
    ),
    # What pyarrow makes of what goes wrong while DuckDB streams batches.
    _repair(OSError, r"\A([\w ]+) Error: ", _of_kind),
    # What DuckDB 1.5 makes of Ctrl-C.
    _repair(RuntimeError, r"\AQuery interrupted\Z", lambda error, _: KeyboardInterrupt()),
    # What the client makes of lone surrogates in SQL, settings and, in 1.5, parameters.
    _repair(RuntimeError, r"\Astd::bad_cast", _no_text),
    _repair(RuntimeError, r"\AUnable to cast Python instance of type <class 'str'>", _no_text),
    _repair(
        UnicodeEncodeError,
        "",
        lambda error, _: InvalidInputException(f"A text holds what UTF-8 cannot express: {error}"),
    ),
    # DuckDB has cut a character in two in its message.
    _repair(UnicodeDecodeError, "", _cut_message),
    # Python has no value for one of DuckDB's, such as a long interval.
    _repair(
        OverflowError,
        "",
        lambda error, _: OutOfRangeException(f"Python cannot hold a value of the result: {error}"),
    ),
]

#: Subclasses of these mean something of their own.
_EXACT = (OSError, RuntimeError)


@contextmanager
def driver_errors() -> Iterator[None]:
    """Repair the class of errors that the client raises under another one.

    Raises:
        KeyboardInterrupt: Ctrl-C, of which DuckDB 1.5 makes a ``RuntimeError``.
        Error: One of the client's, as :data:`_REPAIRS` says.
    """
    try:
        yield
    except Exception as error:
        if (repaired := _repaired(error)) is None:
            raise
        raise repaired from error


def _repaired(error: Exception) -> BaseException | None:
    """Return what an error is to be, None where it is right."""
    for kinds, pattern, make in _REPAIRS:
        fits = type(error) is kinds if kinds in _EXACT else isinstance(error, kinds)
        if fits and (match := pattern.search(str(error))) is not None:
            return make(error, match)
    return None
