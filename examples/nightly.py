"""A job for a scheduler: add yesterday, and take the days before as they are fetched again.

    python examples/nightly.py mixpanel.db exports/
    python examples/nightly.py mixpanel.db exports/ --day 2025-01-31 --again 2

In the folder is a file of each day, such as ``exports/2025-01-31.jsonl.gz``, as a raw export gives
it. Yesterday is appended. The days before it, whose late events have come in meanwhile, take the
place of what the table has of them. Each day is a transaction, so the job can be run again at any
time. Lines that are no events go to ``exports/rejected/``.

Exit codes: 0 all is well, 1 an error, 2 wrong arguments, 3 the file of the day is not there yet,
4 another process has the database open, 5 it needs a migration, 6 loaded, but lines were rejected.
After 3 and 4, run it again later; the others want somebody to look.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from mixpanel_data import (
    DatabaseLockedError,
    ExportFileNotFoundError,
    LoadResult,
    MixpanelDataError,
    SchemaVersionError,
    StorageEngine,
    TableMetadata,
)

TABLE = "events"


def file_of(folder: Path, day: date) -> Path:
    """Return the export of a day, whatever its compression.

    Raises:
        ExportFileNotFoundError: There is none.
    """
    found = sorted(folder.glob(f"{day}.jsonl*"))
    if not found:
        raise ExportFileNotFoundError(f"{folder}/{day}.jsonl*", "no export of this day.")
    return found[0]


def load(storage: StorageEngine, folder: Path, day: date, *, again: bool) -> LoadResult:
    """Load the events of one day, in one transaction."""
    file, rejects = file_of(folder, day), folder / "rejected" / f"{day}.jsonl"
    rejects.parent.mkdir(exist_ok=True)
    now = datetime.now(timezone.utc)
    metadata = TableMetadata("events", now, from_date=str(day), to_date=str(day))
    if again:
        return storage.replace_range(
            TABLE, file, day, day, metadata, on_error="skip", rejects=rejects
        )
    return storage.load_events_export(
        TABLE, file, metadata, if_exists="append", on_error="skip", rejects=rejects
    )


def run(storage: StorageEngine, folder: Path, yesterday: date, again: int) -> int:
    """Load all days; return the exit code."""
    result = load(storage, folder, yesterday, again=False)
    print(f"{yesterday}: {result.summary}")
    rejected = result.rejected
    for number in range(1, again + 1):
        day = yesterday - timedelta(days=number)
        if list(folder.glob(f"{day}.jsonl*")):
            result = load(storage, folder, day, again=True)
            print(f"{day} again: {result.summary}")
            rejected += result.rejected
    return 6 if rejected else 0


def exit_code(error: MixpanelDataError) -> int:
    """Return what a scheduler needs to know of an error."""
    codes = {ExportFileNotFoundError: 3, DatabaseLockedError: 4, SchemaVersionError: 5}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 1)


def main() -> int:
    """Run the job that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("database")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--day", type=date.fromisoformat, help="YYYY-MM-DD, by default yesterday")
    parser.add_argument("--again", type=int, default=2, help="how many days before it, too")
    parser.add_argument("--lock-timeout", type=float, default=60, help="seconds")
    given = parser.parse_args()
    yesterday = given.day or datetime.now(timezone.utc).date() - timedelta(days=1)
    try:
        with StorageEngine(given.database, lock_timeout=given.lock_timeout) as storage:
            return run(storage, given.folder, yesterday, given.again)
    except MixpanelDataError as error:
        print(error.message, file=sys.stderr)
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
