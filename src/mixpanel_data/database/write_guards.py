"""What keeps the writers of a database apart, and what they write from being lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from mixpanel_data.dialect.driver.errors import WriteConflictException
from mixpanel_data.dialect.lake.locks import Locks
from mixpanel_data.exceptions import QueryError, WriteConflictError
from mixpanel_data.schema.fences import pass_fence

#: Called before the commit, on the connection of the transaction.
Confirm = Callable[[Connection], None]


class WriteGuard(Protocol):
    """Keeps the writers of a database apart."""

    def writing(self, table_name: str, *, adds_rows: bool) -> AbstractContextManager[Confirm]:
        """Return a context for one transaction, which gives what to call before the commit.

        Args:
            table_name: The table that changes, empty for several.
            adds_rows: Nothing but rows are added to that table, or it is created.
        """
        ...


class MemoryGuard:
    """Nobody else has a database in memory."""

    def writing(self, table_name: str, *, adds_rows: bool) -> AbstractContextManager[Confirm]:
        """Return a context that does nothing."""
        return nullcontext(lambda _: None)


class FileGuard:
    """Makes sure that the file is still the one that was opened; its lock keeps others away.

    Args:
        require_in_place: Raises if it is not.
    """

    def __init__(self, require_in_place: Callable[[], None]) -> None:
        self._require_in_place = require_in_place

    @contextmanager
    def writing(self, table_name: str, *, adds_rows: bool) -> Iterator[Confirm]:
        """Return a context that looks for the file before and after.

        Raises:
            DatabaseMovedError: The file was moved or replaced, before or during the block.
        """
        self._require_in_place()
        yield lambda _: self._require_in_place()


class LakeGuard:
    """Takes the locks of a lake, and passes the fence of a table that gets rows.

    Args:
        locks: The locks.
    """

    def __init__(self, locks: Locks) -> None:
        self._locks = locks

    @contextmanager
    def writing(self, table_name: str, *, adds_rows: bool) -> Iterator[Confirm]:
        """Return a context that holds the lock.

        Raises:
            TableLockedError: Another loader has it.
            CatalogueUnavailableError: The catalog does not answer.
            WriteConflictError: Somebody without the lock has changed the same table.
        """
        held = self._locks.of_table(table_name) if adds_rows else self._locks.exclusive()
        with held:
            try:
                yield partial(pass_fence, name=table_name) if adds_rows else lambda _: None
            except QueryError as error:
                if isinstance(error.__cause__, WriteConflictException):
                    raise WriteConflictError(table_name) from error.__cause__
                raise
