"""Load export files into a lake, from as many terminals as you like.

Start the servers with ``docker compose up`` in this folder, then in two terminals::

    export PGPASSWORD=lake
    export LAKE='duckdb+mixpanel://lake@localhost/lake?lake=postgresql&data_path=/tmp/lake'
    python load.py ../events.jsonl.gz

Both load the same events. Each event is stored once, and each terminal tells how many it added.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone

from mixpanel_data import Lake, StorageEngine, TableMetadata


def main(files: list[str]) -> None:
    """Load files into the table ``events`` of the lake in the environment."""
    lake = Lake.from_url(os.environ["LAKE"])
    metadata = TableMetadata("events", datetime.now(timezone.utc))
    with StorageEngine(lake) as storage:
        for file in files:
            result = storage.load_events_export("events", file, metadata, if_exists="append")
            print(f"{file}: {result.summary}")
        total = storage.list_tables()[0].row_count
        print(f"{lake}: {total:,} events")


if __name__ == "__main__":
    main(sys.argv[1:])
