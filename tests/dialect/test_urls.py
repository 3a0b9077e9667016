"""A URL has DuckDB's settings and the dialect's own options."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

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
    advice = f"Did you mean .*{nearest}" if nearest else "$"
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
