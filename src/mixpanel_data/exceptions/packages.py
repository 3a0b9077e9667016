"""Packages that are not installed."""

from __future__ import annotations

from mixpanel_data.exceptions.base import MixpanelDataError


class McpUnavailableError(MixpanelDataError, ImportError):
    """The package of the MCP server is missing, or of another version."""

    def __init__(self) -> None:
        super().__init__(
            "The MCP server needs the package mcp, version 2. Install it with "
            "pip install 'mixpanel_data[mcp]'."
        )
