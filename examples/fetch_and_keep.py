"""Fetch events and profiles from Mixpanel, and keep them: again and again, without duplicates.

    pip install mixpanel_data mixpanel-headless
    export MP_USERNAME=… MP_SECRET=… MP_PROJECT_ID=… MP_REGION=us
    python examples/fetch_and_keep.py mixpanel.db                         # the last month
    python examples/fetch_and_keep.py mixpanel.db 2025-01-01 2025-01-31   # these days

mixpanel-headless streams, mixpanel_data loads what comes, so neither holds a month in memory. What
breaks off half-way leaves the file as it was: run it again.
"""

from __future__ import annotations

import argparse
from datetime import date, datetime, timedelta, timezone

from mixpanel_headless import Workspace

from mixpanel_data import StorageEngine, TableMetadata


def last_month(today: date) -> tuple[str, str]:
    """Return the first and the last day of the month before."""
    last = today.replace(day=1) - timedelta(days=1)
    return str(last.replace(day=1)), str(last)


def keep_events(storage: StorageEngine, workspace: Workspace, from_date: str, to_date: str) -> None:
    """Add the events of some days that are not there yet.

    The raw stream, because it has Mixpanel's own ids: the other one makes up those that are
    missing, each time different ones.
    """
    events = workspace.stream_events(from_date=from_date, to_date=to_date, raw=True)
    now = datetime.now(timezone.utc)
    metadata = TableMetadata("events", now, from_date=from_date, to_date=to_date)
    result = storage.load_events_export("events", events, metadata, if_exists="append")
    print(f"events: {result.summary}")


def keep_profiles(storage: StorageEngine, workspace: Workspace) -> None:
    """Add new profiles, and put those that have changed in the place of the old ones."""
    profiles = workspace.stream_profiles(raw=True)
    metadata = TableMetadata("profiles", datetime.now(timezone.utc))
    result = storage.load_profiles_export(
        "users", profiles, metadata, if_exists="append", on_conflict="replace"
    )
    print(f"users: {result.summary}")


def main() -> None:
    """Fetch what the command line names."""
    first, last = last_month(datetime.now(timezone.utc).date())
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("database")
    parser.add_argument("from_date", nargs="?", default=first)
    parser.add_argument("to_date", nargs="?", default=last)
    given = parser.parse_args()
    with StorageEngine(given.database, lock_timeout=60) as storage, Workspace() as workspace:
        keep_events(storage, workspace, given.from_date, given.to_date)
        keep_profiles(storage, workspace)


if __name__ == "__main__":
    main()
