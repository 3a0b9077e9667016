"""A runaway statement ends within its time and memory, and affects nothing else.

The workers here check no statement, because these limits are for what the checks would not stop.
"""

from __future__ import annotations

import re
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mixpanel_data import (
    DiskFullError,
    OutOfMemoryError,
    QueryError,
    QueryTimeoutError,
    ResultTooLargeError,
    StorageEngine,
    WorkerCrashedError,
)
from tests.database.sandbox.workers.conftest import Opener, workers_of

pytestmark = pytest.mark.usefixtures("permissive")

SECONDS = 1.5
MEMORY = 300_000_000

CTES = ", ".join(
    f"c{n} AS NOT MATERIALIZED (SELECT x.a FROM c{n - 1} x, c{n - 1} y)" for n in range(1, 31)
)

#: What once took up to 40 seconds or 7.5 GB, or crashed, and more of the kind.
HOSTILE = {
    "chained expressions": f"WITH c0 AS NOT MATERIALIZED (SELECT 1 a), {CTES} SELECT * FROM c30",
    "20,000 unions": "SELECT 1" + " UNION ALL SELECT 1" * 20_000,
    "a number of ten million digits": "SELECT repeat('9', 10000000)::BIGNUM",
    "distance of long texts": "SELECT "
    "damerau_levenshtein(repeat('ab', 200000), repeat('ba', 200000))",
    "another distance": "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))",
    "a long text": "SELECT repeat('a', 2000000000)",
    "length of a long text": "SELECT length(repeat('a', 2000000000))",
    "padding": "SELECT lpad('a', 2000000000, 'b')",
    "formatting": "SELECT format('{:>1000000000}', 1)",
    "a deep structure": "SELECT json_transform('1', '"
    + '{"a":' * 50_000
    + '"INTEGER"'
    + "}" * 50_000
    + "')",
    "brackets": "SELECT ('" + "[" * 100_000 + "')::JSON::VARIANT",
    "brackets closed": "SELECT ('" + "[" * 100_000 + "]" * 100_000 + "')::JSON::VARIANT",
    "a list of everything": "SELECT list(range) FROM range(1000000000)",
    "a long list": "SELECT list_sum(range(200000000))",
    "lists of lists": "SELECT [[range(1000) FOR x IN range(1000)] FOR y IN range(1000)]",
    "a text of everything": "SELECT string_agg(s || s || s, ',') FROM numbers, range(1000)",
    "a giant list of values": "SELECT count(*) FROM numbers WHERE i IN ("
    + ",".join(map(str, range(200_000)))
    + ")",
    "patterns": "SELECT count(*) FROM numbers "
    "WHERE regexp_matches(repeat(s, 10000), '(x+x+)+y(.*)*z')",
    "a cross join": "SELECT sum(a.r * b.r) FROM numbers a, numbers b",
    "sixty tables": "SELECT count(*) FROM " + ", ".join(f"numbers n{n}" for n in range(60)),
    "a hash join": "SELECT count(*) FROM (SELECT repeat(s, 20) x FROM numbers, range(20)) "
    "JOIN (SELECT repeat(s, 20) y FROM numbers, range(20)) ON x = y",
    "sorting": "SELECT * FROM (SELECT repeat(s, 50) x FROM numbers, range(20) ORDER BY x) "
    "OFFSET 5000000",
    "many groups": "SELECT count(*) FROM "
    "(SELECT range % 50000000 k FROM range(100000000) GROUP BY k)",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 a UNION ALL SELECT a + 1 FROM r) "
    "SELECT max(a) FROM r",
    "growth": "WITH RECURSIVE r AS (SELECT 'a' a UNION ALL SELECT a || a FROM r) "
    "SELECT max(a) FROM r",
    "brackets of expressions": "SELECT " + "(" * 50_000 + "1" + ")" * 50_000,
    "20,000 columns": "SELECT " + ",".join(f"{n} c{n}" for n in range(20_000)) + " FROM numbers",
    "wide rows": "SELECT repeat('x', 100000) FROM range(100000)",
    "lists of nothing": "SELECT [NULL FOR x IN range(100000)] FROM range(100000)",
    "a billion rows": "SELECT * FROM range(1000000000)",
}


def memory_of(pid: int, name: str) -> int:
    """Return a line of what the kernel says about the memory of a process, in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


@contextmanager
def watched(pid: int, peaks: list[int]) -> Iterator[None]:
    """Note the most memory that a process had in the block, even if it has gone by its end."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            peaks.append(memory_of(pid, "VmHWM"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_statement_ends_within_its_limits(opened: Opener, name: str) -> None:
    storage = opened(timeout=SECONDS, memory_limit="300MB", max_temp_size="1GB")
    storage.execute_scalar("SELECT 1")
    (pid,) = workers_of()
    idle = memory_of(pid, "VmRSS")
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peaks = [idle]
    started = time.monotonic()
    with watched(pid, peaks), suppress(QueryError):
        storage.execute_rows(HOSTILE[name])
    assert time.monotonic() - started < 2 * SECONDS
    assert max(peaks) - idle < 1.2 * MEMORY
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - ours < 64 * 1024
    assert storage.execute_scalar("SELECT 42") == 42


def test_a_statement_is_killed_when_its_time_is_up(opened: Opener) -> None:
    storage = opened(timeout=0.5)
    storage.execute_scalar("SELECT 1")
    before = workers_of()
    with pytest.raises(QueryTimeoutError) as caught:
        storage.execute_rows(HOSTILE["a cross join"])
    assert caught.value.seconds == 0.5
    assert workers_of() == []
    assert storage.execute_scalar("SELECT 1") == 1
    assert set(workers_of()).isdisjoint(before)


def test_without_a_timeout_a_statement_may_take_its_time(opened: Opener) -> None:
    storage = opened(timeout=None)
    assert storage.execute_scalar("SELECT count(*) FROM range(200000000)") == 200_000_000


def test_the_start_of_a_worker_is_not_the_time_of_a_statement(opened: Opener) -> None:
    assert opened(timeout=0.1).execute_scalar("SELECT 1") == 1


@pytest.mark.parametrize("name", ["a long text", "formatting", "a list of everything"])
def test_more_memory_than_allowed_is_an_error_of_memory(opened: Opener, name: str) -> None:
    storage = opened(memory_limit="300MB")
    with pytest.raises(OutOfMemoryError):
        storage.execute_rows(HOSTILE[name])
    assert storage.execute_scalar("SELECT 1") == 1


def test_a_crash_of_duckdb_is_an_error_of_one_statement(opened: Opener) -> None:
    storage = opened()
    with pytest.raises(WorkerCrashedError, match="SIGSEGV") as caught:
        storage.execute_rows(HOSTILE["a deep structure"])
    assert caught.value.reason == "it was killed by SIGSEGV"
    assert caught.value.details["query"].startswith("SELECT json_transform")
    assert storage.execute_scalar("SELECT 1") == 1


def test_sorting_more_than_the_memory_goes_through_the_disk(opened: Opener) -> None:
    storage = opened(memory_limit="300MB", timeout=60)
    sql = "SELECT x FROM (SELECT repeat(s, 60) x FROM numbers, range(3) ORDER BY x) OFFSET 899999"
    assert storage.execute_scalar(sql) == "99999" * 60
    assert storage.execute_scalar("SELECT 1") == 1


def test_temporary_files_are_private_and_deleted_with_the_worker(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage = opened(memory_limit="200MB", timeout=1)
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    found: list[list[Path]] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            found.append([file for file in folder.rglob("*") if file.suffix == ".tmp"])

    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(QueryTimeoutError):
        storage.execute_rows(HOSTILE["sorting"])
    done.set()
    looking.join()
    assert any(found)
    assert [file.name for file in folder.iterdir()] == ["owner.lock"]
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_the_disk_is_limited_too(opened: Opener) -> None:
    storage = opened(memory_limit="200MB", max_temp_size="1MB", timeout=60)
    # DuckDB counts what it writes; where 1.5 counts too late, the system does.
    with pytest.raises((OutOfMemoryError, DiskFullError)):
        storage.execute_rows(HOSTILE["sorting"])


def test_a_result_has_no_more_rows_than_allowed(opened: Opener) -> None:
    storage = opened(max_rows=10_000)
    assert len(storage.execute_rows("SELECT * FROM range(10000)")) == 10_000
    for sql in ("SELECT * FROM range(10001)", HOSTILE["a billion rows"]):
        with pytest.raises(ResultTooLargeError, match="more than 10,000 rows") as caught:
            storage.execute_rows(sql)
        assert caught.value.limit == 10_000
        assert caught.value.details == {"query": sql, "limit": 10_000, "unit": "rows"}


def test_a_result_has_no_more_bytes_than_allowed(opened: Opener) -> None:
    storage = opened(max_bytes=1_000_000)
    assert len(storage.execute_rows("SELECT repeat('x', 900000)")) == 1
    with pytest.raises(ResultTooLargeError, match="more than 1,000,000 bytes") as caught:
        storage.execute_rows("SELECT repeat('x', 100) FROM range(10000)")
    assert caught.value.limit == 1_000_000


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT [NULL FOR x IN range(1000)] FROM range(100)",
        f"SELECT '{'x' * 10_000}'::ENUM('{'x' * 10_000}') FROM range(1000)",
        "SELECT [true FOR x IN range(100000)]",
    ],
    ids=["nothing", "labels", "booleans"],
)
def test_values_without_bytes_in_arrow_are_counted_as_python_objects(
    opened: Opener, sql: str
) -> None:
    with pytest.raises(ResultTooLargeError, match="bytes"):
        opened(max_bytes=2_000_000).execute_rows(sql)


def test_a_result_that_is_too_large_keeps_the_worker(opened: Opener) -> None:
    storage = opened(max_rows=10)
    with pytest.raises(ResultTooLargeError):
        storage.execute_rows("SELECT * FROM range(100)")
    before = workers_of()
    assert storage.execute_scalar("SELECT 1") == 1
    assert workers_of() == before


def test_ten_workers_beside_each_other_keep_their_limits(opened: Opener) -> None:
    storage = opened(max_workers=10, timeout=3, memory_limit="100MB")
    names = ["a cross join", "a long text", "a deep structure", "a billion rows", "growth"] * 2
    errors: list[str] = []

    def ask(storage: StorageEngine, name: str) -> None:
        try:
            storage.execute_rows(HOSTILE[name])
        except QueryError as error:
            errors.append(type(error).__name__)

    threads = [threading.Thread(target=ask, args=(storage, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 10
    assert errors.count("QueryTimeoutError") == errors.count("WorkerCrashedError") == 2
    assert storage.execute_scalar("SELECT 42") == 42
