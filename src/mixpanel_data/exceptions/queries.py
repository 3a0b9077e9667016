"""What is wrong with a query."""

from __future__ import annotations

from mixpanel_data.exceptions.base import MixpanelDataError


class QueryError(MixpanelDataError):
    """The database refused a query; its own message is kept.

    ``details["query"]`` is the SQL. The values of parameters are not kept.

    Attributes:
        hint: What was probably meant, at the end of the message; None where nothing is known.
    """

    def __init__(self, message: str, query: str, hint: str | None = None) -> None:
        super().__init__(f"{message} {hint}" if hint else message, {"query": query})
        self.hint = hint


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
    """DuckDB needs more memory, or more room in its temporary folder, than it may use.

    Attributes:
        reason: What DuckDB says.
    """

    def __init__(self, message: str, query: str, *, loading: bool = False) -> None:
        load = "raise load_memory_limit; or, " if loading else ""
        super().__init__(
            "DuckDB may not use the memory or the temporary disk space that this needs. To go on, "
            f"{load}in config (with a sandbox: in Sandbox), raise memory_limit or "
            "max_temp_directory_size (in Sandbox: max_temp_size), lower threads, or set "
            f"preserve_insertion_order to False. DuckDB says: {message}",
            query,
        )
        self.reason = message

    def while_loading(self) -> OutOfMemoryError:
        """Return the same error with advice for a load."""
        return OutOfMemoryError(self.reason, self.details["query"], loading=True)


class ResultTooLargeError(QueryError):
    """A result has more rows or bytes than it may have. It was not built.

    Attributes:
        limit: What it may have.
        unit: ``"rows"`` or ``"bytes"``.
    """

    def __init__(self, limit: int, unit: str, query: str, *, limited_by: str = "") -> None:
        more = (
            f"raise {limited_by}" if limited_by else f"open the engine with Sandbox(max_{unit}=...)"
        )
        super().__init__(
            f"The result has more than {limit:,} {unit}. Aggregate, such as with count(*) and "
            f"GROUP BY, add a LIMIT, or {more}.",
            query,
        )
        self.limit = limit
        self.unit = unit
        self.details.update(limit=limit, unit=unit)


class SandboxError(QueryError):
    """The sandbox does not allow a statement. It was not run.

    Attributes:
        refused: What is not allowed.
        advice: What to do instead.
    """

    def __init__(self, refused: str, query: str, advice: str = "") -> None:
        advice = advice or "SQL here only asks for what is in the tables of the database."
        super().__init__(f"The sandbox refuses {refused}. Nothing was run. {advice}", query)
        self.refused = refused
        self.advice = advice
        self.details.update(refused=refused, advice=advice)


class WorkerCrashedError(QueryError):
    """The process that ran a statement has died. The next statement gets a new one.

    Attributes:
        reason: How it died, such as ``"killed by SIGSEGV"``.
    """

    def __init__(self, reason: str, query: str) -> None:
        super().__init__(
            f"The worker that ran this is gone: {reason}. Nothing else is lost, and the next "
            "statement gets a new worker. Ask for less at a time, or open the engine with "
            "Sandbox(memory_limit=...); where that does not help, the statement hits an error in "
            "DuckDB.",
            query,
        )
        self.reason = reason
        self.details["reason"] = reason
