"""Exports, previews and tables made of a query refuse what is no query, before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, delete, insert, select, text

from mixpanel_data import QueryError, StorageEngine

QUERIES = [
    "FROM t",
    "SELECT * FROM t;",
    "-- a comment\nSELECT 1",
    "/* delete */ SELECT 'delete from t' AS \"update\" -- delete",
    "(SELECT 1)",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "WITH x AS (SELECT 1) FROM x",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3) FROM r",
    "VALUES (1), (2)",
    "TABLE t",
    "SHOW TABLES",
    "SHOW t",
    "DESCRIBE t",
    "DESCRIBE SELECT 1",
    "SUMMARIZE t",
    "PIVOT t ON b USING sum(a)",
    "PIVOT t ON b USING sum(a);",
    "PIVOT t ON b IN ('x') USING sum(a)",
    "UNPIVOT t ON a INTO NAME n VALUE x",
    "WITH x AS (PIVOT t ON b USING sum(a)) FROM x",
]

OTHERS = [
    "DROP TABLE t",
    "DELETE FROM t",
    "delete from t returning *",
    "INSERT INTO t VALUES (2, 'y') RETURNING a",
    "UPDATE t SET a = 5",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "WITH x AS (DELETE FROM t RETURNING *) FROM x",
    "WITH x AS (WITH y AS (SELECT 1) DELETE FROM t RETURNING *) FROM x",
    "WITH x AS (INSERT INTO t VALUES (2, 'y') RETURNING *) SELECT 1",
    "WITH x AS (COPY t TO 'out.csv') FROM x",
    "WITH x AS (DELETE FROM t RETURNING *) PIVOT x ON b USING sum(a)",
    "SELECT 1; DROP TABLE t",
    "DROP TABLE t; SELECT 1",
    "SELECT 1; SELECT 2",
    "PIVOT t ON b USING sum(a); DROP TABLE t",
    "DROP TABLE t; PIVOT t ON b USING sum(a)",
    "CREATE TABLE z AS SELECT 1",
    "CREATE TABLE z AS SELECT 1; FROM z",
    "COPY t TO 'out.csv'",
    "EXPORT DATABASE 'out.csv'",
    "SET threads = 1",
    "PRAGMA threads = 1",
    "PRAGMA enable_profiling",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXECUTE p",
    "ATTACH ':memory:' AS other",
    "USE temp",
    "BEGIN TRANSACTION",
    "FORCE CHECKPOINT",
    "",
    "-- nothing",
    ";",
]

STATE = """
    SELECT current_setting('threads'), current_database(),
        list(database_name ORDER BY database_name),
        (SELECT list(table_name ORDER BY table_name) FROM duckdb_tables()) FROM duckdb_databases()
"""

WAYS: dict[str, Callable[[StorageEngine, str], object]] = {
    "export": lambda storage, sql: storage.export(sql, "made.csv"),
    "preview": lambda storage, sql: storage.preview(sql),
    "create_table_as": lambda storage, sql: storage.create_table_as("made", sql),
}


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageEngine]:
    monkeypatch.chdir(tmp_path)
    with StorageEngine.memory() as storage:
        storage.execute_rows("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
        yield storage


@pytest.mark.parametrize("sql", QUERIES)
def test_what_reads_is_exported_and_previewed(storage: StorageEngine, sql: str) -> None:
    wanted = storage.execute_rows(sql)
    assert storage.export(sql, "made.csv") == len(wanted)
    assert storage.preview(sql).rows == wanted


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sql", OTHERS)
def test_what_does_not_only_read_is_refused_before_it_runs(
    storage: StorageEngine, sql: str, way: str
) -> None:
    state = storage.execute_rows(STATE)
    with pytest.raises(QueryError):
        WAYS[way](storage, sql)
    assert storage.execute_rows("FROM t") == [(1, "x")]
    assert storage.execute_rows(STATE) == state
    assert list(Path().iterdir()) == []


def test_the_message_says_what_runs_it(storage: StorageEngine) -> None:
    with pytest.raises(QueryError, match=r"Nothing was run. execute_rows\(\) runs any"):
        storage.export("DROP TABLE t", "made.csv")


def test_statements_of_sqlalchemy_are_told_apart_too(storage: StorageEngine) -> None:
    table = Table("t", MetaData(), Column("a", Integer))
    assert storage.export(select(table), "made.csv") == 1
    assert storage.preview(text("FROM t WHERE a = :a"), {"a": 1}).rows == [(1, "x")]
    for statement in (delete(table), insert(table).values(a=2), text("DROP TABLE t")):
        with pytest.raises(QueryError, match="Nothing was run"):
            storage.preview(statement)
    assert storage.execute_rows("FROM t") == [(1, "x")]


def test_parameters_are_bound_as_ever(storage: StorageEngine) -> None:
    assert storage.preview("SELECT ? + 1 AS b", [1]).rows == [(2,)]
    assert storage.export("SELECT $a AS a", "made.csv", params={"a": 1}) == 1


@pytest.mark.parametrize(
    "end", [";", "; -- end", ";\n-- end\n", " ; ; /* x */ -- ; y", " -- ü; ", ""]
)
def test_a_comment_behind_the_semicolon_is_no_second_statement(end: str, tmp_path: Path) -> None:
    sql = f"SELECT ';' AS a, 8 AS b{end}"
    with StorageEngine.memory() as storage:
        assert storage.execute(sql).fetchall() == [(";", 8)]
        assert storage.preview(sql).rows == [(";", 8)]
        assert storage.export(sql, tmp_path / "a.csv") == 1
        assert storage.create_table_as("kept", sql) == 1
        assert storage.stream(sql).read_all().num_rows == 1
        assert storage.explain(sql)


def test_messages_have_the_lines_of_the_sql(tmp_path: Path) -> None:
    sql = "SELECT 1\nFROM range(3) SELECT"
    with StorageEngine.memory() as storage:
        asks: list[Callable[[], object]] = [
            lambda: storage.execute(sql),
            lambda: storage.preview(sql),
            lambda: storage.export(sql, tmp_path / "a.csv"),
            lambda: storage.create_table_as("kept", sql),
            lambda: storage.explain(sql),
        ]
        for ask in asks:
            with pytest.raises(QueryError, match="LINE 2: FROM range"):
                ask()


def test_tables_of_duckdbs_catalog_are_no_guess() -> None:
    with StorageEngine.memory() as storage, pytest.raises(QueryError, match="nope") as caught:
        storage.execute_rows("SELECT * FROM nope")
    assert "Did you mean" not in str(caught.value)
