"""What DuckDB's client raises, made into the class that says what happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from duckdb import (
    ConstraintException,
    InvalidInputException,
    OutOfRangeException,
    TransactionException,
)

# The client has no class for a key that two transactions inserted at the same time.
_DUPLICATE_AT_COMMIT = "Failed to commit: PRIMARY KEY or UNIQUE constraint violation"

# DuckDB 1.5 wraps what goes wrong while a result streams.
_WRAPPED = re.compile(r"unsuccessful or closed pending query result\nError: ([\w ]+) Error: ")

# What pyarrow makes of what goes wrong while DuckDB streams batches.
_STREAMED = re.compile(r"([\w ]+) Error: ")

# What the client makes of lone surrogates in SQL, settings and, in 1.5, parameters.
_NO_TEXT = re.compile(r"std::bad_cast|Unable to cast Python instance of type <class 'str'>")

# DuckDB writes some of the names in capitals.
_KINDS: dict[str, type[Exception]] = {
    name.lower(): kind for name, kind in vars(duckdb).items() if name.endswith("Exception")
}


@contextmanager
def driver_errors() -> Iterator[None]:
    """Repair the class of errors that the client raises under another one.

    Raises:
        KeyboardInterrupt: Ctrl-C, of which DuckDB 1.5 makes a ``RuntimeError``.
        ConstraintException: A commit found a key that another transaction has committed, which
            DuckDB calls an error of the transaction.
        InvalidInputException: A text has lone surrogates, for which the client has no error; or
            its own message cannot be decoded, because DuckDB has cut a character in two.
        OutOfRangeException: Python has no value for one of DuckDB's, such as a long interval.
        Error: Something went wrong in a stream, which DuckDB 1.5 always calls invalid input, and
            pyarrow an ``OSError``.
    """
    try:
        yield
    except TransactionException as error:
        if _DUPLICATE_AT_COMMIT in str(error):
            raise ConstraintException(str(error)) from error
        raise
    except InvalidInputException as error:
        if (wrapped := _WRAPPED.search(str(error))) is not None:
            raise _of_kind(wrapped[1], error) from error
        raise
    except OSError as error:
        if type(error) is OSError and (streamed := _STREAMED.match(str(error))) is not None:
            raise _of_kind(streamed[1], error) from error
        raise
    except RuntimeError as error:
        if type(error) is RuntimeError and str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        if _NO_TEXT.match(str(error)):
            raise InvalidInputException("A text holds what UTF-8 cannot express.") from error
        raise
    except OverflowError as error:
        raise OutOfRangeException(f"Python cannot hold a value of the result: {error}") from error
    except UnicodeDecodeError as error:
        message = bytes(error.object).decode(errors="replace")
        raise InvalidInputException(message) from error
    except UnicodeEncodeError as error:
        raise InvalidInputException(f"A text holds what UTF-8 cannot express: {error}") from error


def _of_kind(name: str, error: Exception) -> Exception:
    """Return the error again, as the class that DuckDB's name for its kind stands for."""
    kind = _KINDS.get(f"{name.replace(' ', '')}exception".lower(), InvalidInputException)
    return kind(str(error))
