"""Helpers of the tests of opening and closing an engine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    StorageEngine,
)
from tests.records import EVENTS, PROFILES, make_events, make_profiles

posix_only = pytest.mark.skipif(os.name == "nt", reason="permissions as POSIX has them")

EXAMPLES = Path(__file__).parents[2] / "examples"

WRITING: dict[str, Callable[[StorageEngine, Any], object]] = {
    "create_events_table": lambda s, data: s.create_events_table("new", data, EVENTS),
    "create_profiles_table": lambda s, data: s.create_profiles_table("new", data, PROFILES),
    "append_events_table": lambda s, data: s.append_events_table("jan", data, EVENTS),
    "append_profiles_table": lambda s, data: s.append_profiles_table("users", data, PROFILES),
    "load_events_export": lambda s, data: s.load_events_export(
        "new", EXAMPLES / "events.jsonl.gz", EVENTS
    ),
    "load_profiles_export": lambda s, data: s.load_profiles_export(
        "new", EXAMPLES / "profiles.jsonl.gz", PROFILES
    ),
    "create_table_as": lambda s, data: s.create_table_as("new", "SELECT 1 AS a"),
    "drop_table": lambda s, data: s.drop_table("jan"),
    "drop_all": lambda s, data: s.drop_all(),
    "rename_table": lambda s, data: s.rename_table("jan", "new"),
    "adopt_table": lambda s, data: s.adopt_table("jan", EVENTS),
    "add_property_columns": lambda s, data: s.add_property_columns("jan", ["$browser"]),
    "drop_property_columns": lambda s, data: s.drop_property_columns("jan", []),
    "refresh_property_columns": lambda s, data: s.refresh_property_columns("jan"),
    "erase": lambda s, data: s.erase(["user-1"]),
    "delete_events": lambda s, data: s.delete_events("jan", before="2025-01-01"),
    "compact": lambda s, data: s.compact(),
    "maintain": lambda s, data: s.maintain(),
    "replace_range": lambda s, data: s.replace_range(
        "jan", data, "2025-01-01", "2025-01-31", EVENTS
    ),
}
ASKING: dict[str, Callable[[StorageEngine], object]] = {
    "execute": lambda s: s.execute("SELECT 1"),
    "execute_df": lambda s: s.execute_df("SELECT 1"),
    "execute_arrow": lambda s: s.execute_arrow("SELECT 1"),
    "execute_dicts": lambda s: s.execute_dicts("SELECT 1"),
    "execute_polars": lambda s: s.execute_polars("SELECT 1"),
    "stream": lambda s: s.stream("SELECT 1"),
    "execute_rows": lambda s: s.execute_rows("SELECT 1"),
    "execute_scalar": lambda s: s.execute_scalar("SELECT 1"),
    "list_tables": lambda s: s.list_tables(),
    "info": lambda s: s.info(),
    "table_exists": lambda s: s.table_exists("jan"),
    "get_schema": lambda s: s.get_schema("jan"),
    "export": lambda s: s.export("SELECT 1 AS a", Path(tempfile.mkdtemp()) / "a.csv"),
    "copy_table": lambda s: s.copy_table("jan", Path(tempfile.mkdtemp()) / "copy.db"),
    "snapshots": lambda s: s.snapshots(),
    "data_files": lambda s: s.data_files("jan"),
    "property_columns": lambda s: s.property_columns("jan"),
    "preview": lambda s: s.preview("SELECT 1"),
    "sample": lambda s: s.sample("jan"),
    "summarize": lambda s: s.summarize("jan"),
    "event_breakdown": lambda s: s.event_breakdown("jan"),
    "property_keys": lambda s: s.property_keys("jan"),
    "property_coverage": lambda s: s.property_coverage("jan"),
    "property_distribution": lambda s: s.property_distribution("jan", None, "$browser"),
    "property_stats": lambda s: s.property_stats("jan", "$browser"),
    "numeric_summary": lambda s: s.numeric_summary("jan", None, "number"),
    "column_stats": lambda s: s.column_stats("jan", "event_name"),
    "daily_counts": lambda s: s.daily_counts("jan"),
    "get_metadata": lambda s: s.get_metadata("jan"),
    "connection": lambda s: s.connection,
    "engine": lambda s: s.engine,
    "session": lambda s: s.session(),
    "table": lambda s: s.table("jan"),
    "model": lambda s: s.model("jan"),
    "schema_revision": lambda s: s.schema_revision,
    "explain": lambda s: s.explain("SELECT 1"),
    "backup": lambda s: s.backup(Path(tempfile.mkdtemp()) / "copy.db"),
}
CONSTRUCTORS = {"ephemeral", "memory", "open_existing"}
ALWAYS_USABLE = {"close", "cleanup", "path", "read_only"}

COUNT_JAN = """
with StorageEngine.open_existing(sys.argv[1]) as storage:
    say(storage.execute_scalar("SELECT count(*) FROM jan"))
"""
APPEND_TO_JAN = """
with StorageEngine.open_existing(sys.argv[1]) as storage:
    say(storage.append_events_table("jan", make_events(30), EVENTS))
"""


def fill(storage: StorageEngine) -> None:
    """Make a table of each kind."""
    storage.create_events_table("jan", make_events(20), EVENTS)
    storage.create_profiles_table("users", make_profiles(5), PROFILES)
