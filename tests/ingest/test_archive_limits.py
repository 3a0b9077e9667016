"""An archive that swells is stopped by every way in, and the caller can allow more or less."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    ExportFileError,
    StorageEngine,
    TableMetadata,
    read_events_export,
    read_profiles_export,
)
from mixpanel_data.ingest import decompression

NOW = datetime(2025, 2, 1, tzinfo=timezone.utc)
EVENTS, PROFILES = TableMetadata("events", NOW), TableMetadata("profiles", NOW)
DAY = date(2025, 1, 1)

Way = Callable[[StorageEngine, Any, "int | None"], int]


def lines(count: int) -> bytes:
    """Return lines that pack to almost nothing, as those of a harmful archive do."""
    properties = f'"time": 1735689600, "distinct_id": "u", "pad": "{"x" * 500}"'
    return b"".join(
        b'{"event": "A", "properties": {"$insert_id": "%d", %s}}\n' % (n, properties.encode())
        for n in range(count)
    )


def profile_lines(count: int) -> bytes:
    return b"".join(
        b'{"$distinct_id": "%d", "$properties": {"pad": "%s"}}\n' % (n, b"x" * 500)
        for n in range(count)
    )


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.jsonl", data)
    return packed.getvalue()


PACKS = {"gzip": gzip.compress, "zip": zipped}


def load(storage: StorageEngine, data: Any, most: int | None) -> int:
    return storage.load_events_export("t", data, EVENTS, max_decompressed_bytes=most)


def replace(storage: StorageEngine, data: Any, most: int | None) -> int:
    storage.create_events_table("t", [], EVENTS)
    return storage.replace_range("t", data, DAY, DAY, EVENTS, max_decompressed_bytes=most)


def read(storage: StorageEngine, data: Any, most: int | None) -> int:
    return len(list(read_events_export(data, max_decompressed_bytes=most)))


def as_path(path: Path) -> Any:
    return path


def as_open_file(path: Path) -> Any:
    return io.BytesIO(path.read_bytes())


@pytest.fixture(params=PACKS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl.packed"
    path.write_bytes(PACKS[request.param](lines(200)))
    return path


@pytest.mark.parametrize("given", [as_path, as_open_file])
@pytest.mark.parametrize("way", [load, replace, read])
def test_an_archive_may_not_unpack_to_more_than_the_caller_allows(
    storage: StorageEngine, archive: Path, way: Way, given: Callable[[Path], Any]
) -> None:
    with pytest.raises(ExportFileError, match="unpacks to more than 50,000 bytes"):
        way(storage, given(archive), 50_000)
    if storage.table_exists("t"):
        assert storage.execute_scalar("SELECT count(*) FROM t") == 0


@pytest.mark.parametrize("given", [as_path, as_open_file])
@pytest.mark.parametrize("way", [load, replace, read])
def test_the_caller_can_allow_more_than_the_default(
    storage: StorageEngine,
    archive: Path,
    way: Way,
    given: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decompression, "ALWAYS_ALLOWED", 1000)
    monkeypatch.setattr(decompression, "MAX_RATIO", 2)
    with pytest.raises(ExportFileError, match="raise max_decompressed_bytes"):
        way(storage, given(archive), None)
    if storage.table_exists("t"):
        storage.drop_table("t")
    assert way(storage, given(archive), 1_000_000) == 200


def test_profiles_have_the_same_limit(storage: StorageEngine, tmp_path: Path) -> None:
    path = tmp_path / "profiles.jsonl.gz"
    path.write_bytes(gzip.compress(profile_lines(200)))
    with pytest.raises(ExportFileError, match="more than 50,000 bytes"):
        storage.load_profiles_export("p", path, PROFILES, max_decompressed_bytes=50_000)
    with pytest.raises(ExportFileError, match="more than 50,000 bytes"):
        list(read_profiles_export(path, max_decompressed_bytes=50_000))
    assert storage.load_profiles_export("p", path, PROFILES, max_decompressed_bytes=500_000) == 200


@pytest.mark.parametrize(
    ("most", "kind", "told"),
    [
        ("1 GB", TypeError, "Pass a number of bytes, or None"),
        (True, TypeError, "Pass a number of bytes, or None"),
        (1e9, TypeError, "Pass a number of bytes, or None"),
        (0, ValueError, "Use a positive number of bytes"),
        (-1, ValueError, "Use a positive number of bytes"),
    ],
)
def test_a_limit_is_a_positive_number_of_bytes(
    storage: StorageEngine, archive: Path, most: Any, kind: type[Exception], told: str
) -> None:
    for way in (load, read):
        with pytest.raises(kind, match=told):
            way(storage, archive, most)
