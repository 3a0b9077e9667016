"""Opening, closing and importing, each beside what is needed anyway."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.case import Groups, Run, case
from benchmarks.cases.read import ALL_ROWS, make_databases, time_laps

LAPS = 20

EXISTING: Groups = {"open an existing file and close it": {}}
EPHEMERAL: Groups = {"temporary database, made and deleted": {}}
IMPORTS: Groups = {"start Python, import and exit": {}}


def _make_existing(run: Run) -> None:
    make_databases(run, "execute_df, all rows")


@case("read", "DuckDB's client", groups=EXISTING, role="floor", prepare=_make_existing)
def plain_opening(run: Run) -> None:
    import duckdb

    def ask() -> int:
        with duckdb.connect(str(run.shared / "events.db")) as connection:
            return len(connection.sql(ALL_ROWS).columns)

    time_laps(run, ask, LAPS, 5)


@case("read", "**mixpanel_data**", groups=EXISTING, role="ours", prepare=_make_existing)
def our_opening(run: Run) -> None:
    from mixpanel_data import StorageEngine

    def ask() -> int:
        with StorageEngine.open_existing(run.shared / "events.db") as storage:
            return len(storage.execute(ALL_ROWS).columns)

    time_laps(run, ask, LAPS, 5)


@case("read", "DuckDB's client in a temporary folder", groups=EPHEMERAL, role="floor")
def plain_ephemeral(run: Run) -> None:
    import duckdb

    def ask() -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.db"
            with duckdb.connect(str(path)):
                return int(path.exists())

    time_laps(run, ask, LAPS, 1)


@case("read", "**mixpanel_data**, StorageEngine.ephemeral", groups=EPHEMERAL, role="ours")
def our_ephemeral(run: Run) -> None:
    from mixpanel_data import StorageEngine

    def ask() -> int:
        with StorageEngine.ephemeral() as storage:
            return int(storage.path is not None and storage.path.exists())

    time_laps(run, ask, LAPS, 1)


@case("read", "sqlalchemy and duckdb", groups=IMPORTS, role="floor")
def import_parts(run: Run) -> None:
    _import(run, "import sqlalchemy, duckdb")


@case("read", "**mixpanel_data**", groups=IMPORTS, role="ours")
def import_ours(run: Run) -> None:
    _import(run, "import mixpanel_data")


@case("read", "nothing", groups=IMPORTS)
def import_nothing(run: Run) -> None:
    _import(run, "pass")


def _import(run: Run, statement: str) -> None:
    command = [sys.executable, "-c", statement]
    time_laps(run, lambda: subprocess.run(command, check=True).returncode, 7, 0)
