"""The limits for untrusted SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mixpanel_data.common.choices import SIZE, require


@dataclass(frozen=True)
class Sandbox:
    """The limits for untrusted SQL. It may only read.

    Args:
        memory_limit: DuckDB's ``memory_limit``.
        threads: How many threads a query may use.
        max_temp_size: How much DuckDB may write to its temporary folder.
        timeout: Seconds for which DuckDB may work on a statement, None for no limit. The engine's
            own loads may take longer.
        max_rows: How many rows a result may have.
        max_bytes: How many bytes a result may have as Arrow data.
        max_sql_bytes: How many bytes a statement may have.
        functions: Names of functions that SQL may call besides the harmless ones of DuckDB: macros
            of the database, or functions that you have reviewed yourself.
        worker: Run SQL in another process, under limits of the operating system: for files and
            lakes that are opened with ``read_only=True``, on Linux. See ``docs/security.md``.
        max_workers: How many statements may run in workers at once; others wait. Each may use
            the whole ``memory_limit``.

    Raises:
        TypeError: A limit is of another type.
        ValueError: A limit is not above 0.

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
    max_rows: int = 1_000_000
    max_bytes: int = 256 * 1024**2
    max_sql_bytes: int = 100_000
    functions: Collection[str] = ()
    worker: bool = False
    max_workers: int = 2

    def __post_init__(self) -> None:
        for name in ("threads", "max_rows", "max_bytes", "max_sql_bytes", "max_workers"):
            require(name, getattr(self, name), int, "a whole number above 0", lambda n: n >= 1)
        for name in ("memory_limit", "max_temp_size"):
            require(name, getattr(self, name), str, "a size such as '500MB'", SIZE.fullmatch)
        if self.timeout is not None:
            seconds = "seconds above 0, or None for no limit"
            require("timeout", self.timeout, (int, float), seconds, lambda n: n > 0)
        if not isinstance(self.worker, bool):
            raise TypeError(f"worker is {self.worker!r}. Use True or False.")
        is_list = isinstance(self.functions, Collection) and not isinstance(self.functions, str)
        if not is_list or not all(isinstance(name, str) for name in self.functions):
            raise TypeError(f"functions is {self.functions!r}. Use a list of names.")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings to open DuckDB with."""
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
            "arrow_lossless_conversion": True,
            "lock_configuration": True,
        }
