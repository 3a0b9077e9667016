"""DuckDB's settings: temporary changes during a load, and the limits of threads and memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from mixpanel_data.exceptions import OutOfMemoryError

#: A commit writes into the database file at once, and nothing into the WAL.
WITHOUT_WAL = {"auto_checkpoint_skip_wal_threshold": "0", "wal_autocheckpoint": "0KB"}

RESOURCES = """
    SELECT system.main.current_setting('threads'),
        system.main.parse_formatted_bytes(system.main.current_setting('memory_limit'))
"""


class Resources(NamedTuple):
    """The limits of a database.

    Attributes:
        threads: How many threads it may use.
        memory: How many bytes its buffers may take.
    """

    threads: int
    memory: int


class TemporarySettings:
    """Settings that are changed for a block and reset afterwards.

    They belong to the database, not to a connection, so concurrent blocks share them: the first one
    sets, the last one resets. A value that another statement sets, before or during the block, is
    kept.

    Args:
        ask: Runs a statement with parameters on the database and returns its rows.
        names: The settings that may be changed.
        is_usable: Tells whether the database may still be used.
    """

    def __init__(
        self,
        ask: Callable[[str, Sequence[Any]], list[Any]],
        names: Collection[str],
        is_usable: Callable[[], bool],
    ) -> None:
        self._ask = ask
        self._is_usable = is_usable
        self._lock = threading.Lock()
        self._usual = {name: self._value_of(name) for name in names}
        self._ours: dict[str, str] = {}
        self._users: Counter[str] = Counter()

    @contextmanager
    def holding(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Change settings in the block.

        Args:
            settings: Values by name.
        """
        changed = {name: value for name, value in settings.items() if name in self._usual}
        with self._lock:
            for name, value in changed.items():
                self._users[name] += 1
                if self._users[name] == 1 and self._is_usable():
                    self._set(name, value)
        try:
            yield
        finally:
            with self._lock:
                for name in changed:
                    self._users[name] -= 1
                    if self._users[name] == 0 and self._is_usable():
                        self._reset(name)

    def _set(self, name: str, value: str) -> None:
        if self._value_of(name) == self._usual[name]:
            # DuckDB refuses a memory limit below what is in use; then it stays as it is.
            with suppress(OutOfMemoryError):
                self._ask(f"SET GLOBAL {name} = ?", [value])
            self._ours[name] = self._value_of(name)

    def _reset(self, name: str) -> None:
        if self._value_of(name) == self._ours.pop(name, None):
            # After RESET alone, DuckDB 1.5 keeps the old memory limit. After SET alone, it is a
            # rounded one.
            self._ask(f"SET GLOBAL {name} = ?", [self._usual[name]])
            self._ask(f"RESET GLOBAL {name}", [])

    def _value_of(self, name: str) -> str:
        ((value,),) = self._ask("SELECT system.main.current_setting(?)", [name])
        return str(value)
