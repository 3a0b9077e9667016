"""PostgreSQL or the storage goes away: a typed error, nothing half done, no end of the process."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    CatalogueUnavailableError,
    DeletedRowsError,
    Lake,
    LakeError,
    LakePermissionError,
    SchemaOlderError,
    StorageEngine,
    TableLockedError,
    migrate,
)
from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.lake import attaching
from mixpanel_data.dialect.lake.locks import Locks
from tests.lake.lakes import PORT, lake_in, new_database, s3_lake, server
from tests.lake.servers import PASSWORD, USER, postgres
from tests.records import EVENTS, make_events

pytestmark = pytest.mark.lake

#: Loads while PostgreSQL stops in a phase, and prints the error.
VICTIM = """
import sys
from mixpanel_data import CatalogueUnavailableError, Lake, StorageEngine
from tests.lake import servers
from tests.records import EVENTS, make_events
from pathlib import Path
phase, port, folder, data = sys.argv[1:]
programs = servers.programs()
server = servers.Postgres(Path(folder), programs, int(port))
catalog = f"postgresql://{servers.USER}@127.0.0.1:{port}/postgres"
storage = StorageEngine(Lake(catalog, data_path=data, password=servers.PASSWORD))
storage.create_events_table("jan", make_events(10), EVENTS)

def stopping(rows):
    yield next(rows)
    server.stop()
    yield from rows

try:
    if phase == "staging":
        storage.append_events_table("jan", stopping(make_events(20)), EVENTS)
    elif phase == "transaction":
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM jan")
            server.stop()
    elif phase == "open cursor":
        storage.connection.execute("BEGIN")
        storage.connection.execute("DELETE FROM jan")
        server.stop()
        storage.connection.execute("SELECT count(*) FROM jan")
    else:
        server.stop()
        storage.list_tables()
except CatalogueUnavailableError as error:
    print("typed", error.database)
except Exception as error:
    print(type(error).__name__)
storage.close()
server.start()
with StorageEngine(Lake(catalog, data_path=data, password=servers.PASSWORD)) as storage:
    print(storage.list_tables()[0].row_count)
"""


@pytest.mark.parametrize("phase", ["staging", "transaction", "open cursor", "reading"])
def test_a_catalog_that_stops_ends_no_process(phase: str, tmp_path: Path) -> None:
    with postgres() as own:
        arguments = [phase, str(own.port), str(own.folder), str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-c", VICTIM, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        error, rows = done.stdout.splitlines()
        if phase in ("staging", "reading"):
            assert error == "typed postgres"
        assert rows == "10"


def test_a_lock_that_others_hold_is_an_error_with_their_name(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
    with StorageEngine(lake, lock_timeout=0) as storage:
        other = Locks(lake, timeout=0)
        with other.of_table("jan"), pytest.raises(TableLockedError) as caught:
            storage.append_events_table("jan", make_events(9), EVENTS)
        assert "mixpanel_data" in str(caught.value.holder)
        assert caught.value.table_name == "jan"
        with other.of_table("feb"):  # another table
            assert storage.append_events_table("jan", make_events(6), EVENTS) == 1
        with other.of_table("feb"), pytest.raises(TableLockedError):
            storage.drop_table("jan")
        other.close()


def test_a_lake_in_object_storage(tmp_path: Path) -> None:
    lake = s3_lake(new_database())
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
        assert storage.append_events_table("jan", make_events(15), EVENTS) == 5
        assert all(file.startswith("s3://") for file in storage.data_files("jan"))
        for function in ("duckdb_secrets()", "duckdb_databases()"):
            assert "s3cret" not in str(storage.execute_rows(f"FROM {function}"))
        storage.maintain()
    with StorageEngine(lake, read_only=True) as storage:
        assert storage.list_tables()[0].row_count == 15


def test_object_storage_that_does_not_answer_is_a_typed_error(tmp_path: Path) -> None:
    database = new_database()
    lake = s3_lake(database)
    assert lake.storage is not None
    gone = replace(lake, storage=replace(lake.storage, endpoint="127.0.0.1:1"))
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    with pytest.raises(LakeError, match="storage") as caught:
        StorageEngine(gone)
    assert not isinstance(caught.value, CatalogueUnavailableError)
    assert "s3cret" not in str(caught.value)
    with StorageEngine(lake) as storage:
        assert storage.list_tables()[0].row_count == 10


def test_the_password_is_in_no_error_of_a_load(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
        server().sql(f"ALTER DATABASE {lake.database} ALLOW_CONNECTIONS false")
        server().sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{lake.database}'"
        )
        with pytest.raises(CatalogueUnavailableError) as caught:
            storage.append_events_table("jan", make_events(9), EVENTS)
        assert PASSWORD not in str(caught.value)
        server().sql(f"ALTER DATABASE {lake.database} ALLOW_CONNECTIONS true")
    assert PORT is not None
    with StorageEngine(lake_in(lake.database, lake.data_path)) as storage:
        assert storage.list_tables()[0].row_count == 5


def test_a_catalog_that_stops_after_it_was_attached_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres() as own:
        catalog = f"postgresql://{USER}@127.0.0.1:{own.port}/postgres"
        lake = Lake(catalog, data_path=str(tmp_path), password=PASSWORD)
        with StorageEngine(lake) as storage:
            storage.create_events_table("jan", make_events(10), EVENTS)
        attach = attaching._attach

        def stopping(*args: Any) -> None:
            attach(*args)
            own.stop()

        monkeypatch.setattr(attaching, "_attach", stopping)
        with pytest.raises(CatalogueUnavailableError):
            StorageEngine(lake)
        monkeypatch.undo()
        own.start()
        with StorageEngine(lake) as storage:
            assert storage.list_tables()[0].row_count == 10


def test_a_catalog_that_starts_again_and_again_gives_typed_errors_only(tmp_path: Path) -> None:
    with postgres() as own:
        catalog = f"postgresql://{USER}@127.0.0.1:{own.port}/postgres"
        lake = Lake(catalog, data_path=str(tmp_path), password=PASSWORD)
        StorageEngine(lake).close()
        done = threading.Event()

        def restart() -> None:
            for _ in range(8):
                own.stop()
                own.start()
            done.set()

        restarting = threading.Thread(target=restart)
        restarting.start()
        while not done.is_set():
            with suppress(CatalogueUnavailableError):
                StorageEngine(lake, lock_timeout=1).close()
        restarting.join()


def test_the_command_for_an_older_lake_works(lake: Lake) -> None:
    StorageEngine(lake).close()
    migrate.downgrade(lake, "0002")
    with pytest.raises(SchemaOlderError) as caught:
        StorageEngine(lake)
    assert PASSWORD not in str(caught.value)
    _, *arguments = shlex.split(caught.value.command or "")
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    subprocess.run([sys.executable, *arguments], check=True, env=environment)
    StorageEngine(lake).close()


def test_a_role_that_may_only_read_is_named_where_it_writes(lake: Lake) -> None:
    role = f"reader_{lake.database}"
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    server().sql(
        f"CREATE ROLE {role} LOGIN PASSWORD {quoted(PASSWORD)}; "
        f"GRANT USAGE ON SCHEMA public TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        lake.database,
    )
    reader = replace(lake, catalog=lake.catalog.replace(f"{USER}@", f"{role}@"))
    with StorageEngine(reader) as storage:
        for write in (
            lambda: storage.append_events_table("jan", make_events(20), EVENTS),
            lambda: storage.create_events_table("feb", make_events(20), EVENTS),
            lambda: storage.drop_table("jan"),
            lambda: storage.execute_rows("DELETE FROM jan"),
            lambda: storage.maintain(keep=timedelta(), grace=timedelta()),
        ):
            with pytest.raises(LakePermissionError, match="GRANT") as caught:
                write()
            assert caught.value.role == role
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 10
    server().sql(f"DROP OWNED BY {role}; DROP ROLE {role}", lake.database)


def test_what_a_lake_cannot_give_says_what_to_do(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
        for wrong in (5, "x", None):
            with pytest.raises(TypeError, match="timedelta"):
                storage.maintain(keep=wrong)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="timedelta"):
                storage.maintain(grace=wrong)  # type: ignore[arg-type]
        storage.erase("user-1")
        with pytest.raises(DeletedRowsError, match=r"maintain\(\)"):
            storage.data_files("jan")
    for gone in (9999, datetime(2001, 1, 1)):
        with pytest.raises(LakeError, match=r"snapshots\(\)"):
            StorageEngine(replace(lake, as_of=gone))
