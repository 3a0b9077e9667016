"""The command that serves an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixpanel_data.cli.arguments import DatabaseArgument, LockTimeoutOption
from mixpanel_data.cli.databases import key, located
from mixpanel_data.cli.exit_codes import say


def mcp(
    database: DatabaseArgument,
    lock_timeout: LockTimeoutOption = 10,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long a call may run SQL.")
    ] = 30,
    memory_limit: Annotated[
        str, typer.Option(metavar="SIZE", help="How much memory a query may take.")
    ] = "1GB",
) -> None:
    """Serve a database to an AI agent over stdio, by the Model Context Protocol.

    The agent can look at tables and run queries in a sandbox; it cannot change anything.

    The database may be a lake, by its URL.

    Example:
        mixpanel-data mcp app.db
    """
    from mixpanel_data.cli.mcp_server import McpServer
    from mixpanel_data.database import paths

    found = located(database)
    if isinstance(found.place, Path) and not paths.exists(found.place):
        say(f"{found.place}: no such file yet. Calls will say so until it is there.")
    with McpServer(
        found.place,
        lock_timeout=found.lock_timeout or lock_timeout,
        timeout=timeout,
        memory_limit=memory_limit,
        config=found.config,
        encryption_key=key(),
    ) as server:
        server.run()
