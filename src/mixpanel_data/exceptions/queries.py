"""What is wrong with a query."""

from __future__ import annotations

from mixpanel_data.exceptions.base import MixpanelDataError


class QueryError(MixpanelDataError):
    """The database refused a query; its own message is kept.

    ``details["query"]`` is the SQL. The values of parameters are not kept.
    """

    def __init__(self, message: str, query: str) -> None:
        super().__init__(message, {"query": query})


class QueryTimeoutError(QueryError):
    """A statement took longer than the sandbox allows. DuckDB has stopped working on it.

    Attributes:
        seconds: What it was allowed.
    """

    def __init__(self, seconds: float, query: str) -> None:
        super().__init__(
            f"Interrupted after {seconds:g} seconds. "
            "Ask for less at a time, or open the engine with Sandbox(timeout=...).",
            query,
        )
        self.seconds = seconds
        self.details["seconds"] = seconds


class OutOfMemoryError(QueryError):
    """DuckDB needs more memory, or more room in its temporary folder, than it may use."""

    def __init__(self, message: str, query: str) -> None:
        super().__init__(
            "DuckDB may not use the memory or the temporary disk space that this needs. In config, "
            "raise memory_limit or max_temp_directory_size, lower threads, or set "
            f"preserve_insertion_order to False. DuckDB says: {message}",
            query,
        )


class ResultTooLargeError(QueryError):
    """A result has more rows or bytes than it may have. It was not built.

    Attributes:
        limit: What it may have.
        unit: ``"rows"`` or ``"bytes"``.
    """

    def __init__(self, limit: int, unit: str, query: str) -> None:
        super().__init__(
            f"The result has more than {limit:,} {unit}. Aggregate, add a LIMIT, or open the "
            f"engine with Sandbox(max_{unit}=...).",
            query,
        )
        self.limit = limit
        self.unit = unit
        self.details.update(limit=limit, unit=unit)


class SandboxError(QueryError):
    """The sandbox does not allow a statement. It was not run.

    Attributes:
        refused: What is not allowed.
    """

    def __init__(self, refused: str, query: str) -> None:
        super().__init__(
            f"The sandbox refuses {refused}. Nothing was run. "
            "Use an engine without sandbox for SQL that you trust.",
            query,
        )
        self.refused = refused
        self.details["refused"] = refused
