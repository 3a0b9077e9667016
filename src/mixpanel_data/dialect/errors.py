"""What DuckDB's client raises, made into the class that says what happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from duckdb import ConstraintException, TransactionException

# The client has no class for a key that two transactions inserted at the same time.
_DUPLICATE_AT_COMMIT = "Failed to commit: PRIMARY KEY or UNIQUE constraint violation"


@contextmanager
def driver_errors() -> Iterator[None]:
    """Repair the class of two errors that the client raises under another one.

    Raises:
        KeyboardInterrupt: Ctrl-C, of which DuckDB 1.5 makes a ``RuntimeError``.
        ConstraintException: A commit found a key that another transaction has committed, which
            DuckDB calls an error of the transaction.
    """
    try:
        yield
    except TransactionException as error:
        if _DUPLICATE_AT_COMMIT in str(error):
            raise ConstraintException(str(error)) from error
        raise
    except RuntimeError as error:
        if type(error) is RuntimeError and str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise
