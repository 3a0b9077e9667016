"""An instance of DuckDB with a database open in it, from opening to closing."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.common import open_files
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.database import driver_failures
from mixpanel_data.database.connection_registry import Connections
from mixpanel_data.database.ephemeral import EphemeralFolder
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.settings import RESOURCES, Resources
from mixpanel_data.database.statement_policy import PolicyFactory, TrustedSql
from mixpanel_data.database.targets import Target
from mixpanel_data.exceptions import DatabaseInUseError, StorageClosedError, StorageForkedError

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver import connection as driver

_KEPT_OPEN = (
    "a connection of duckdb.connect(), or a result that was not read to its end, keeps it open. "
    "This engine is closed now. Let go of the other one, and open a new engine."
)


class Instance:
    """An open database and the connections to it.

    Args:
        target: The database, which is created if it does not exist.
        options: How to open it.
        make_policy: Makes the policy for users' SQL.
        folder: A folder to remove on closing.

    Attributes:
        target: The database.
        options: How it was opened.
        file: Its file, links resolved; None for other kinds.
        is_new: Whether it has just been created.
        guard: Keeps its writers apart.
        policy: What users' SQL may do.
        raw: A DuckDB connection for the user, without a sandbox.

    Raises:
        DatabaseFileError: The file cannot be opened; the subclass says why.
        LakeError: The lake cannot be opened; the subclass says why.
    """

    def __init__(
        self,
        target: Target,
        options: OpenOptions,
        *,
        make_policy: PolicyFactory = lambda _: TrustedSql(),
        folder: EphemeralFolder | None = None,
    ) -> None:
        self.target, self.options = target, options
        self._make_policy, self._folder = make_policy, folder
        self._replacing = threading.RLock()
        self._open()

    def _open(self) -> None:
        with ExitStack() as undo:
            if self._folder is not None:
                undo.callback(self._folder.remove)
            opened = self.target.open(self.options, self._folder)
            connections = self._connections = Connections(opened.database)
            undo.callback(connections.close, self._folder)
            self.policy = self._make_policy(opened.database)
            undo.callback(self.policy.close)
            self.raw = connections.raw()
            undo.pop_all()
        self._keep_private, self.guard = opened.database.keep_private, opened.guard
        self.is_new = opened.is_new
        self.file = None if self.target.path is None else self.target.path.resolve()
        self._closing = weakref.finalize(self, connections.close, self._folder)

    def close(self) -> None:
        """Close every connection and release the file; closing twice is fine.

        Statements that run in other threads fail.
        """
        try:
            # Signals are deferred so that it also removes the folder.
            with self._waiting(), defer_keyboard_interrupt():
                self.policy.close()
                self._closing()
        except duckdb.Error as error:
            raise driver_failures.translated(error, self.target.place, "") from error

    def _waiting(self) -> AbstractContextManager[object]:
        """Return a context that is entered when no other thread is replacing the file."""
        # In a forked child, nobody would ever release the lock.
        return self.replacing() if os.getpid() == self._connections.pid else nullcontext()

    def replacing(self) -> AbstractContextManager[object]:
        """Return a context in which other threads wait that would connect or close."""
        return self._replacing

    @property
    def is_open(self) -> bool:
        """False once the database was closed."""
        return self._closing.alive

    @property
    def is_usable(self) -> bool:
        """Whether it is open in this process."""
        return self.is_open and os.getpid() == self._connections.pid

    def require_open(self) -> None:
        """Raise unless the database is open and was opened by this process.

        Raises:
            StorageClosedError: It was closed.
            StorageForkedError: The parent of this process opened it.
        """
        with self._waiting():
            self._require_open_now()

    def _require_open_now(self) -> None:
        if not self.is_open:
            raise StorageClosedError
        if os.getpid() != self._connections.pid:
            raise StorageForkedError(self._connections.pid)

    def _starting(self) -> None:
        # Without waiting for whoever closes or compacts: they wait for this statement.
        self._require_open_now()
        self._keep_private()

    def connect(self) -> driver.Connection:
        """Return a new connection of the dialect to the database."""
        with self._waiting():
            self._require_open_now()
            return self._connections.new(self._starting)

    def connect_guarded(self) -> driver.Connection:
        """Return a new connection under the policy for users' SQL."""
        connection = self.connect()
        connection.statement_guard = self.policy.guard(connection.driver)
        return connection

    def count_open(self) -> int:
        """Return how many connections of the dialect are open."""
        return self._connections.count_open()

    def ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run a statement of the library on a connection of its own, and return its rows.

        Raises:
            MixpanelDataError: DuckDB refused it.
        """
        try:
            with closing(self.connect()) as connection:
                cursor = connection.cursor()
                cursor.execute(statement, parameters)
                return cursor.fetchall()
        except duckdb.Error as error:
            raise driver_failures.translated(error, self.target.place, statement) from error

    def resources(self) -> Resources:
        """Return how many threads and how much memory the database may use."""
        return Resources(*self.ask(RESOURCES)[0])

    @contextmanager
    def closed(self, file: Path, lease: open_files.Lease) -> Iterator[None]:
        """Close the database in the block, and open it again.

        Args:
            file: Its file.
            lease: One of that, which the caller releases.

        Raises:
            DatabaseInUseError: Something else of this process keeps it open. DuckDB 1.5 would wait
                for the end of that when the file is opened again, so it stays closed.
        """
        is_closed = False
        try:
            with defer_keyboard_interrupt():
                self._closing.detach()
                self.policy.close()
                self._connections.close(None)
                is_closed = lease.is_only_use()
            if not is_closed:
                raise DatabaseInUseError(file, _KEPT_OPEN)
            yield
        finally:
            if is_closed:
                with defer_keyboard_interrupt():
                    self._open()
            elif self._folder is not None:
                self._folder.remove()
