"""Views, macros, types and generated columns are checked like the statement that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixpanel_data import Sandbox, SandboxError, StorageEngine
from mixpanel_data.database.opener import open_database
from mixpanel_data.database.sandbox import allowed
from mixpanel_data.database.sandbox.catalog import select_of
from mixpanel_data.database.sandbox.rules import Rules
from tests.database.sandbox.ordinary import ORDINARY, TABLES
from tests.records import EVENTS, make_events

Planting = Callable[..., StorageEngine]


@pytest.fixture
def planted(path: Path) -> Iterator[Planting]:
    """A function that plants SQL in a file and opens that with a sandbox."""
    opened: list[StorageEngine] = []

    def plant(*statements: str, sandbox: Sandbox | bool = True) -> StorageEngine:
        with StorageEngine(path) as storage:
            storage.create_events_table("events", make_events(3), EVENTS)
            for sql in statements:
                storage.connection.execute(sql.format(db=path))
        opened.append(StorageEngine(path, sandbox=sandbox))
        return opened[-1]

    yield plant
    for engine in opened:
        engine.close()


def refuses(storage: StorageEngine, *statements: str) -> None:
    for sql in statements:
        with pytest.raises(SandboxError):
            storage.execute_rows(sql)
    assert storage.execute_rows("FROM range(2)") == [(0,), (1,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT size FROM read_blob('{db}')",
        "SELECT 1 AS a WHERE EXISTS (FROM read_text('{db}'))",
        "WITH events AS (FROM read_blob('{db}')) SELECT size FROM events",
        "SELECT nextval('numbers') AS n",
        "SELECT repeat('[', 10)::VARIANT AS v",
        "FROM duckdb_settings()",
        "FROM query('FROM events')",
        "SELECT spy() AS a",
        "FROM spies()",
    ],
)
def test_a_view_is_checked_like_the_statement(query: str, planted: Planting) -> None:
    storage = planted(
        "CREATE SEQUENCE numbers",
        "CREATE MACRO spy() AS (SELECT max(size) FROM read_blob('{db}'))",
        "CREATE MACRO spies() AS TABLE FROM read_blob('{db}')",
        f'CREATE VIEW "sp""y) AS (" AS {query}',
        'CREATE VIEW outer_spy AS FROM "sp""y) AS ("',
    )
    for name in ('"sp""y) AS ("', 'main."SP""Y) as ("', "outer_spy", "OUTER_SPY"):
        refuses(storage, f"FROM {name}", f"DESCRIBE {name}", f"SELECT 1 FROM events, {name}")
        refuses(storage, f"WITH a AS (FROM {name}) FROM events", f"SELECT (SELECT 1 FROM {name})")
    assert storage.execute_scalar("SELECT count(*) FROM events") == 3


def test_views_over_what_is_allowed_work(planted: Planting) -> None:
    storage = planted(
        "CREATE SCHEMA other",
        "CREATE VIEW names AS SELECT DISTINCT event_name FROM events",
        'CREATE VIEW "as (" ("a)", "as") AS SELECT event_name, 1 FROM names -- AS SELECT',
        "CREATE VIEW other.names AS WITH x AS (FROM main.names) FROM x",
    )
    for name in ("names", '"as ("', "other.names", "information_schema.columns"):
        assert storage.execute_rows(f"SELECT count(*) >= 3 FROM {name}") == [(True,)]


def test_a_view_finds_the_tables_of_its_own_schema(planted: Planting) -> None:
    storage = planted(
        "CREATE SCHEMA other",
        "CREATE VIEW other.events AS FROM read_blob('{db}')",
        "CREATE VIEW other.spy AS FROM events",
        "USE other",
        "CREATE VIEW other.spy2 AS FROM other.events",
    )
    refuses(storage, "FROM other.spy2", "FROM other.events")


def test_a_long_chain_of_views_works(planted: Planting) -> None:
    views = [f"CREATE VIEW v{n} AS FROM v{n - 1}" for n in range(1, 30)]
    assert (
        planted("CREATE VIEW v0 AS FROM events", *views).execute_scalar("SELECT count(*) FROM v29")
        == 3
    )


def test_the_query_of_a_view_is_found_in_its_definition() -> None:
    made = 'CREATE VIEW "a as (" ("b) as", c) AS (WITH q AS (SELECT 1 AS é) FROM q);'
    assert select_of(made).strip() == "(WITH q AS (SELECT 1 AS é) FROM q);"


@pytest.mark.parametrize("name", ["lower", "+", "~~", "len", "json_extract_string", "now"])
def test_a_macro_with_the_name_of_a_function_is_refused(name: str, planted: Planting) -> None:
    calls = {
        "+": "SELECT 1 + 1",
        "~~": "SELECT 'a' LIKE 'b'",
        "json_extract_string": "SELECT json_extract_string('{}', '$.a')",
        "now": "SELECT now()",
    }
    macro = f"""CREATE MACRO "{name}"(a := '', b := '') AS (
        SELECT max(size) FROM read_blob('{{db}}'))"""
    storage = planted(macro)
    refuses(storage, calls.get(name, f"SELECT {name}('x')"))
    assert storage.execute_scalar("SELECT 'x'") == "x"


def test_a_macro_in_any_schema_is_refused_and_however_it_is_called(planted: Planting) -> None:
    storage = planted("CREATE SCHEMA x", "CREATE MACRO x.lower(a) AS getvariable(a)")
    refuses(
        storage,
        "SELECT x.lower('a')",
        "SELECT LOWER('a')",
        "SELECT event_name.lower() FROM events",
        "SELECT list_transform(['a'], lambda s: lower(s))",
        "SELECT sum(lower('a')) OVER () FROM events",
    )


@pytest.mark.parametrize(
    ("taken", "sql"),
    [
        ("struct_extract(a, b)", "SELECT s.a FROM (SELECT {'a': 1} AS s)"),
        ("avg(a)", "SUMMARIZE events"),
        ("current_user()", "SELECT current_user"),
        ("list_aggr(a, b)", "SELECT list_sum([1])"),
        ("duckdb_tables() AS TABLE", "SHOW TABLES"),
        ("duckdb_columns() AS TABLE", "FROM information_schema.columns"),
        ("unpivot_list(a)", "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b"),
        ("array_extract(a, b)", "SELECT [1][1]"),
    ],
)
def test_a_macro_that_duckdb_calls_implicitly_is_refused(taken: str, sql: str, path: Path) -> None:
    opened = open_database(path, read_only=False, config=Sandbox().settings)
    with opened.cursor() as connection:
        connection.execute("CREATE TABLE events (a INTEGER)")
        rules = Rules(opened, Sandbox())
        rules.check(sql)
        connection.execute(f"CREATE MACRO {taken} {'' if 'TABLE' in taken else 'AS'} (SELECT 1)")
        with pytest.raises(SandboxError, match="which is a macro of the database"):
            rules.check(sql)
        rules.check("SELECT 1")
    opened.close()


@pytest.mark.slow
def test_no_macro_of_a_file_replaces_any_function(tmp_path: Path) -> None:
    names = sorted(allowed.FUNCTIONS | allowed.TABLE_FUNCTIONS | {"duckdb_databases", "__between"})
    parts = [names[first::8] for first in range(8)]
    ran = sum(ran_with_macros(tmp_path / f"{n}.db", taken) for n, taken in enumerate(parts))
    assert ran > 100


def ran_with_macros(path: Path, names: list[str]) -> int:
    """Run all ordinary statements that are not refused once macros have taken some names."""
    arguments = [", ".join(f"p{i}" for i in range(count)) for count in range(6)]
    bodies = ", ".join(f"({each}) AS (CAST('TAKEN' AS INTEGER))" for each in arguments)
    ran = 0
    opened = open_database(path, read_only=False, config=Sandbox().settings)
    with opened.cursor() as connection:
        connection.execute(TABLES)
        rules = Rules(opened, Sandbox())
        for name in names:
            connection.execute(f'CREATE MACRO "{name}" {bodies}')
            connection.execute(f"""CREATE MACRO "{name}"() AS TABLE SELECT 'TAKEN'::INTEGER""")
        for sql in ORDINARY:
            try:
                rules.check(sql)
            except SandboxError:
                continue
            connection.execute(sql).fetchall()  # raises when a macro runs
            ran += 1
    opened.close()
    return ran


def test_a_macro_made_while_the_engine_is_open_is_noticed(anywhere: StorageEngine) -> None:
    assert anywhere.execute_scalar("SELECT lower('A')") == "a"
    trusted = anywhere._database.connection
    trusted.execute("CREATE MACRO lower(a) AS 'taken'")
    refuses(anywhere, "SELECT lower('A')")
    trusted.execute("DROP MACRO lower")
    assert anywhere.execute_scalar("SELECT lower('A')") == "a"


def test_types_of_the_file_are_checked_by_their_definition(planted: Planting) -> None:
    storage = planted(
        "CREATE TYPE mood AS ENUM ('glad')",
        "CREATE TYPE anything AS VARIANT",
        "CREATE TYPE nested AS STRUCT(a VARIANT)",
    )
    assert storage.execute_scalar("SELECT 'glad'::mood") == "glad"
    refuses(storage, "SELECT '['::anything", "SELECT NULL::anything[]", "SELECT NULL::nested")


def test_a_generated_column_is_checked(planted: Planting) -> None:
    storage = planted(
        "CREATE SEQUENCE numbers",
        "CREATE TABLE counted (a INTEGER, b AS (nextval('numbers')))",
        "CREATE TABLE doubled (a INTEGER, b AS (a * 2))",
        "CREATE TABLE numbered (a INTEGER DEFAULT nextval('numbers'))",
        "INSERT INTO doubled VALUES (2)",
    )
    refuses(storage, "FROM counted", "SELECT a FROM counted")
    assert storage.execute_rows("FROM doubled") == [(2, 4)]
    assert storage.execute_rows("FROM numbered") == []


def test_a_refusal_names_the_view(planted: Planting) -> None:
    storage = planted(
        "CREATE VIEW reads AS SELECT * FROM read_text('x')", "CREATE VIEW outer_one AS FROM reads"
    )
    for sql in ("FROM reads", "FROM outer_one", "SUMMARIZE outer_one"):
        with pytest.raises(SandboxError, match=r"read_text\(\) in the view reads\."):
            storage.execute_rows(sql)
    with pytest.raises(SandboxError, match=r"read_text\(\)\. "):
        storage.execute_rows("SELECT * FROM read_text('x'), reads")


def test_a_pivot_without_values_is_told_so(planted: Planting) -> None:
    with pytest.raises(SandboxError, match="PIVOT needs its values"):
        planted().execute_rows("PIVOT events ON event_name USING count(*)")
