"""Opening a lake: what it takes, what is refused, and that no secret gets out."""

from __future__ import annotations

import traceback
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from mixpanel_data import (
    S3,
    CatalogueUnavailableError,
    DatabaseReadOnlyError,
    Lake,
    LakeError,
    LakeExtensionError,
    LakeNotFoundError,
    QueryError,
    StorageEngine,
    migrate,
)
from tests.lake.lakes import lake_in
from tests.lake.servers import PASSWORD, free_port
from tests.records import EVENTS, make_events

needs_lake = pytest.mark.lake

URL = "postgresql://me:s3cret@db.example.com:5433/events?sslmode=require"


def test_a_lake_shows_no_password() -> None:
    lake = Lake(URL, data_path="/mnt/events", storage=S3(key_id="key", secret="s3cret"))
    for text in (repr(lake), str(lake), str(lake.url), lake.catalog, repr(vars(lake))):
        assert "s3cret" not in text
    assert str(lake) == "postgresql://db.example.com:5433/events"


def test_a_url_says_what_a_lake_does() -> None:
    storage = S3(region="eu-west-1", endpoint="localhost:9000", url_style="path", use_ssl=False)
    lake = Lake(URL, data_path="s3://bucket/events", storage=storage, partition_by=None, as_of=7)
    again = Lake.from_url(lake.url)
    assert again.url == lake.url
    assert (again.host, again.port, again.database, again.user) == (
        "db.example.com",
        5433,
        "events",
        "me",
    )
    assert again.connection_settings == {"sslmode": "require"}
    assert (again.storage, again.partition_by, again.as_of) == (storage, None, 7)
    moment = Lake(URL, data_path="/mnt", as_of=datetime(2025, 1, 1))
    assert Lake.from_url(moment.url).as_of == datetime(2025, 1, 1)


@pytest.mark.parametrize(
    ("catalog", "problem"),
    [
        ("md:events", "MotherDuck"),
        ("mysql://db/events", "PostgreSQL"),
        ("events.db", "PostgreSQL"),
        ("postgresql://db", "no database"),
        ("postgresql://me:s3cret@db:port/events", "no URL"),
        ("postgresql://db/events?password=s3cret", "Known are"),
    ],
)
def test_what_is_no_catalog_is_refused(catalog: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        Lake(catalog, data_path="/mnt/events")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("target", ["md:events", "md:", "MD:events?token=1"])
def test_motherduck_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="MotherDuck"):
        StorageEngine(target)
    with pytest.raises(ValueError, match="MotherDuck"):
        migrate.status(target)


def test_other_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="partition_by"):
        Lake(URL, data_path="/mnt", partition_by="week")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="data_path"):
        Lake(URL, data_path="")
    with pytest.raises(TypeError, match="data_path"):
        Lake(URL, data_path=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="as_of"):
        Lake(URL, data_path="/mnt", as_of="yesterday")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="secret"):
        S3(key_id="key")
    with pytest.raises(ValueError, match="encryption_key"):
        StorageEngine(Lake(URL, data_path="/mnt"), encryption_key="key")
    for url in ("duckdb+mixpanel://db/events", "duckdb+mixpanel://db/events?lake=postgresql"):
        with pytest.raises(ValueError, match=r"lake=|data_path"):
            Lake.from_url(url)


@pytest.mark.skipif(
    duckdb.__version__.startswith("1.5"), reason="the extensions may be there for this version"
)
def test_missing_extensions_are_named_with_the_version(tmp_path: Path) -> None:
    with pytest.raises(LakeExtensionError, match="ducklake") as caught:
        StorageEngine(Lake("postgresql://db/events", data_path=tmp_path))  # type: ignore[arg-type]
    assert caught.value.duckdb_version == duckdb.__version__
    assert "pip install" in str(caught.value)


@needs_lake
def test_a_catalog_that_does_not_answer_is_named_without_secrets(lake: Lake) -> None:
    gone = Lake(f"postgresql://me@127.0.0.1:{free_port()}/x", lake.data_path, password=PASSWORD)
    wrong = lake_in(lake.database, lake.data_path, password="an0ther")
    missing = lake_in("missing", lake.data_path)
    for unavailable in (gone, wrong, missing):
        with pytest.raises(CatalogueUnavailableError) as caught:
            StorageEngine(unavailable)
        assert (caught.value.host, caught.value.database) == ("127.0.0.1", unavailable.database)
        shown = "".join(traceback.format_exception(caught.value))
        assert PASSWORD not in shown
        assert "an0ther" not in shown


@needs_lake
def test_reading_creates_no_lake(lake: Lake) -> None:
    with pytest.raises(LakeNotFoundError):
        StorageEngine(lake, read_only=True)
    with pytest.raises(LakeNotFoundError):
        migrate.status(lake)
    assert not Path(lake.data_path).exists()


@needs_lake
def test_a_reader_writes_nothing(lake: Lake) -> None:
    StorageEngine(lake).close()
    with StorageEngine(lake, read_only=True) as storage:
        with pytest.raises(DatabaseReadOnlyError):
            storage.create_events_table("jan", make_events(1), EVENTS)
        with pytest.raises(DatabaseReadOnlyError):
            storage.drop_all()


@needs_lake
@pytest.mark.parametrize("access", [False, "false", "no", "F", 0])
def test_without_access_only_the_files_of_the_lake_are_read(
    lake: Lake, tmp_path: Path, access: object
) -> None:
    (secret := tmp_path / "secret.csv").write_text("a\n1\n")
    with StorageEngine(lake, config={"enable_external_access": access}) as storage:
        assert storage.create_events_table("jan", make_events(3), EVENTS) == 3
        assert len(storage.execute_rows("FROM jan")) == 3
        with pytest.raises(QueryError, match="Permission"):
            storage.execute_rows(f"FROM read_csv('{secret}')")


@needs_lake
def test_files_of_another_place_are_not_mixed_in(lake: Lake, tmp_path: Path) -> None:
    StorageEngine(lake).close()
    with pytest.raises(LakeError, match="does not match"):
        StorageEngine(lake_in(lake.database, tmp_path / "elsewhere"))


@needs_lake
def test_no_function_of_the_catalog_shows_a_password(storage: StorageEngine) -> None:
    for table in ("duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"):
        assert PASSWORD not in str(storage.execute_rows(f"FROM {table}"))


@needs_lake
def test_the_url_opens_the_lake(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with StorageEngine(lake.url.render_as_string()) as storage:
        storage.create_events_table("jan", make_events(2), EVENTS)
        assert repr(storage) == f"<StorageEngine {lake}>"
    assert migrate.status(lake.url).tables == ["jan"]


@needs_lake
def test_a_snapshot_is_read_by_number_and_by_time(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
        before = storage.snapshots()[-1]
        storage.append_events_table("jan", make_events(9), EVENTS)
    for as_of in (before.id, before.time):
        old = lake_in(lake.database, lake.data_path, as_of=as_of)
        with StorageEngine(old) as storage:
            assert storage.list_tables()[0].row_count == 5
            with pytest.raises(DatabaseReadOnlyError):
                storage.drop_table("jan")
