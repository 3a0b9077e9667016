"""Runs SQLAlchemy's suite with SQLAlchemy's pytest plugin, on a database file of its own."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb
import pytest

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin import pytestplugin  # noqa: E402
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403


def pytest_configure(config: pytest.Config) -> None:
    """Point the plugin at a new database file, with the schemas that the suite expects."""
    folder = tempfile.TemporaryDirectory(prefix="dialect-suite-")
    config.add_cleanup(folder.cleanup)
    path = Path(folder.name) / "suite.db"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2")
    config.option.dburi = [f"duckdb+mixpanel:///{path}"]
    pytestplugin.pytest_configure(config)


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Skip the single tests that DuckDB cannot pass."""
    pytestplugin.pytest_collection_modifyitems(session, config, items)
    from requirements import CANNOT_PASS

    for item in items:
        _, _, name = item.nodeid.partition("::")
        for pattern, (_, says) in CANNOT_PASS.items():
            if re.search(pattern, name):
                item.add_marker(pytest.mark.skip(reason=f"DuckDB says: {says}"))
