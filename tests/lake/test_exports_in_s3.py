"""Exports in a bucket load as those on a disk do: file by file, as a folder, by a pattern."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mixpanel_data import ExportFileError, ExportFileNotFoundError, MixpanelDataError, StorageEngine
from tests.ingest.test_cases import CASES, PROFILE_ROWS, ROWS
from tests.lake import lakes
from tests.records import EVENTS, PROFILES, make_events

FILES = sorted(path for path in CASES.rglob("*") if path.is_file())

pytestmark = pytest.mark.lake


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The file system of fsspec for the endpoint, as the environment of a user describes it."""
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{lakes.ENDPOINT}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3fs.S3FileSystem()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(files: Any) -> str:
    """A new bucket that holds the cases under ``exports``."""
    name = f"exports-{uuid4().hex}"
    files.mkdir(name)
    for path in FILES:
        files.pipe(f"{name}/exports/{path.relative_to(CASES).as_posix()}", path.read_bytes())
    return name


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


def outcome(storage: StorageEngine, table: str, data: Any, **options: Any) -> Any:
    """Return what loading gives: the rows, or the class of the error and its line."""
    try:
        storage.load_events_export(table, data, EVENTS, **options)
    except MixpanelDataError as error:
        return type(error), getattr(error, "line", None)
    return sorted(storage.execute_rows(f"FROM {table}"), key=repr)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_a_file_in_a_bucket_gives_what_it_gives_on_a_disk(
    storage: StorageEngine, bucket: str, file: Path, on_error: str
) -> None:
    url = f"s3://{bucket}/exports/{file.relative_to(CASES).as_posix()}"
    remote = outcome(storage, "remote", url, on_error=on_error)
    assert remote == outcome(storage, "local", file, on_error=on_error)


@pytest.mark.parametrize("name", [name for name in ROWS if "." in name])
def test_a_file_in_a_bucket_adds_nothing_again(
    storage: StorageEngine, bucket: str, name: str
) -> None:
    url = f"s3://{bucket}/exports/{name}"
    assert storage.load_events_export("jan", url, EVENTS) == ROWS[name]
    assert storage.load_events_export("jan", url, EVENTS, if_exists="append") == 0


@pytest.mark.parametrize("name", PROFILE_ROWS)
def test_profiles_in_a_bucket_are_loaded(storage: StorageEngine, bucket: str, name: str) -> None:
    url = f"s3://{bucket}/exports/{name}"
    assert storage.load_profiles_export("users", url, PROFILES) == PROFILE_ROWS[name]


@pytest.mark.parametrize("place", ["exports/days", "exports/days/", "exports/days/*", "**/days/*"])
def test_a_folder_or_a_pattern_in_a_bucket_is_all_of_its_files(
    storage: StorageEngine, bucket: str, place: str
) -> None:
    result = storage.load_events_export("days", f"s3://{bucket}/{place}", EVENTS)
    local = storage.load_events_export("local", CASES / "days", EVENTS)
    assert (result, result.files) == (local, local.files) == (ROWS["days"], 3)


def test_compressed_files_and_parquet_in_a_bucket_are_told_by_their_content(
    storage: StorageEngine, bucket: str, files: Any, tmp_path: Path
) -> None:
    storage.create_events_table("jan", make_events(100), EVENTS)
    storage.export("jan", tmp_path / "jan.jsonl", "mixpanel")
    storage.export("jan", tmp_path / "jan.parquet")
    lines = (tmp_path / "jan.jsonl").read_bytes()
    files.pipe(f"{bucket}/jan/lines", gzip.compress(lines))
    files.pipe(f"{bucket}/jan/table", (tmp_path / "jan.parquet").read_bytes())
    for name in ("lines", "table"):
        storage.load_events_export(
            "again", f"s3://{bucket}/jan/{name}", EVENTS, if_exists="replace"
        )
        assert storage.execute_rows("FROM jan EXCEPT FROM again") == []


def test_a_file_that_fsspec_has_opened_is_read(
    storage: StorageEngine, bucket: str, files: Any
) -> None:
    with files.open(f"{bucket}/exports/array.json") as file:
        assert storage.load_events_export("jan", file, EVENTS) == ROWS["array.json"]


@pytest.mark.parametrize("place", ["exports/no.jsonl", "exports/no/*.jsonl", "no"])
def test_what_is_not_in_a_bucket_is_not_found(
    storage: StorageEngine, bucket: str, place: str
) -> None:
    with pytest.raises(ExportFileNotFoundError, match="Check the URL"):
        storage.load_events_export("jan", f"s3://{bucket}/{place}", EVENTS)


def test_a_bucket_that_is_not_there_is_an_error_of_files(
    storage: StorageEngine, files: Any
) -> None:
    for place in ("a.jsonl", "*.jsonl", ""):
        with pytest.raises(ExportFileError, match="s3://no-such-bucket"):
            storage.load_events_export("jan", f"s3://no-such-bucket/{place}", EVENTS)
    assert storage.list_tables() == []
