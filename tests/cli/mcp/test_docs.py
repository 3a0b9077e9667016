"""The page about the server shows what works."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data.cli.mcp_results import SCHEMA
from mixpanel_data.cli.mcp_tools import TOOLS
from tests.cli.mcp.agent import COMMAND, agent

PAGE = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def servers() -> Iterator[dict[str, Any]]:
    """Yield every server that a client would start."""
    for block in map(json.loads, blocks("json")):
        yield from (block.get("mcpServers") or block.get("servers") or {}).values()


def test_the_page_shows_several_clients() -> None:
    assert len(list(servers())) >= 3


def test_the_server_starts_as_the_page_says(database: Path) -> None:
    for server in servers():
        command, _, *options = server["args"]
        assert Path(server["command"]).name == "mixpanel-data"
        assert command == COMMAND[-1]
        with agent(database, *options) as asking:
            assert asking.ask("list_tables")["row_count"] == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_the_toml_can_be_read() -> None:
    import tomllib

    (text,) = [block for block in blocks("text") if block.startswith("[")]
    block = tomllib.loads(text)
    assert block["mcp_servers"]["mixpanel"] in list(servers())


def test_the_page_has_every_tool_with_its_parameters() -> None:
    rows = dict(re.findall(r"^\| `(\w+)(?:\((.*?)\))?` \|", PAGE, re.MULTILINE))
    assert set(rows) == set(TOOLS)
    for name, shown in rows.items():
        assert re.findall(r"(\w+)(?:=\w+)?(?:, |$)", shown) == list(TOOLS[name].parameters)


def test_the_example_of_a_result_has_every_field() -> None:
    (shown,) = [block for block in map(json.loads, blocks("json")) if "rows" in block]
    assert list(shown) == SCHEMA["required"]
