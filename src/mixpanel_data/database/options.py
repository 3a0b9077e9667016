"""How a database is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixpanel_data.common.choices import SIZE, require
from mixpanel_data.types import Secret

#: Enough for rows that stream in, whatever their number.
_LOAD_MEBIBYTES = 160
DEFAULT_LOAD_MEMORY_LIMIT = f"{_LOAD_MEBIBYTES}MiB"

#: What each thread needs to group any number of keys. With less, DuckDB 2.0 runs out of memory.
_THREAD_MEBIBYTES = 40


@dataclass(frozen=True)
class OpenOptions:
    """How a database is opened.

    Attributes:
        read_only: Open the file read-only.
        config: DuckDB's settings.
        load_memory_limit: DuckDB's ``memory_limit`` during a load, unless ``config`` has one;
            None to leave it unchanged.
        migrate: Upgrade an older file first.
        lock_timeout: Seconds to wait while another process has the file open, or the lock of a
            table in a lake; None for the default of either.
        key: The key of an encrypted file, or of one to create.
        must_exist: Create no lake.

    Raises:
        TypeError: One is of another kind.
        ValueError: ``lock_timeout`` is negative, ``load_memory_limit`` no size, or ``migrate``
            comes with ``read_only``.
    """

    read_only: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    load_memory_limit: str | None = DEFAULT_LOAD_MEMORY_LIMIT
    migrate: bool = False
    lock_timeout: float | None = None
    key: Secret | None = None
    must_exist: bool = False

    def __post_init__(self) -> None:
        for name in ("read_only", "migrate"):
            require(name, getattr(self, name), bool, "True or False")
        settings = "a dict of DuckDB's settings by name"
        require("config", self.config, Mapping, settings)
        for name in self.config:
            require("A name in config", name, str, settings)
        if self.load_memory_limit is not None:
            size = "a size such as '500MB', or None for no limit"
            require("load_memory_limit", self.load_memory_limit, str, size, SIZE.fullmatch)
        if self.lock_timeout is not None:
            seconds = "seconds, or 0 not to wait"
            require("lock_timeout", self.lock_timeout, (int, float), seconds, lambda n: n >= 0)
        if self.migrate and self.read_only:
            raise ValueError("migrate=True changes the file. Leave out read_only=True.")

    def load_limit(self, threads: int) -> str | None:
        """Return the memory limit of a load, which by default grows with the threads.

        Args:
            threads: How many threads DuckDB may use.
        """
        if self.load_memory_limit != DEFAULT_LOAD_MEMORY_LIMIT:
            return self.load_memory_limit
        return f"{max(_LOAD_MEBIBYTES, _THREAD_MEBIBYTES * threads)}MiB"
