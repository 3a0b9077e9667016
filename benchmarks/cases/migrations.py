"""A revision over fifty tables, one of them large, with 400 MB for DuckDB's memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.case import Groups, Run, case
from benchmarks.cases.common import metadata
from benchmarks.events import records

SIZES = (1, 2, 5, 10)
TABLES = 50
MEMORY = {"memory_limit": "400MB"}

#: What a revision does to every table. The second cannot be done by ``ALTER TABLE``.
UPGRADES = {
    "add and fill a column": """
        events.add_column(sa.Column("source", sa.String), fill="event_name")
""",
    "change the type of the key": """
        events.change_type("insert_id", sa.LargeBinary, using="encode(insert_id)")
""",
}

SCRIPT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "benchmark", {head!r}
def upgrade():
    with op.managed_tables("events") as events:
{upgrade}
"""

#: The same by hand, one table after the other.
STATEMENTS = {
    "add and fill a column": """
        ALTER TABLE "{0}" ADD COLUMN source VARCHAR;
        UPDATE "{0}" SET source = event_name
    """,
    "change the type of the key": """
        CREATE TABLE made (
            event_name VARCHAR NOT NULL, event_time TIMESTAMP NOT NULL,
            distinct_id VARCHAR NOT NULL, insert_id BLOB PRIMARY KEY, properties JSON
        );
        INSERT INTO made SELECT * REPLACE (encode(insert_id) AS insert_id) FROM "{0}";
        DROP TABLE "{0}";
        ALTER TABLE made RENAME TO "{0}"
    """,
}

GROUPS: Groups = {
    f"{kind}, {times} N": {"kind": kind, "times": times} for kind in UPGRADES for times in SIZES
}


def _name(times: int) -> str:
    return f"many-{times}.db"


def _make(run: Run, kind: str, times: int) -> None:
    from mixpanel_data import StorageEngine

    path = run.shared / _name(times)
    if path.exists():
        return
    rows = run.rows * times
    with StorageEngine(path) as storage:
        storage.create_events_table("large", records("small", rows), metadata())
        for number in range(TABLES - 1):
            name = f"small_{number}"
            storage.create_events_table(name, records("small", rows // 1000), metadata())


def _take(run: Run, times: int) -> None:
    shutil.copy(run.shared / _name(times), run.database)
    run.rows *= times


def _expect_done(run: Run, kind: str) -> None:
    import duckdb

    done = {"add and fill a column": "source IS NULL", "change the type of the key": "false"}[kind]
    with duckdb.connect(str(run.database)) as connection:
        query = f"SELECT count(*) FILTER ({done}), count(DISTINCT insert_id) = count(*) FROM large"
        run.expect(connection.execute(query).fetchone(), (0, True))
        keys = "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        run.expect(connection.execute(keys).fetchone(), (TABLES + 1,))


@case(
    "migrations", "floor: the same statements by hand", groups=GROUPS, role="floor", prepare=_make
)
def by_hand(run: Run, kind: str, times: int) -> None:
    import duckdb

    _take(run, times)
    names = ["large", *(f"small_{number}" for number in range(TABLES - 1))]
    with run.timed(), duckdb.connect(str(run.database), config=MEMORY) as connection:
        connection.begin()
        for name in names:
            connection.execute(STATEMENTS[kind].format(name))
        connection.commit()
    _expect_done(run, kind)


@case(
    "migrations", "**mixpanel_data**, op.managed_tables", groups=GROUPS, role="ours", prepare=_make
)
def by_revision(run: Run, kind: str, times: int) -> None:
    from alembic import command
    from sqlalchemy import create_engine

    _take(run, times)
    config = _configuration(run.folder / "versions", kind)
    with run.timed():
        url = f"duckdb+mixpanel:///{run.database}"
        engine = create_engine(url, connect_args={"config": MEMORY})
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        with engine.connect() as connection:
            connection.exec_driver_sql("CHECKPOINT")
        engine.dispose()
    _expect_done(run, kind)


def _configuration(folder: Path, kind: str) -> Any:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "mixpanel_data.migrations:")
    head = ScriptDirectory.from_config(config).get_current_head()
    folder.mkdir()
    script = SCRIPT.format(head=head, upgrade=UPGRADES[kind].strip("\n"))
    (folder / "benchmark.py").write_text(script, encoding="utf-8")
    own = Path(__file__).parents[2] / "migrations" / "versions"
    config.set_main_option("version_locations", f"{own}:{folder}")
    config.set_main_option("path_separator", ":")
    return config
