"""The command that serves an agent."""

from __future__ import annotations

from mixpanel_data.cli.arguments import DatabaseArgument, LockTimeoutOption


def mcp(database: DatabaseArgument, lock_timeout: LockTimeoutOption = 5) -> None:
    """Serve a database to an AI agent over stdio, by the Model Context Protocol.

    The agent can look at tables and run queries in a sandbox; it cannot change anything.

    Example:
        mixpanel-data mcp app.db
    """
    from mixpanel_data.cli.mcp_server import serve

    serve(database, lock_timeout=lock_timeout)


COMMANDS = [mcp]
