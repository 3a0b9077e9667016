"""Exports: files that appear when they are complete, and load again as the same rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from mixpanel_data import (
    ExportExistsError,
    ExportFileError,
    PropertyColumn,
    QueryError,
    ResultTooLargeError,
    Sandbox,
    StorageEngine,
    TableNotFoundError,
)
from mixpanel_data.query.export_formats import ExportFormat
from tests.engines import empty_storage
from tests.examples import examples
from tests.processes import PythonProcess
from tests.records import EVENTS, PROFILES, make_events, make_profiles


@pytest.fixture
def memory() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        storage.create_events_table("jan", make_events(30), EVENTS)
        storage.create_profiles_table("users", make_profiles(5), PROFILES)
        yield storage


def rows(storage: StorageEngine, table: str) -> list[tuple[Any, ...]]:
    return storage.execute_rows(f"FROM {table} ORDER BY ALL")


def read_again(storage: StorageEngine, file: Path, kind: str) -> list[tuple[Any, ...]]:
    load: Any = getattr(storage, f"load_{kind}_export")
    load("again", file, EVENTS if kind == "events" else PROFILES)
    found = rows(storage, "again")
    storage.drop_table("again")
    return found


@pytest.mark.parametrize("name", ["a.jsonl", "a.json.gz", "a.ndjson.zst", "with space [1].jsonl"])
@pytest.mark.parametrize(("table", "kind"), [("jan", "events"), ("users", "profiles")])
def test_mixpanels_format_loads_again_as_the_same_rows(
    memory: StorageEngine, tmp_path: Path, name: str, table: str, kind: str
) -> None:
    file = tmp_path / name
    result = memory.export(table, file, "mixpanel")
    assert (result, result.rows) == (len(rows(memory, table)),) * 2
    assert (result.path, result.format, result.bytes) == (file, "mixpanel", file.stat().st_size)
    assert read_again(memory, file, kind) == rows(memory, table)


def test_parquet_has_the_columns_and_the_order_of_time(
    memory: StorageEngine, tmp_path: Path
) -> None:
    memory.create_events_table("mixed", reversed(list(make_events(30))), EVENTS)
    memory.export("mixed", tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    times = table["event_time"].to_pylist()
    assert times == sorted(times)
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    assert group.column(0).compression == "ZSTD"
    assert read_again(memory, tmp_path / "a.parquet", "events") == rows(memory, "jan")


def test_csv_tells_null_from_an_empty_text(memory: StorageEngine, tmp_path: Path) -> None:
    sql = """SELECT 1 AS n, NULL::VARCHAR AS nothing, '' AS empty, 'a"b,c' AS text,
        TIMESTAMP '2025-01-01 12:00:00' AS at, [1, 2] AS list, true AS yes,
        1.50::DECIMAL(5,2) AS d"""
    memory.export(sql, tmp_path / "a.csv")
    header, line, _ = (tmp_path / "a.csv").read_text().split("\n")
    assert header == '"n","nothing","empty","text","at","list","yes","d"'
    assert line == '1,,"","a""b,c","2025-01-01 12:00:00","[1,2]",true,1.50'
    assert pd.read_csv(tmp_path / "a.csv")["text"].tolist() == ['a"b,c']


def test_lines_of_json_have_documents_as_they_are(memory: StorageEngine, tmp_path: Path) -> None:
    memory.execute_rows(
        """UPDATE jan SET properties = '{"big": 123456789012345678901234567890, "e": 1e2,
        "deep": {"a": [null, "ü\\n"]}}' WHERE insert_id = (SELECT min(insert_id) FROM jan)"""
    )
    memory.export("SELECT properties, event_name FROM jan ORDER BY insert_id", tmp_path / "a.jsonl")
    first, *others = (tmp_path / "a.jsonl").read_text().splitlines()
    assert "123456789012345678901234567890" in first
    assert json.loads(first)["properties"]["deep"] == {"a": [None, "ü\n"]}
    assert len(others) == 29
    assert json.loads(others[0]).keys() == {"properties", "event_name"}


def test_a_query_and_a_statement_are_exported(memory: StorageEngine, tmp_path: Path) -> None:
    table = memory.model("jan").__table__
    statement = select(table.c.insert_id).where(table.c.distinct_id == "user-1")
    count = len(memory.execute_rows(statement))
    assert memory.export(statement, tmp_path / "a.parquet") == count > 0
    sql = "SELECT insert_id FROM jan WHERE distinct_id = ?"
    assert memory.export(sql, tmp_path / "b.csv.gz", params=["user-1"]) == count
    assert gzip.decompress((tmp_path / "b.csv.gz").read_bytes()).count(b"\n") == count + 1
    memory.execute_rows("CREATE VIEW seen AS SELECT 1 AS a")
    assert memory.export("seen", tmp_path / "c.jsonl") == 1
    memory.execute_rows("DROP VIEW seen")


# What is refused, and what is left


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_that_is_there_is_replaced_only_on_request(
    memory: StorageEngine, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("precious")
    with pytest.raises(ExportExistsError, match="overwrite=True") as caught:
        memory.export("jan", file)
    assert isinstance(caught.value, FileExistsError)
    assert file.read_text() == "precious"
    assert memory.export("jan", file, overwrite=True) == 30
    assert names(tmp_path) == ["a.csv"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_open_database_is_never_replaced(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        with pytest.raises(ExportFileError, match="database"):
            storage.export("jan", path, "csv", overwrite=True)
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


FAILURES: dict[str, Callable[[StorageEngine, Path], object]] = {
    "a query that fails": lambda s, f: s.export("SELECT nope", f),
    "a value that fails": lambda s, f: s.export("SELECT 'a'::INTEGER FROM range(200000)", f),
    "a table that is not there": lambda s, f: s.export("nope", f),
    "a folder that is not there": lambda s, f: s.export("jan", f.parent / "no" / "a.csv"),
    "a callback": lambda s, f: s.export("jan", f, progress_callback=lambda _: 1 / 0),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_export_leaves_no_file(
    memory: StorageEngine, tmp_path: Path, failure: str
) -> None:
    expected = (QueryError, TableNotFoundError, ExportFileError, ZeroDivisionError)
    with pytest.raises(expected):
        FAILURES[failure](memory, tmp_path / "a.csv")
    assert names(tmp_path) == []


def test_an_empty_path_is_refused_with_the_name_of_an_export(memory: StorageEngine) -> None:
    with pytest.raises(ValueError, match=r"is empty\. Name a file, such as 'events\.parquet'"):
        memory.export("SELECT 1 AS a", "")


@pytest.mark.parametrize(
    ("name", "form"), [("a", None), ("a.txt", None), ("a.csv", "xml"), ("a.parquet.gz", None)]
)
def test_an_unknown_format_is_refused(
    memory: StorageEngine, tmp_path: Path, name: str, form: Any
) -> None:
    with pytest.raises(ValueError, match=r"format is|Parquet"):
        memory.export("jan", tmp_path / name, form)


@pytest.mark.parametrize("name", ["time", "distinct_id", "$insert_id"])
def test_what_mixpanels_format_cannot_say_is_refused_with_the_row(
    memory: StorageEngine, tmp_path: Path, name: str
) -> None:
    event = {**next(iter(make_events(1))), "insert_id": "odd", "properties": {name: 1}}
    memory.append_events_table("jan", [event], EVENTS)
    with pytest.raises(ExportFileError, match=r"'odd'.*another format") as caught:
        memory.export("jan", tmp_path / "a.jsonl", "mixpanel")
    assert repr(name) in str(caught.value)
    with pytest.raises(ExportFileError, match="columns of events or profiles"):
        memory.export("SELECT 1 AS a", tmp_path / "a.jsonl", "mixpanel")
    assert names(tmp_path) == []


@pytest.mark.parametrize("sandbox", [Sandbox(max_rows=10), Sandbox(max_rows=10, worker=True)])
def test_a_sandbox_exports_tables_whole_and_queries_within_its_limits(
    path: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(30), EVENTS)
    with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
        assert storage.export("jan", tmp_path / "a.jsonl", "mixpanel") == 30
        assert storage.export("SELECT insert_id FROM jan LIMIT 5", tmp_path / "b.csv") == 5
        with pytest.raises(ResultTooLargeError):
            storage.export("FROM jan", tmp_path / "c.csv")
        with pytest.raises(QueryError):
            storage.export("COPY jan TO 'x.csv'", tmp_path / "d.csv")
    assert not (tmp_path / "c.csv").exists()


def test_progress_ends_with_all_rows(memory: StorageEngine, tmp_path: Path) -> None:
    told: list[int] = []
    memory.export(
        "SELECT 1 AS a FROM range(300000)", tmp_path / "a.csv", progress_callback=told.append
    )
    assert told == sorted(told)
    assert told[-1] == 300_000
    assert len(told) > 1


def test_a_macro_does_not_change_what_is_written(memory: StorageEngine, tmp_path: Path) -> None:
    before = rows(memory, "jan")
    for name in ("concat", "to_json", "epoch_us", "strftime", "coalesce_"):
        memory.execute_rows(f"CREATE MACRO {name}(a, b := 1, c := 1) AS 'wrong'")
    memory.export("jan", tmp_path / "a.jsonl", "mixpanel")
    for name in ("concat", "to_json", "epoch_us", "strftime", "coalesce_"):
        memory.execute_rows(f"DROP MACRO {name}")
    assert read_again(memory, tmp_path / "a.jsonl", "events") == before


# Any data

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.integers(-(10**6), 10**6).map(lambda n: n / 8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text('a$ ."', max_size=2), inner)
    ),
    max_leaves=4,
)
ANY_EVENT = st.fixed_dictionaries(
    {
        "event_name": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "event_time": st.datetimes(datetime(1902, 1, 1), datetime(2900, 1, 1)),
        "distinct_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "insert_id": st.text('ab"\\,1', min_size=1, max_size=3),
        "properties": st.dictionaries(st.text("xyz$ .'", max_size=2), VALUES, max_size=3),
    }
)


@given(st.lists(ANY_EVENT, max_size=5))
@examples(15)
def test_any_events_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    with empty_storage() as storage:
        storage.create_events_table("e", events, EVENTS)
        expected = rows(storage, "e")
        for name, form in [("a.jsonl", "mixpanel"), ("a.parquet", None)]:
            if not events and form is None:
                continue
            storage.export("e", folder / name, form)  # type: ignore[arg-type]
            found = read_again(storage, folder / name, "events") if events else []
            assert found == expected
        storage.export("e", folder / "a.csv")
        with duckdb.connect() as plain:
            read = plain.execute(
                "SELECT count(*) FROM read_csv($1, header = true, all_varchar = true)",
                [str(folder / "a.csv")],
            ).fetchone()
        assert events == [] or read == (len(expected),)


def test_times_of_every_kind_come_back(memory: StorageEngine, tmp_path: Path) -> None:
    base = next(iter(make_events(1)))
    moments = [
        datetime(1969, 12, 31, 23, 59, 59, 999999),
        datetime(1970, 1, 1),
        datetime(1970, 1, 1, 0, 0, 0, 500000),
        datetime(2025, 1, 1) + timedelta(microseconds=1),
        datetime(2500, 1, 1, 0, 0, 0, 7),
    ]
    events = [{**base, "event_time": m, "insert_id": str(m)} for m in moments]
    memory.create_events_table("times", events, EVENTS)
    memory.export("times", tmp_path / "a.jsonl", "mixpanel")
    assert read_again(memory, tmp_path / "a.jsonl", "events") == rows(memory, "times")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_columns_of_one_name_keep_their_own_values(
    memory: StorageEngine, tmp_path: Path, name: str
) -> None:
    memory.export("SELECT 1 AS a, 2 AS a, 3 AS A", tmp_path / name)
    with StorageEngine.memory() as other:
        found = other.execute(f"FROM '{tmp_path / name}'")
        assert found.columns == ["a", "a_1", "A_2"]
        assert found.fetchall() == [(1, 2, 3)]


#: What DuckDB can make of each of its types, and of types within types.
_EVERY_TYPE = "FROM test_all_types()"
_NESTED = ("{{'i': {}}}", "[{}]", "map {{'a': {}}}", "union_value(k := {})")
_ODD = ("INTERVAL 3 DAY", "2::BIGNUM", "union_value(k := 1)", "1::VARIANT", "1.5::DECIMAL(9, 2)")


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_columns_of_every_type_are_written(memory: StorageEngine, form: Any) -> None:
    names = memory.execute(_EVERY_TYPE).columns
    if duckdb.__version__.startswith("1."):  # pyarrow's Parquet cannot write it
        names = [name for name in names if not name.startswith("fixed_nested")]
    for name in names:
        assert memory.export(f'SELECT "{name}" {_EVERY_TYPE}', io.BytesIO(), form) == 3, name
    for value in [*_ODD, *(outer.format(inner) for outer in _NESTED for inner in _ODD)]:
        assert memory.export(f"SELECT {value} AS v", io.BytesIO(), form) == 1, value


@pytest.mark.skipif(not duckdb.__version__.startswith("1."), reason="DuckDB 2.0 has other arrays")
def test_what_pyarrow_cannot_write_is_an_error_of_ours(memory: StorageEngine) -> None:
    with pytest.raises(ExportFileError, match="Cast it to VARCHAR"):
        memory.export(
            "SELECT fixed_nested_int_array FROM test_all_types()", io.BytesIO(), "parquet"
        )


def test_what_parquet_has_no_type_for_is_text_there(memory: StorageEngine) -> None:
    file = io.BytesIO()
    memory.export(
        "SELECT INTERVAL 3 DAY AS gap, [INTERVAL 1 DAY] AS gaps, union_value(k := 1) AS either, "
        "{'INTERVAL': 1} AS struct, 'INTERVAL'::ENUM('INTERVAL') AS word",
        file,
        "parquet",
    )
    assert pq.read_table(file).to_pylist() == [
        {
            "gap": "3 days",
            "gaps": '["1 day"]',
            "either": '{"k":1}',
            "struct": {"INTERVAL": 1},
            "word": "INTERVAL",
        }
    ]


def test_numbers_of_every_width_stand_without_quotes_in_csv(memory: StorageEngine) -> None:
    file = io.BytesIO()
    memory.export(
        "SELECT count(*) AS a, sum(1) AS b, 1::UTINYINT AS c, 2.5::DOUBLE AS d, 1.50 AS e, "
        "true AS f, '1' AS g, INTERVAL 1 DAY AS h",
        file,
        "csv",
    )
    assert file.getvalue().splitlines()[1] == b'1,1,1,2.5,1.50,true,"1","1 day"'


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet", "mixpanel"])
def test_an_open_file_gets_what_a_path_gets_and_stays_open(
    memory: StorageEngine, tmp_path: Path, form: Any
) -> None:
    by_path = memory.export("jan", tmp_path / "path", form)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        by_file = memory.export("jan", file, form)
        assert not file.closed
    assert (tmp_path / "file").read_bytes() == (tmp_path / "path").read_bytes()
    assert (by_file, by_file.path) == (by_path, None)
    assert by_file.bytes == by_path.bytes == (tmp_path / "path").stat().st_size


def test_an_open_file_needs_a_format(memory: StorageEngine) -> None:
    with pytest.raises(ValueError, match=r"format is None, and the file is an open file"):
        memory.export("jan", io.BytesIO())


class Hesitant(io.RawIOBase):
    """A file that takes a few bytes at a time, as pipes do."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:7])
        return min(7, len(data))


def test_a_file_that_takes_a_few_bytes_at_a_time_gets_them_all(memory: StorageEngine) -> None:
    file = Hesitant()
    memory.export("jan", file, "ndjson")  # type: ignore[arg-type]
    assert len(file.taken.splitlines()) == 30


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_floats_that_are_no_numbers_are_text_in_json(
    memory: StorageEngine, tmp_path: Path, value: str
) -> None:
    text = f'"[NaN, {value}]\\'
    query = f"SELECT '{value}'::DOUBLE AS a, ['{value}'::FLOAT, 1] AS b, {{'{value}': $1}} AS c"
    memory.export(query, tmp_path / "a.json", params=[text])
    found = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert found == {"a": value, "b": [value, 1.0], "c": {value: text}}


_PARTS = [*'NaIx"\\,[]{}:- \n', "NaN", "Infinity", "-Infinity"]
_PIECES = st.lists(st.sampled_from(_PARTS), max_size=9).map("".join)
_FLOATS = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity", "1.5": 1.5}


@given(
    texts=st.lists(_PIECES, max_size=3), floats=st.lists(st.sampled_from([*_FLOATS])), key=_PIECES
)
@examples(100)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_members_that_are_no_numbers_are_text_wherever_they_stand(
    form: ExportFormat, texts: list[str], floats: list[str], key: str
) -> None:
    found: dict[str, Any]
    with empty_storage() as storage, tempfile.TemporaryDirectory() as folder:
        query = "SELECT $1::VARCHAR[] AS t, $2::DOUBLE[] AS f, MAP {$3: $2::FLOAT[]} AS m"
        storage.export(query, Path(folder) / "a", form, params=[texts, floats, key])
        with (Path(folder) / "a").open(newline="", encoding="utf-8") as file:
            if form == "csv":
                (row,) = csv.DictReader(file)
                found = {name: json.loads(row[name], parse_constant=pytest.fail) for name in row}
            else:
                found = json.load(file, parse_constant=pytest.fail)
    expected = [_FLOATS[each] for each in floats]
    assert found == {"t": texts, "f": expected, "m": {key: expected}}


def test_a_database_opens_again_while_the_error_of_an_export_is_kept(tmp_path: Path) -> None:
    (tmp_path / "taken.csv").touch()

    def stop(count: int) -> None:
        raise RuntimeError("stop")

    kept = []
    for name, error in [("taken.csv", ExportExistsError), ("new.csv", RuntimeError)]:
        with StorageEngine(tmp_path / "a.db") as storage, pytest.raises(error) as caught:
            storage.export("FROM range(1000000)", tmp_path / name, progress_callback=stop)
        kept.append(caught)
    with StorageEngine(tmp_path / "a.db") as storage:  # DuckDB 1.5 would wait for ever
        assert storage.execute_scalar("SELECT 1") == 1


@pytest.mark.parametrize("name", ["pc.jsonl", "pc.json.gz", "pc.parquet"])
def test_a_table_with_property_columns_loads_again_as_the_same_rows(
    memory: StorageEngine, tmp_path: Path, name: str
) -> None:
    columns = [
        PropertyColumn("number"),
        PropertyColumn("plan name", name='a "b'),
        PropertyColumn("no", name="n"),
    ]
    memory.create_events_table("pc", make_events(5), EVENTS, property_columns=columns)
    file = tmp_path / name
    assert memory.export("pc", file) == 5
    wanted = memory.execute_rows(
        "SELECT event_name, event_time, distinct_id, insert_id, properties FROM pc ORDER BY ALL"
    )
    assert read_again(memory, file, "events") == wanted
    if name == "pc.parquet":  # for other programs it has them
        assert pq.read_schema(file).names[5:] == ["number", 'a "b', "n"]
    memory.export("FROM pc", tmp_path / "all.jsonl")
    assert json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])["number"] == "0"


@pytest.mark.parametrize("name", ["big.csv", "big.jsonl", "big.parquet"])
def test_unsigned_integers_of_128_bits_keep_their_value(
    memory: StorageEngine, tmp_path: Path, name: str
) -> None:
    number = 2**128 - 1
    query = f"SELECT '{number}'::UHUGEINT AS n, {{'m': '{number}'::UHUGEINT}} AS s"
    memory.export(query, path := tmp_path / name)
    if name == "big.jsonl":
        assert json.loads(path.read_text()) == {"n": number, "s": {"m": number}}
    elif name == "big.csv":
        assert path.read_text().splitlines()[1] == f'"{number}","{{""m"":{number}}}"'
    else:
        assert pq.read_table(path).to_pylist() == [{"n": str(number), "s": f'{{"m":{number}}}'}]


def test_bit_strings_are_text_in_parquet(memory: StorageEngine, tmp_path: Path) -> None:
    memory.export("SELECT '0101'::BIT AS b", path := tmp_path / "bits.parquet")
    assert pq.read_table(path).to_pylist() == [{"b": "0101"}]


KILLED = """
storage = StorageEngine.memory()
def kill(rows):
    say(*sorted(os.listdir(Path(sys.argv[1]).parent)))
    os.kill(os.getpid(), signal.SIGKILL)
storage.export("FROM range(1_000_000)", sys.argv[1], progress_callback=kill)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
@pytest.mark.parametrize("name", ["big.jsonl.gz", "big.csv", "big.parquet"])
def test_an_export_removes_what_a_killed_one_of_its_name_has_left(
    memory: StorageEngine, tmp_path: Path, name: str
) -> None:
    (tmp_path / ".other.part-x").mkdir()
    with PythonProcess(KILLED, tmp_path / name) as process:
        (said,) = process.read_all()
        assert process.wait() == -signal.SIGKILL, process.errors()
    assert f".{name}.part-" in said
    memory.export("jan", tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {name, ".other.part-x"}


@pytest.mark.parametrize("name", ["a.db", "a.db.wal", "link.db", "A"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_database_of_whomever_is_never_replaced(
    memory: StorageEngine, tmp_path: Path, name: str, *, overwrite: bool
) -> None:
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE t AS SELECT 1')"
    database = tmp_path / ("A" if name == "A" else "a.db")
    subprocess.run([sys.executable, "-c", code, str(database)], check=True)
    (tmp_path / "link.db").symlink_to(database)
    before = database.read_bytes()
    with pytest.raises(ExportFileError, match="database"):
        memory.export("jan", tmp_path / name, "csv", overwrite=overwrite)
    assert database.read_bytes() == before
    assert not (tmp_path / "a.db.wal").exists()


def test_a_database_that_another_process_has_open_is_not_replaced(
    memory: StorageEngine, path: Path
) -> None:
    script = "storage = StorageEngine(sys.argv[1])\nsay(1)\nsys.stdin.read()"
    with PythonProcess(script, path) as process:
        process.read()
        with pytest.raises(ExportFileError, match="database"):
            memory.export("jan", path, "csv", overwrite=True)
