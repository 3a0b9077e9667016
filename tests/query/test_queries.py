"""Queries: SQL text and SQLAlchemy statements, parameters, four shapes of results, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    func,
    insert,
    select,
    table,
    text,
)

from mixpanel_data import QueryError, StorageEngine
from mixpanel_data.schema.tables import managed_table
from tests.records import EVENTS, make_events

METHODS = ["execute", "execute_df", "execute_rows", "execute_scalar"]

NUMBERS = "SELECT n FROM range(10) AS t(n)"


@pytest.fixture
def events(storage: StorageEngine) -> StorageEngine:
    storage.create_events_table("events_jan", make_events(300), EVENTS)
    return storage


def test_a_data_frame_has_the_columns_and_rows_of_the_query(events: StorageEngine) -> None:
    frame = events.execute_df(
        "SELECT event_name, count(*) AS n, min(event_time) AS first "
        "FROM events_jan GROUP BY event_name ORDER BY event_name"
    )
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["event_name", "n", "first"]
    assert frame["n"].tolist() == [100, 100, 100]
    assert frame["first"].iloc[0] == pd.Timestamp("2025-01-01 00:00:00")


def test_rows_are_tuples_of_python_values(events: StorageEngine) -> None:
    rows = events.execute_rows("SELECT event_name, event_time FROM events_jan LIMIT 1")
    assert rows == [("Page View", datetime(2025, 1, 1))]


def test_a_scalar_is_the_first_column_of_the_first_row(storage: StorageEngine) -> None:
    assert storage.execute_scalar("SELECT n, -n FROM range(5, 9) AS t(n)") == 5
    assert storage.execute_scalar("SELECT NULL") is None
    assert storage.execute_scalar("SELECT 1 WHERE false") is None


def test_a_relation_is_lazy_and_can_be_taken_further(events: StorageEngine) -> None:
    relation = events.execute("SELECT * FROM events_jan")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.filter("event_name = 'Purchase'").count("*").fetchall() == [(100,)]
    assert relation.columns == [
        "event_name",
        "event_time",
        "distinct_id",
        "insert_id",
        "properties",
    ]


@pytest.mark.parametrize("method", METHODS)
def test_all_shapes_agree_on_text_statements_and_parameters(
    events: StorageEngine, method: str
) -> None:
    declared = managed_table("events", "events_jan")
    counted = select(func.count()).select_from(declared)
    named = bindparam("name", type_=String)
    queries: list[tuple[Any, Any]] = [
        ("SELECT count(*) FROM events_jan WHERE event_name = 'Purchase'", None),
        ("SELECT count(*) FROM events_jan WHERE event_name = ?", ["Purchase"]),
        ("SELECT count(*) FROM events_jan WHERE event_name = $1", ("Purchase",)),
        ("SELECT count(*) FROM events_jan WHERE event_name = $name", {"name": "Purchase"}),
        (text("SELECT count(*) FROM events_jan WHERE event_name = :name"), {"name": "Purchase"}),
        (counted.where(declared.c.event_name == "Purchase"), None),
        (counted.where(declared.c.event_name == named), {"name": "Purchase"}),
        (counted.where(declared.c.event_name.in_(["Purchase", "nothing"])), None),
    ]
    values = []
    for query, params in queries:
        result = getattr(events, method)(query, params)
        if method == "execute":
            result = result.fetchall()[0][0]
        elif method == "execute_df":
            result = result.iloc[0, 0]
        elif method == "execute_rows":
            result = result[0][0]
        values.append(int(result))
    assert values == [100] * len(queries)


def test_parameters_are_bound_not_pasted(events: StorageEngine) -> None:
    hostile = "x'; DROP TABLE events_jan; --"
    assert events.execute_rows("SELECT ?", [hostile]) == [(hostile,)]
    assert events.execute_rows("SELECT $q", {"q": hostile}) == [(hostile,)]
    assert events.table_exists("events_jan")


@pytest.mark.parametrize("method", METHODS)
def test_what_the_database_objects_to_is_a_query_error(storage: StorageEngine, method: str) -> None:
    for query in ["SELEC 1", "SELECT nope", "SELECT * FROM nowhere", "SELECT ?"]:
        with pytest.raises(QueryError) as caught:
            getattr(storage, method)(query)
        assert caught.value.details["query"] == query
        assert isinstance(caught.value.__cause__, duckdb.Error)
        # DuckDB suggests tables of its own, such as pg_indexes; these are left out.
        told = re.sub(r'\nDid you mean "pg_\w+"\?', "", str(caught.value.__cause__))
        assert caught.value.message == told


def test_an_error_in_the_middle_of_a_result_is_a_query_error(storage: StorageEngine) -> None:
    query = "SELECT CASE WHEN n < 250000 THEN 1 ELSE error('late') END FROM range(300000) AS t(n)"
    for run in (storage.execute_rows, storage.execute_df):
        with pytest.raises(QueryError, match="late"):
            run(query)


def test_an_error_does_not_show_the_values_of_parameters(storage: StorageEngine) -> None:
    for query in ("SELECT $1::INTEGER + nope", text("SELECT :p + nope")):
        params: Any = ["s3cret"] if isinstance(query, str) else {"p": "s3cret"}
        with pytest.raises(QueryError) as caught:
            storage.execute_rows(query, params)
        assert "s3cret" not in str(caught.value) + repr(caught.value.details)


def test_a_missing_parameter_of_a_statement_is_a_query_error(storage: StorageEngine) -> None:
    with pytest.raises(QueryError, match="name"):
        storage.execute_rows(text("SELECT :name"))


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO notes VALUES (2)",
        text("INSERT INTO notes VALUES (2)"),
        insert(table("notes", column("id"))).values(id=2),
        insert(Table("notes", MetaData(), Column("id", Integer, default=lambda: 2))),
    ],
    ids=["sql", "text", "core", "core with a default made in Python"],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_query_that_writes_commits_by_itself(
    storage: StorageEngine, method: str, write: Any
) -> None:
    storage.execute_rows("CREATE TABLE notes (id INTEGER)")
    result = getattr(storage, method)(write)
    if method == "execute":
        result.fetchall()  # a relation may be lazy
    assert storage.execute_rows("SELECT id FROM notes") == [(2,)]


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE made (id INTEGER)",
        pytest.param("CHECKPOINT", marks=pytest.mark.needs("checkpoint")),
        "SET threads = 2",
    ],
)
def test_statements_without_rows_have_empty_results(storage: StorageEngine, query: str) -> None:
    assert storage.execute_rows(query) == []
    assert storage.execute_scalar("DROP TABLE IF EXISTS made") is None
    assert storage.execute_df(query).empty
    storage.execute_rows("DROP TABLE IF EXISTS made")
    assert storage.execute(query).fetchall() == []


def test_a_failed_query_does_not_spoil_the_next(storage: StorageEngine) -> None:
    for _ in range(3):
        with pytest.raises(QueryError):
            storage.execute_rows("SELECT nope")
        assert storage.execute_scalar("SELECT 1") == 1


def test_two_open_relations_do_not_disturb_each_other(storage: StorageEngine) -> None:
    query = "SELECT n FROM range(100000) AS t(n)"
    one, other = (storage.execute(query).to_arrow_reader(1000) for _ in range(2))
    for batch_of_one, batch_of_other in zip(one, other, strict=True):
        assert batch_of_one == batch_of_other
        assert storage.execute_scalar("SELECT 5") == 5


def test_two_open_results_of_one_connection_do_not_disturb_each_other(
    storage: StorageEngine,
) -> None:
    query = text("SELECT n FROM range(100000) AS t(n)")
    with storage.engine.connect() as connection:
        one, other = connection.execute(query), connection.execute(query)
        assert one.fetchmany(2) == other.fetchmany(2) == [(0,), (1,)]
        assert connection.scalar(text("SELECT 5")) == 5
        assert [len(one.all()), len(other.all())] == [99_998, 99_998]


def test_a_relation_without_rows_has_its_columns(events: StorageEngine) -> None:
    relation = events.execute("SELECT event_name FROM events_jan WHERE false")
    assert relation.columns == ["event_name"]
    assert relation.fetchall() == []


def test_a_relation_outlives_the_method_that_made_it(storage: StorageEngine) -> None:
    import gc

    relation = storage.execute(NUMBERS)
    gc.collect()
    assert relation.sum("n").fetchall() == [(45,)]


def test_variables_of_the_caller_never_answer_a_query(storage: StorageEngine) -> None:
    frame = pd.DataFrame({"a": [1]})
    for method in METHODS:
        with pytest.raises(QueryError):
            getattr(storage, method)("SELECT * FROM frame")
    assert len(frame) == 1


def test_variables_of_the_library_never_answer_a_query(storage: StorageEngine) -> None:
    for name in ("statement", "parameters", "self", "driver", "cursor", "connection", "bound"):
        with pytest.raises(QueryError):
            storage.execute(f'SELECT * FROM "{name}"')


def test_what_is_registered_on_the_connection_can_be_queried_there(storage: StorageEngine) -> None:
    storage.connection.register("frame", pd.DataFrame({"a": [1, 2]}))
    assert storage.connection.execute("SELECT sum(a) FROM frame").fetchone() == (3,)


def test_a_session_sees_what_the_engine_stored_and_the_other_way_round(
    events: StorageEngine,
) -> None:
    declared = managed_table("events", "events_jan")
    with events.session() as session:
        assert session.scalar(select(func.count()).select_from(declared)) == 300
        session.execute(
            insert(declared).values(
                event_name="x",
                event_time=datetime(2025, 1, 1),
                distinct_id="u",
                insert_id="from-session",
                properties={"$browser": "Chrome"},
            )
        )
        assert events.execute_scalar("SELECT count(*) FROM events_jan") == 300
        session.commit()
    assert events.execute_scalar("SELECT count(*) FROM events_jan") == 301
    with events.engine.connect() as connection:
        stored = select(declared.c.properties).where(declared.c.insert_id == "from-session")
        assert connection.scalar(stored) == {"$browser": "Chrome"}


def test_a_query_is_one_statement(
    storage: StorageEngine, statements: Callable[[StorageEngine], list[str]]
) -> None:
    seen = statements(storage)
    storage.execute_df(NUMBERS)
    storage.execute_rows(NUMBERS)
    storage.execute_scalar(NUMBERS)
    storage.execute(NUMBERS).fetchall()
    assert seen == [NUMBERS] * 4
