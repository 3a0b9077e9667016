"""The oracle detects each kind of harm, done by engines without a sandbox."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixpanel_data import StorageEngine
from tests.siege import campaign
from tests.siege.arena import CANARY, Arena
from tests.siege.besieger import Shot
from tests.siege.fuzzer import Fuzzer
from tests.siege.oracle import Oracle, changes, reveals, state_of
from tests.siege.senses import Listener, Output, Watch, Witness

#: Statements that do harm where there is no sandbox, with the beginning of a trace of each.
HARM = {
    "FROM read_csv('@secret@')": "canary: shown",
    "FROM read_text('secret.csv')": "canary: shown",
    "SELECT content = 'a'::BLOB FROM read_blob('@folder@/secret.json')": "file opened: secret.json",
    "SELECT 1 FROM glob('@folder@/*')": "file opened: data",
    "COPY plain TO '@new@'": "file created: new",
    "COPY plain TO 'new.csv'": "file created: new.csv",
    "COPY plain TO '~/new.csv'": "file created: new.csv",
    "COPY plain TO '@folder@/secret.csv'": "file moved here: secret.csv",
    "COPY (SELECT 1) TO '/dev/stdout'": "output: ",
    "EXPORT DATABASE '@new@'": "file created: new",
    "FORCE INSTALL z FROM '@url@'": "network: ",
    "FROM read_blob('@db@')": "lock: held by nobody",
    "DELETE FROM plain": "file written: siege.db.wal",
    "UPDATE events SET event_name = 'x'": "file written: siege.db.wal",
    "SELECT nextval('numbers')": "file written: siege.db.wal",
    "CREATE TABLE z (a INTEGER)": "file written: siege.db.wal",
    "SET GLOBAL threads = 3": "settings changed",
    "ATTACH ':memory:' AS other": "databases changed",
    "CREATE SECRET z (TYPE http)": "secrets changed",
}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The traces that each harmful statement leaves."""
    plan = campaign.listed(list(map(Shot, HARM)), "honest", "writable", sandbox=False)
    result = campaign.run(tmp_path_factory.mktemp("harm"), plan)
    return {line["shot"]["statement"]: line["traces"] for line in result.told}


@pytest.mark.parametrize("statement", HARM)
def test_every_kind_of_harm_is_detected(statement: str, traces: dict[str, list[str]]) -> None:
    assert [trace for trace in traces[statement] if trace.startswith(HARM[statement])]


def test_harm_is_attributed_to_the_statement_that_did_it(tmp_path: Path) -> None:
    statements = ["SELECT 1", "SET GLOBAL threads = 3", "SELECT 2", "DELETE FROM plain"]
    plan = campaign.listed(list(map(Shot, statements)), "honest", "writable", sandbox=False)
    result = campaign.run(tmp_path, plan)
    assert [hit["shot"]["statement"] for hit in result.hits] == [statements[1], statements[3]]
    assert [line["shot"]["statement"] for line in result.told] == statements


def test_a_crash_is_attributed_to_its_statement_and_the_siege_goes_on(tmp_path: Path) -> None:
    deep = "SELECT json_transform('1', '" + '{"a":' * 50_000 + "1" + "}" * 50_000 + "')"
    plan = campaign.listed(
        [Shot("SELECT 1"), Shot(deep), Shot("SELECT 2")], "honest", "read-only", sandbox=False
    )
    result = campaign.run(tmp_path, plan)
    assert result.counts["crash"] == 1
    (hit,) = result.hits
    assert hit["shot"]["statement"] == deep[: len(hit["shot"]["statement"])]
    others = [line["shot"]["statement"] for line in result.told if line != hit]
    assert others == ["SELECT 1", "SELECT 2"]


def test_a_siege_of_an_engine_without_sandbox_has_hits_at_once(tmp_path: Path) -> None:
    shots = [Shot(*Fuzzer(seed).shot(), seed) for seed in range(70)]
    result = campaign.run(tmp_path, campaign.listed(shots, "honest", "writable", sandbox=False))
    kinds = {trace.split(":")[0] for hit in result.hits for trace in hit["traces"]}
    assert {"file written", "file created", "file opened"} <= kinds
    assert next(campaign.described(result.hits)).startswith("seed ")


def test_the_seed_of_a_hit_gives_the_same_hit_again(tmp_path: Path) -> None:
    def first_hit(seed: int) -> dict[str, Any]:
        plan = campaign.numbered(seed, seconds=60, statements=25, sandbox=False)
        return campaign.run(tmp_path / f"from {seed}", plan).hits[0]

    hit = first_hit(0)
    assert first_hit(hit["shot"]["seed"])["shot"] == hit["shot"]


# Each sense by itself


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena(tmp_path / "arena")


@pytest.fixture
def witness() -> Iterator[Witness]:
    witness = Witness()
    yield witness
    witness.close()


def test_the_witness_sees_a_lock_only_while_it_holds(arena: Arena, witness: Witness) -> None:
    assert witness.look_at(arena.db) == 0
    for mode in ("writable", "read-only"):
        with arena.open(mode):
            assert witness.holder() == os.getpid()
            os.close(os.open(arena.db, os.O_RDONLY))  # POSIX drops the lock with that
            assert witness.holder() == 0
    with arena.open("writable"):
        assert witness.holder() == os.getpid()
    assert witness.holder() == 0


def test_the_watch_reports_what_was_done_to_which_file(tmp_path: Path) -> None:
    watch = Watch([tmp_path], may_read=tmp_path / "ours")
    (tmp_path / "ours").write_text("a")
    assert watch.seen() == ["created: ours", "opened: ours", "written: ours"]
    (tmp_path / "ours").read_text()
    assert watch.seen() == ["opened: ours"]
    (tmp_path / "ours").rename(tmp_path / "theirs")
    (tmp_path / "theirs").read_text()
    assert "moved away: ours" in (seen := watch.seen())
    assert "read: theirs" in seen
    (tmp_path / "theirs").unlink()
    assert "deleted: theirs" in watch.seen()
    assert watch.seen() == []
    watch.close()


def test_the_listener_counts_calls_and_hangs_up() -> None:
    listener = Listener()
    assert listener.calls() == 0
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", listener.port)) as caller:
            assert caller.recv(1) == b""
    assert listener.calls() == 2
    assert listener.calls() == 0
    listener.close()


def test_a_change_that_is_rolled_back_is_not_reported(arena: Arena) -> None:
    with arena.open("writable", sandbox=None) as storage:
        before = state_of(storage)
        with storage.session() as session:
            session.connection().exec_driver_sql("DELETE FROM plain")
            session.rollback()
        assert changes(before, state_of(storage)) == []
        storage.execute_rows("DELETE FROM plain")
        (change,) = changes(before, state_of(storage))
        assert change.startswith("rows of main.plain changed")


def test_what_others_write_into_the_file_is_seen_when_it_is_closed(
    arena: Arena, witness: Witness, tmp_path: Path
) -> None:
    listener = Listener()
    with Output(tmp_path / "output") as output:
        oracle = Oracle(arena, listener, witness, output)
        with arena.open("writable") as storage:
            oracle.begin(storage)
            assert storage.execute_scalar("SELECT count(*) FROM plain") == 3
            assert oracle.after_statements(storage) == []
        assert oracle.after_closing() == []
        with duckdb.connect(str(arena.db)) as connection:
            connection.execute("DELETE FROM plain")
        assert "file: siege.db is not as it was" in oracle.after_closing()
        oracle.close()
    listener.close()


def test_the_canary_is_found_in_results_and_errors() -> None:
    assert reveals([("a", {"b": [CANARY]})], None) == ["canary: shown"]
    assert reveals([(CANARY.encode(),)]) == ["canary: shown"]
    assert reveals(ValueError(f"about {CANARY}")) == ["canary: shown"]
    assert reveals([("a",)], None) == []


def test_a_restored_arena_is_as_before(arena: Arena) -> None:
    with StorageEngine(arena.db) as storage:
        storage.execute_rows("DELETE FROM plain")
    (arena.data / "new").mkdir()
    (arena.data / "new" / "file").write_text("a")
    (arena.home / "secret.csv").write_text("a")
    arena.restore()
    assert arena.differences == []
    assert CANARY in (arena.home / "secret.csv").read_text()
