"""The MCP server: gives an agent tools to look at a database, over standard input and output.

It reads only, in the sandbox, and has the file open only while a call runs. The protocol has
standard output for itself; whatever else is printed goes to standard error.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixpanel_data.cli.exit_codes import INTERRUPTED, OK, end_by_signal
from mixpanel_data.cli.mcp_calls import Calls
from mixpanel_data.cli.mcp_errors import message_of, unexpected
from mixpanel_data.cli.mcp_results import SCHEMA, as_json
from mixpanel_data.cli.mcp_tools import INSTRUCTIONS, TOOLS, Tool, tool_of
from mixpanel_data.cli.shared_engine import SharedEngine
from mixpanel_data.common.signals import DEADLY
from mixpanel_data.database import paths
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import McpUnavailableError, MixpanelDataError
from mixpanel_data.storage import StorageEngine, lake_of
from mixpanel_data.types import Secret

if TYPE_CHECKING:
    from mcp.server import Server, ServerRequestContext
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
    )
    from typing_extensions import Self

_log = logging.getLogger(__name__)

#: Seconds to wait for a file that another process has open, unless the caller says otherwise.
LOCK_TIMEOUT = 10.0

#: What the sandbox may return; a tool returns less of it.
_MAX_ROWS, _MAX_BYTES = 100_000, 64 * 2**20


class McpServer:
    """Serves a database to an agent.

    The database need not be there yet: it is opened for each call, read-only.

    Args:
        database: The database file; or a :class:`~mixpanel_data.Lake`, or the URL of one.
        lock_timeout: Seconds for which a call waits while another process writes to the file;
            10 by default.
        timeout: Seconds for which a call may run SQL.
        memory_limit: What a statement may take, as in :class:`~mixpanel_data.Sandbox`.
        workers: How many statements run at once; others wait.
        worker: Run SQL in another process, under limits of the operating system; by default
            where that is possible, on Linux.
        config: DuckDB's settings.
        encryption_key: The key of an encrypted file.

    Attributes:
        server: The SDK's server, for a transport of one's own.

    Raises:
        McpUnavailableError: The extra ``mcp`` is not installed. It is an ``ImportError``.
        ValueError: A limit is not above 0, or ``lock_timeout`` is negative, or ``worker`` is True
            elsewhere than on Linux.

    Example:
        ```python
        with McpServer("events.db") as server:
            server.run()
        ```
    """

    def __init__(
        self,
        database: str | os.PathLike[str] | Lake,
        *,
        lock_timeout: float | None = None,
        timeout: float = 30.0,
        memory_limit: str = "1GB",
        workers: int = 2,
        worker: bool | None = None,
        config: Mapping[str, Any] | None = None,
        encryption_key: str | Secret | None = None,
    ) -> None:
        lake = lake_of(database)
        place = lake if isinstance(lake, Lake) else paths.path_of(lake).absolute()
        wait = LOCK_TIMEOUT if lock_timeout is None else lock_timeout
        if wait < 0:
            raise ValueError(f"lock_timeout is {wait:g}. Use seconds from 0.")
        sandbox = Sandbox(
            memory_limit=memory_limit,
            timeout=timeout,
            max_rows=_MAX_ROWS,
            max_bytes=_MAX_BYTES,
            worker=sys.platform == "linux" if worker is None else worker,
            max_workers=workers,
        )
        key = Secret.of(encryption_key)

        def open_engine(lock_timeout: float) -> StorageEngine:
            return StorageEngine(
                place,
                read_only=True,
                config=config,
                sandbox=sandbox,
                lock_timeout=lock_timeout,
                encryption_key=key,
            )

        self._calls = Calls(
            SharedEngine(open_engine), seconds=timeout, lock_timeout=wait, threads=workers
        )
        self.server = _server(place, self._calls)

    def run(self) -> None:
        """Serve over standard input and output, until the client hangs up.

        Ctrl-C stops all calls and ends the process with status 130, and a client that is gone
        with status 0.

        Raises:
            BrokenPipeError: The client has gone without waiting for an answer.
        """
        import anyio

        try:
            anyio.run(self._run)
        except Exception as error:  # a group of those of the SDK's tasks
            split = getattr(error, "split", None)
            if split is None or split(BrokenPipeError)[1] is not None:
                raise
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error

    async def _run(self) -> None:
        from mcp.server.stdio import stdio_server

        _end_on_interrupt(self._calls)
        async with stdio_server() as (requests, answers):
            options = self.server.create_initialization_options()
            try:
                await self.server.run(requests, answers, options)
            except asyncio.CancelledError:  # an answer could not be written
                if sys.platform == "win32":  # or Ctrl-C came
                    raise
                _end(self._calls, OK)

    def close(self) -> None:
        """Stop all calls, and wait for their threads."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end_on_interrupt(calls: Calls) -> None:
    """End the process on Ctrl-C, and on deadly signals as every process ends on them."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return

    end = partial(_end, calls, INTERRUPTED)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, end)
    for number in DEADLY:  # a server has nothing to leave behind
        if signal.getsignal(number) is end_by_signal:
            signal.signal(number, signal.SIG_DFL)


def _end(calls: Calls, status: int) -> None:
    """End the process, since the SDK would wait for the next line of its input."""
    calls.close()
    os._exit(status)


def _server(place: Path | Lake, calls: Calls) -> Server[Any]:
    try:
        from mcp.server import Server
    except ImportError as error:
        raise McpUnavailableError from error
    return Server(
        "mixpanel-data",
        version=version("mixpanel_data"),
        title="Mixpanel data",
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=partial(_call_tool, place, calls),
    )


async def _list_tools(
    context: ServerRequestContext[Any], params: PaginatedRequestParams | None
) -> ListToolsResult:
    import mcp_types

    return mcp_types.ListToolsResult(
        tools=[
            mcp_types.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.input_schema,
                output_schema=SCHEMA,
                annotations=mcp_types.ToolAnnotations(
                    title=tool.title,
                    read_only_hint=True,
                    destructive_hint=False,
                    idempotent_hint=True,
                    open_world_hint=False,
                ),
            )
            for tool in TOOLS.values()
        ]
    )


async def _call_tool(
    place: Path | Lake,
    calls: Calls,
    context: ServerRequestContext[Any],
    params: CallToolRequestParams,
) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    try:
        tool = tool_of(params.name)
        arguments = tool.arguments(params.arguments or {})
        work = partial(_answered, tool, arguments)
        found, text = await calls.run(work, runs_sql=tool.runs_sql)
    except (MixpanelDataError, ValueError) as error:
        text, found = message_of(error, place), None
    except Exception as error:
        _log.exception("The tool %r failed", params.name)
        text, found = unexpected(error), None
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=found,
        is_error=found is None,
    )


def _answered(
    tool: Tool, arguments: dict[str, Any], storage: StorageEngine
) -> tuple[dict[str, Any], str]:
    return as_json(tool.answer(storage, **arguments))
