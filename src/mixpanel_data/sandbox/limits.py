"""The limits for SQL that is not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sandbox:
    """The limits for SQL that is not trusted.

    Args:
        memory_limit: What DuckDB's memory may grow to.
        threads: How many threads a query may use.
        max_temp_size: What DuckDB may write to its temporary folder.
        timeout: Seconds for which DuckDB may work on a statement, None for no limit. The engine's
            own loads may take longer.
        select_only: Let SQL only read. The engine's own methods still write.
        max_rows: How many rows a result may have.
        max_bytes: How many bytes a result may have, as Arrow holds it.
        worker: Run SQL in another process, with the limits of the operating system: for files
            that are opened with ``read_only=True``, on Linux. See ``docs/security.md``.
        max_workers: How many statements may run in workers at once; others wait. Each may take
            the whole memory.

    Example:
        >>> from mixpanel_data import QueryTimeoutError, StorageEngine
        >>> with StorageEngine.memory(sandbox=Sandbox(timeout=0.1)) as storage:
        ...     try:
        ...         storage.execute_rows(
        ...             "SELECT sum(a.n * b.n) FROM range(10000000) a(n), range(10000000) b(n)"
        ...         )
        ...     except QueryTimeoutError as error:
        ...         error.seconds
        0.1
    """

    memory_limit: str = "1GB"
    threads: int = 2
    max_temp_size: str = "1GB"
    timeout: float | None = 30.0
    select_only: bool = False
    max_rows: int = 1_000_000
    max_bytes: int = 256 * 2**20
    worker: bool = False
    max_workers: int = 2

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which DuckDB has to be opened."""
        return {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "max_temp_directory_size": self.max_temp_size,
            "enable_external_access": False,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_unsigned_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "lock_configuration": True,
        }
