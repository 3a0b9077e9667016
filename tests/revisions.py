"""Revisions for tests only: they follow the head of the library's own history."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from mixpanel_data.schema.versions import HEAD

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = {revision!r}, {before!r}
def upgrade():
{up}
def downgrade():
{down}
"""

#: One that changes every events table in a way for which it is made anew, and back.
REBUILDING = (
    """
    with op.managed_tables("events") as events:
        events.add_column(sa.Column("source", sa.String, nullable=False), fill="'export'")
        events.change_type("insert_id", sa.LargeBinary, using="encode(insert_id)")
        events.rename_column("event_name", "name")
    """,
    """
    with op.managed_tables("events") as events:
        events.drop_column("source")
        events.change_type("insert_id", sa.String, using="decode(insert_id)")
        events.rename_column("name", "event_name")
    """,
)

#: One for which DuckDB needs no copy of any table, and back.
DIRECT = (
    """
    with op.managed_tables("events") as events:
        events.add_column(sa.Column("source", sa.String), fill="event_name || '!'")
    with op.managed_tables("profiles") as profiles:
        profiles.rename_column("last_seen", "seen_at")
    """,
    """
    with op.managed_tables("events") as events:
        events.drop_column("source")
    with op.managed_tables("profiles") as profiles:
        profiles.rename_column("seen_at", "last_seen")
    """,
)


def config_with(folder: Path, *revisions: tuple[str, str]) -> Config:
    """Return Alembic's configuration with more revisions after the head: ``t1``, ``t2``, …

    Args:
        folder: Where to write them.
        revisions: The bodies of ``upgrade`` and ``downgrade``.
    """
    folder.mkdir(exist_ok=True)
    before = HEAD
    for number, (up, down) in enumerate(revisions, 1):
        name = f"t{number}"
        bodies = {"up": _body(up), "down": _body(down)}
        script = SCRIPT.format(revision=name, before=before, **bodies)
        (folder / f"{name}.py").write_text(script)
        before = name
    config = Config()
    config.set_main_option("script_location", "mixpanel_data.migrations:")
    locations = f"{ROOT / 'migrations' / 'versions'}:{folder}".replace("%", "%%")
    config.set_main_option("version_locations", locations)
    for option in ("path_separator", "version_path_separator"):
        config.set_main_option(option, ":")
    return config


def go(engine: Engine, config: Config, revision: str, *, down: bool = False) -> None:
    """Go up or down to a revision in one transaction."""
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


def _body(code: str) -> Any:
    return textwrap.indent(textwrap.dedent(code).strip(), "    ")
