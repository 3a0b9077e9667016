"""The limits for SQL that is not trusted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sandbox:
    """The limits for SQL that is not trusted. It may only read.

    Args:
        memory_limit: What DuckDB's memory may grow to.
        threads: How many threads a query may use.
        max_temp_size: What DuckDB may write to its temporary folder.
        timeout: Seconds for which DuckDB may work on a statement, None for no limit. The engine's
            own loads may take longer.
        max_rows: How many rows a result may have.
        max_bytes: How many bytes a result may have, counted as Arrow holds it.
        max_sql_bytes: How long the text of a statement may be.
        functions: Names of functions that SQL may call besides those of DuckDB that are known to
            be harmless: macros of the database, or functions that you have judged yourself.

    Raises:
        ValueError: A limit for results or texts is below 1.

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

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_bytes", "max_sql_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Use 1 or more.")
        if isinstance(self.functions, str):
            raise ValueError("functions is one text. Use a list of names.")

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
            "arrow_lossless_conversion": True,
            "lock_configuration": True,
        }
