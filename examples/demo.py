"""A guided tour: a month of Mixpanel events, loaded, queried and opened again.

    python examples/demo.py

It works in a temporary folder and leaves nothing behind. The code it shows is the code it runs.
"""

import gzip
import inspect
import io
import logging
import sys
import tempfile
import textwrap
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import String, column, func, literal_column, select, table

from mixpanel_data import (
    StorageEngine,
    TableExistsError,
    TableMetadata,
    read_events_export,
    read_profiles_export,
)

EVENTS = Path(__file__).with_name("events.jsonl.gz")
PROFILES = Path(__file__).with_name("profiles.jsonl.gz")
FOLDER = tempfile.TemporaryDirectory()
DATABASE = Path(FOLDER.name) / "demo.db"
CUT_OFF = Path(FOLDER.name) / "cut_off.jsonl"
REJECTS = Path(FOLDER.name) / "rejects.jsonl"
NOW = datetime.now(timezone.utc)
JANUARY = TableMetadata("events", NOW, from_date="2025-01-01", to_date="2025-01-31")


class ProgressBar:
    """A progress callback: a bar that grows on a terminal, and one line in a log file."""

    def __init__(self, total: int) -> None:
        self.total, self.records = total, 0

    def __call__(self, records: int) -> None:
        """Draw the bar."""
        self.records, full = records, records == self.total
        if full or sys.stdout.isatty():
            bar = "#" * (30 * records // self.total)
            print(f"[{bar:.<30}] {records:,} records", end="\n" if full else "\r", flush=True)


def load(storage: StorageEngine) -> None:
    """Load a month of events, and the profiles of the users."""
    progress = ProgressBar(total=sum(1 for _ in read_events_export(EVENTS)))
    events = read_events_export(EVENTS)
    rows = storage.create_events_table("events_jan", events, JANUARY, progress, batch_size=250)
    print(f"{rows:,} events added, {progress.records - rows} skipped: their id was there already")
    profiles = read_profiles_export(PROFILES)
    rows = storage.create_profiles_table("users", profiles, TableMetadata("profiles", NOW))
    print(f"{rows:,} profiles added")


def look_around(storage: StorageEngine) -> None:
    """See what there is."""
    for info in storage.list_tables():
        columns = storage.get_schema(info.name).columns
        print(f"{info.name} ({info.row_count:,} {info.type}):", *[c.name for c in columns])
    metadata = storage.get_metadata("events_jan")
    print(f"events_jan was fetched from {metadata.from_date} to {metadata.to_date}")


def query_frame(storage: StorageEngine) -> None:
    """Get a DataFrame."""
    frame = storage.execute_df("""
        SELECT event_name, count(*) AS events, count(DISTINCT distinct_id) AS users
        FROM events_jan GROUP BY ALL ORDER BY events DESC, event_name""")
    print(frame)


def query_rows(storage: StorageEngine) -> None:
    """Get rows. Properties are JSON as Mixpanel sent it; names with a $ go into '$."..."'."""
    by_browser = """
        SELECT properties->>'$."$browser"' AS browser, count(*)
        FROM events_jan WHERE event_name = ? GROUP BY browser ORDER BY browser"""
    print(storage.execute_rows(by_browser, ["Sign Up"]))


def query_scalar(storage: StorageEngine) -> None:
    """Get one value."""
    users_in = """SELECT count(*) FROM users WHERE properties->>'$."$city"' = ?"""
    print(storage.execute_scalar(users_in, ["東京"]), "users in 東京")


def query_relation(storage: StorageEngine) -> None:
    """Get a relation, and go on in DuckDB."""
    events = storage.execute("SELECT strftime(event_time, '%A') AS day, * FROM events_jan")
    signups = events.filter("event_name = 'Sign Up'").aggregate("day, count(*) AS signups")
    print(signups.order("signups DESC, day").limit(3).fetchall())


def query_sqlalchemy(storage: StorageEngine) -> None:
    """Ask with SQLAlchemy."""
    plan = literal_column("properties->>'plan name'", String)
    upgrades = select(plan, func.count()).select_from(table("events_jan"))
    upgrades = upgrades.where(column("event_name") == "Plan Upgraded").group_by(plan).order_by(plan)
    print(storage.execute_rows(upgrades))


def join(storage: StorageEngine) -> None:
    """Join events with profiles, and look into nested properties."""
    frame = storage.execute_df("""
        SELECT u.properties->>'plan' AS plan, count(*) AS exports,
               avg((e.properties->'filters'->'range'->>'days')::INT).round(1) AS days
        FROM events_jan AS e JOIN users AS u USING (distinct_id)
        WHERE event_name = 'Report Exported' GROUP BY plan ORDER BY plan""")
    print(frame)


def append_again(storage: StorageEngine) -> None:
    """Load the same file once more: nothing comes twice."""
    rows = storage.append_events_table("events_jan", read_events_export(EVENTS), JANUARY)
    print(f"{rows} events added")


def load_what_was_cut_off(storage: StorageEngine) -> None:
    """Load an export that broke off within a line: the rest is loaded, and said to be the rest."""
    with gzip.open(EVENTS) as file:
        CUT_OFF.write_bytes(file.read(50_000))
    result = storage.load_events_export(
        "cut_off", CUT_OFF, JANUARY, on_error="skip", rejects=REJECTS
    )
    print(f"{result.added} events added, {result.rejected} rejected:")
    print(REJECTS.read_text()[:120], "...")


def meet_an_error(storage: StorageEngine) -> None:
    """Make a mistake: every error has a type of its own and says what to do."""
    try:
        storage.create_events_table("events_jan", [], JANUARY)
    except TableExistsError as error:
        print(f"{type(error).__name__}: {error}")


def reopen(storage: StorageEngine) -> None:
    """Close the file and open it again, read-only."""
    storage.close()
    with StorageEngine.open_existing(DATABASE, read_only=True) as again:
        print(f"{again.execute_scalar('SELECT count(*) FROM events_jan'):,} events")


STEPS = [load, look_around, query_frame, query_rows, query_scalar, query_relation]
STEPS += [query_sqlalchemy, join, append_again, load_what_was_cut_off, meet_an_error, reopen]


def show(number: int, step: Callable[[StorageEngine], None]) -> None:
    """Print what a step is about, and its code."""
    print(f"\n{number}. {step.__doc__}")
    _, body = inspect.getsource(step).split(f'"""{step.__doc__}"""\n')
    print(textwrap.indent(textwrap.dedent(body), "  | "), end="")


def main() -> None:
    """Take all the steps."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal can write 東京
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s: %(message)s")
    with FOLDER, StorageEngine(DATABASE) as storage:
        for number, step in enumerate(STEPS, 1):
            show(number, step)
            step(storage)


if __name__ == "__main__":
    main()
