"""The sandbox of one open database: rules, limits, and workers if requested."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.sandbox.guard import Guard, PrefixingSandboxGuard
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.rules import Rules
from mixpanel_data.database.sandbox.worker.guard import WorkerGuard
from mixpanel_data.database.sandbox.worker.places import FilePlace, LakePlace
from mixpanel_data.database.sandbox.worker.pool import Workers, check_options
from mixpanel_data.database.settings import RESOURCES, Resources
from mixpanel_data.database.statement_policy import PolicyFactory
from mixpanel_data.database.targets import Target
from mixpanel_data.dialect.lake.definition import Lake

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver.guards import StatementGuard


def sandbox_factory(sandbox: Sandbox, target: Target, options: OpenOptions) -> PolicyFactory:
    """Return a function that makes the policy of a database once it is open.

    Args:
        sandbox: The limits.
        target: The database.
        options: How it will be opened.

    Raises:
        ValueError: ``sandbox`` asks for workers, which are not possible.
    """
    place = target.place
    check_options(sandbox, place, read_only=options.read_only)

    def make(opened: OpenDatabase) -> SandboxPolicy:
        rules = Rules(opened, sandbox)
        if place is None or not sandbox.worker:
            return SandboxPolicy(rules)
        with closing(opened.cursor()) as cursor:
            resources = Resources(*cursor.execute(RESOURCES).fetchall()[0])
        sent = LakePlace(place) if isinstance(place, Lake) else FilePlace(place, options.key)
        return SandboxPolicy(rules, Workers(sent, dict(options.config), sandbox, resources.memory))

    return make


def with_sandbox_settings(config: Mapping[str, Any], sandbox: Sandbox) -> dict[str, Any]:
    """Return DuckDB's settings, including those of a sandbox.

    Raises:
        ValueError: ``config`` has a setting that only the sandbox may set.
    """
    if both := config.keys() & sandbox.settings.keys():
        raise ValueError(
            f"The sandbox sets {', '.join(sorted(both))}. Leave it out of config; "
            "Sandbox(...) takes the limits."
        )
    return {**config, **sandbox.settings}


class SandboxPolicy:
    """What untrusted SQL may do: see :mod:`~mixpanel_data.database.statement_policy`.

    Args:
        rules: What a statement may contain.
        workers: The processes that run the statements, None if this process runs them.

    Attributes:
        workers: As given.
    """

    is_sandbox = True

    def __init__(self, rules: Rules, workers: Workers | None = None) -> None:
        self._rules = rules
        self.workers = workers
        self.has_workers = workers is not None
        if workers is not None:
            weakref.finalize(self, workers.close)

    def guard(
        self, driver: duckdb.DuckDBPyConnection, most_rows: int | None = None
    ) -> StatementGuard:
        """Return a guard that checks and limits the statements of a connection."""
        if self.workers is not None:
            return WorkerGuard(self.workers, most_rows=most_rows)
        return Guard(self._rules, driver, most_rows)

    def prefixing_guard(self, prefix: str, driver: duckdb.DuckDBPyConnection) -> StatementGuard:
        """Return a guard that also puts trusted SQL before every statement."""
        if self.workers is not None:
            return WorkerGuard(self.workers, prefix)
        return PrefixingSandboxGuard(prefix, self._rules, driver)

    def close(self) -> None:
        """Stop the workers."""
        if self.workers is not None:
            self.workers.close()
