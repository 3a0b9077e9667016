"""How a database is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixpanel_data.types import Secret

DEFAULT_LOAD_MEMORY_LIMIT = "160MiB"


@dataclass(frozen=True)
class OpenOptions:
    """How a database is opened.

    Attributes:
        read_only: Open without the right to write.
        config: DuckDB's settings.
        load_memory_limit: What DuckDB's memory may grow to while rows stream in, unless
            ``config`` has a ``memory_limit``; None for no limit of ours.
        migrate: Upgrade an older file first.
        lock_timeout: Seconds to wait while another process has the file open.
        key: The key of a file that is encrypted, or shall be.

    Raises:
        ValueError: ``lock_timeout`` is negative, or ``migrate`` comes with ``read_only``.
    """

    read_only: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    load_memory_limit: str | None = DEFAULT_LOAD_MEMORY_LIMIT
    migrate: bool = False
    lock_timeout: float = 0
    key: Secret | None = None

    def __post_init__(self) -> None:
        if self.migrate and self.read_only:
            raise ValueError("migrate=True changes the file. Leave out read_only=True.")
        if not self.lock_timeout >= 0:
            raise ValueError(f"lock_timeout is {self.lock_timeout}. Use seconds, or 0 not to wait.")
