"""Queries never read variables of the caller (DuckDB's replacement scans are off)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import text

from mixpanel_data import QueryError, StorageEngine

at_module_level = pd.DataFrame({"a": [1]})

#: Everything of which DuckDB's client would make a table.
DATA: dict[str, Callable[[], object]] = {
    "data frame": lambda: pd.DataFrame({"a": [1]}),
    "table": lambda: pa.table({"a": [1]}),
    "reader": lambda: pa.table({"a": [1]}).to_reader(),
    "relation": lambda: duckdb.sql("SELECT 1 AS a"),
}


@pytest.mark.needs("cursor")
@pytest.mark.parametrize("kind", DATA)
def test_a_local_variable_answers_no_query(kind: str, storage: StorageEngine) -> None:
    planted = DATA[kind]()
    for run in (storage.execute_rows, storage.execute_df, storage.execute_scalar, storage.execute):
        with pytest.raises(QueryError, match="planted does not exist"):
            run("SELECT * FROM planted")
    with storage.session() as session, pytest.raises(Exception, match="planted does not exist"):
        session.execute(text("SELECT * FROM planted"))
    for run_raw in (storage.connection.execute, storage.connection.cursor().execute):
        with pytest.raises(duckdb.CatalogException, match="planted does not exist"):
            run_raw("SELECT * FROM planted")
    assert planted is not None


def test_a_global_variable_answers_no_query(storage: StorageEngine) -> None:
    with pytest.raises(QueryError, match="at_module_level does not exist"):
        storage.execute_rows("SELECT * FROM at_module_level")
    assert len(at_module_level) == 1


def test_a_view_does_not_find_a_variable_later(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE planted (a INTEGER)")
    storage.execute_rows("CREATE VIEW over AS SELECT * FROM planted")
    storage.execute_rows("DROP TABLE planted")
    planted = pd.DataFrame({"a": pd.array([1], dtype="int32")})
    with pytest.raises(QueryError, match="planted does not exist"):
        storage.execute_rows("SELECT * FROM over")
    assert len(planted) == 1


def test_data_that_was_registered_is_found(storage: StorageEngine) -> None:
    storage.connection.register("plans", pd.DataFrame({"a": [7]}))
    assert storage.connection.execute("SELECT a FROM plans").fetchall() == [(7,)]


def test_replacement_scans_can_be_turned_on(path: Path) -> None:
    planted = pd.DataFrame({"a": [7]})
    with StorageEngine(path, config={"python_enable_replacements": True}) as storage:
        assert storage.connection.execute("SELECT a FROM planted").fetchall() == [(7,)]
    assert len(planted) == 1


def test_a_variable_answers_no_query_when_settings_are_locked(path: Path) -> None:
    planted = pd.DataFrame({"a": [7]})
    with (
        StorageEngine(path, config={"lock_configuration": True}) as storage,
        pytest.raises(QueryError, match="planted does not exist"),
    ):
        storage.execute_rows("SELECT a FROM planted")
    assert len(planted) == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_duckdb_may_open_the_file_beside_the_engine(read_only: bool, path: Path) -> None:
    StorageEngine(path).close()
    with (
        StorageEngine(path, read_only=read_only),
        duckdb.connect(str(path), read_only=read_only) as beside,
    ):
        assert beside.execute("SELECT 42").fetchall() == [(42,)]
