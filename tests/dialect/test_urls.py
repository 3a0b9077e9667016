"""A URL has DuckDB's settings and the dialect's own options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, create_engine, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.schema import CreateTable

from tests.processes import PythonProcess


@pytest.fixture
def database(path: Path) -> Path:
    """A database with a table."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    return path


@pytest.mark.parametrize("query", ["read_only=true", "access_mode=read_only"])
def test_a_file_is_opened_read_only(database: Path, query: str) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{database}?{query}&threads=1&TimeZone=Asia/Tokyo")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT n FROM t")) == 1
        assert connection.scalar(text("SELECT current_setting('threads')")) == 1
        assert connection.scalar(text("SELECT current_setting('TimeZone')")) == "Asia/Tokyo"
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(text("INSERT INTO t VALUES (2)"))
    engine.dispose()


@pytest.mark.parametrize(
    ("option", "nearest"), [("lock_timeuot", "lock_timeout"), ("thraeds", "threads"), ("qqq", "")]
)
def test_an_unknown_option_is_named_with_the_nearest_ones(option: str, nearest: str) -> None:
    engine = create_engine(f"duckdb+mixpanel:///:memory:?{option}=1")
    advice = f"Did you mean .*{nearest}" if nearest else "Beside .*lock_timeout.*duckdb_settings"
    with pytest.raises(ArgumentError, match=rf"no setting '{option}'\.\s*{advice}"):
        engine.connect()
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("lock_timeout=soon", "lock_timeout of the URL is 'soon'. Use seconds"),
        ("lock_timeout=-1", "lock_timeout of the URL is '-1'. Use seconds"),
        ("lock_timeout=nan", "lock_timeout of the URL is 'nan'. Use seconds"),
        ("read_only=maybe", "read_only of the URL is 'maybe'. Use true or false"),
        ("read_only=true&read_only=false", "read_only of the URL is .*Use true or false"),
        ("foreign_keys=2.5", "foreign_keys of the URL is '2.5'. Use on or off"),
        ("sandbox=true", r"cannot open a sandbox. Use StorageEngine\(path, sandbox=True\)"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_named(query: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        create_engine(f"duckdb+mixpanel:///:memory:?{query}").connect()


ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt option": ({"readonly": True}, "no 'readonly'. Did you mean read_only"),
    "a setting": ({"threads": 2}, "no 'threads'. Settings of DuckDB belong into its config"),
    "no seconds": ({"lock_timeout": "x"}, "lock_timeout of connect_args is 'x'. Use seconds"),
    "no truth": ({"read_only": "maybe"}, "read_only of connect_args is 'maybe'. Use true or false"),
    "no settings": ({"config": 3}, "config is 3. Use a dict"),
    "an option as a setting": (
        {"config": {"read_only": True}},
        "read_only is no setting",
    ),
    "a key": ({"encryption_key": "k"}, "MIXPANEL_DATA_ENCRYPTION_KEY"),
    "a key as a setting": ({"config": {"encryption_key": "k"}}, "MIXPANEL_DATA_ENCRYPTION_KEY"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_that_connections_do_not_have_is_told(tmp_path: Path, name: str) -> None:
    arguments, message = ARGUMENTS[name]
    engine = create_engine(f"duckdb+mixpanel:///{tmp_path / 'app.db'}", connect_args=arguments)
    with pytest.raises(ArgumentError, match=re.escape(message)):
        engine.connect()


def test_arguments_of_connections_are_those_of_a_url(database: Path) -> None:
    arguments = {"read_only": "true", "foreign_keys": False, "lock_timeout": "0"}
    engine = create_engine(f"duckdb+mixpanel:///{database}", connect_args=arguments)
    keyed = MetaData()
    Table("parents", keyed, Column("id", Integer, primary_key=True, autoincrement=False))
    child = Table("children", keyed, Column("parent", ForeignKey("parents.id")))
    with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="read-only"):
            connection.exec_driver_sql("CREATE TABLE t (i INTEGER)")
        assert "REFERENCES" not in str(CreateTable(child).compile(connection))
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("duckdb+mixpanel://app.db", "Use duckdb+mixpanel:///app.db for a file"),
        ("duckdb+mixpanel://me@host:1/app.db", "Use duckdb+mixpanel:///app.db for a file"),
        ("duckdb+mixpanel:///:memory:?threads=2&threads=3", "threads is 2 times in the URL"),
        ("duckdb+mixpanel:///:memory:?encryption_key=k", "StorageEngine(path, encryption_key=…)"),
    ],
)
def test_a_url_that_means_something_else_says_what_to_write(url: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        create_engine(url).connect()


def test_a_file_that_is_open_elsewhere_is_waited_for(database: Path) -> None:
    script = """
        import duckdb, sys, time
        connection = duckdb.connect(sys.argv[1])
        say("open")
        time.sleep(1)
        connection.close()
        say("closed")
        sys.stdin.readline()
    """
    script = "\n".join(line.strip() for line in script.splitlines())
    with PythonProcess(script, database) as process:
        assert process.read() == "open"
        impatient = create_engine(f"duckdb+mixpanel:///{database}")
        with pytest.raises(OperationalError, match="Could not set lock on file"):
            impatient.connect()
        patient = create_engine(f"duckdb+mixpanel:///{database}?lock_timeout=30")
        with patient.connect() as connection:
            assert connection.scalar(text("SELECT n FROM t")) == 1
        patient.dispose()
