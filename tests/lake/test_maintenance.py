"""Snapshots, the size of a lake, and its maintenance."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mixpanel_data import Lake, StorageEngine
from tests.lake.lakes import lake_in
from tests.records import EVENTS, make_event, make_events

pytestmark = pytest.mark.lake

NOW = timedelta()


@pytest.fixture
def jan(storage: StorageEngine) -> StorageEngine:
    storage.create_events_table("jan", make_events(10), EVENTS)
    for start in (10, 20, 30):
        storage.append_events_table("jan", make_events(10, start=start), EVENTS)
    return storage


def test_small_files_are_merged_and_old_snapshots_expire(jan: StorageEngine) -> None:
    before = jan.info()
    assert before.files is not None
    assert before.snapshots is not None
    assert len(jan.data_files("jan")) == 4
    would = jan.maintain(keep=NOW, grace=NOW, dry_run=True)
    assert (would.dry_run, would.merged_files) == (True, 0)
    assert would.expired_snapshots == before.snapshots - 1
    assert jan.info() == before
    done = jan.maintain(keep=NOW, grace=NOW)
    assert done.merged_files >= 4
    assert done.deleted_files >= 4
    assert len(jan.data_files("jan")) == 1
    assert jan.info().snapshots == 1
    assert jan.get_metadata("jan") == EVENTS
    assert jan.execute_scalar("SELECT count(*) FROM _metadata") == 1
    assert jan.append_events_table("jan", make_events(41), EVENTS) == 1


def test_files_without_a_commit_are_deleted_and_no_others(jan: StorageEngine, lake: Lake) -> None:
    orphan = Path(lake.data_path, "main", "jan", "ducklake-orphan.parquet")
    orphan.write_bytes(b"of a loader that was killed")
    assert jan.maintain().orphaned_files == 0  # it may be the file of a load that runs
    assert jan.maintain(grace=NOW).orphaned_files == 1
    assert not orphan.exists()
    assert jan.execute_scalar("SELECT count(DISTINCT insert_id) FROM jan") == 40


def test_who_was_erased_is_in_no_file_after_maintenance(jan: StorageEngine, lake: Lake) -> None:
    jan.append_events_table("jan", [make_event(99, distinct_id="forget-me")], EVENTS)
    assert jan.erase("forget-me") == {"jan": 1}
    jan.maintain(keep=NOW, grace=NOW)
    files = list(Path(lake.data_path).rglob("*.parquet"))
    assert files
    for file in files:
        table = pq.read_table(file)
        if "distinct_id" in table.column_names:
            assert "forget-me" not in table["distinct_id"].to_pylist()


def test_other_readers_of_the_files_get_the_same_rows(jan: StorageEngine) -> None:
    jan.delete_events("jan", before="2025-01-01T00:00:05Z")
    with pytest.raises(ValueError, match="maintain"):
        jan.data_files("jan")
    jan.maintain()
    read = [
        event
        for file in jan.data_files("jan")
        for event in pq.ParquetFile(file).read(["insert_id"])["insert_id"].to_pylist()
    ]
    rows = jan.execute_rows("SELECT insert_id FROM jan")
    assert sorted(read) == sorted(event for (event,) in rows)
    assert len(read) == 35


def test_every_commit_is_a_snapshot_that_can_be_read(jan: StorageEngine, lake: Lake) -> None:
    snapshots = jan.snapshots()
    assert [snapshot.id for snapshot in snapshots] == sorted(snapshot.id for snapshot in snapshots)
    counts = []
    for snapshot in snapshots[-4:]:
        with StorageEngine(lake_in(lake.database, lake.data_path, as_of=snapshot.id)) as old:
            counts.append(old.list_tables()[0].row_count)
    assert counts == [10, 20, 30, 40]
