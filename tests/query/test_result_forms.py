"""Results in every form: Arrow, polars, dicts, streams; values as types say; a limit of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sqlalchemy import select, text

from mixpanel_data import (
    QueryError,
    ResultTooLargeError,
    Sandbox,
    StorageClosedError,
    StorageEngine,
)
from tests.engines import empty_storage
from tests.records import EVENTS, make_events

NUMBERS = "SELECT n, n::VARCHAR AS word FROM range(5000) AS t(n)"
UTC = datetime(2025, 1, 1, tzinfo=timezone.utc)

#: Each form, as a list of tuples.
FORMS: dict[str, Callable[..., list[tuple[Any, ...]]]] = {
    "df": lambda s, *a, **o: list(s.execute_df(*a, **o).itertuples(index=False, name=None)),
    "rows": lambda s, *a, **o: s.execute_rows(*a, **o),
    "dicts": lambda s, *a, **o: [tuple(row.values()) for row in s.execute_dicts(*a, **o)],
    "arrow": lambda s, *a, **o: [tuple(r.values()) for r in s.execute_arrow(*a, **o).to_pylist()],
    "polars": lambda s, *a, **o: s.execute_polars(*a, **o).rows(),
}


@pytest.fixture
def memory() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        yield storage


@pytest.fixture
def guarded() -> Iterator[StorageEngine]:
    with StorageEngine.memory(sandbox=True) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        yield storage


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_rows(memory: StorageEngine, form: str) -> None:
    expected = [(n, str(n)) for n in range(5000)]
    assert FORMS[form](memory, NUMBERS) == expected
    assert FORMS[form](memory, NUMBERS, max_rows=5000) == expected
    assert FORMS[form](memory, "SELECT $1 + 1 AS n", [41]) == [(42,)]
    assert FORMS[form](memory, "SELECT 1 AS n LIMIT 0", max_rows=0) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_sandbox_gives_the_same_in_every_form(guarded: StorageEngine, form: str) -> None:
    sql = "SELECT distinct_id, count(*) AS n FROM jan GROUP BY 1 ORDER BY 1"
    with empty_storage() as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert FORMS[form](guarded, sql) == FORMS[form](storage, sql)
        assert FORMS[form](guarded, sql, max_rows=5) == FORMS[form](storage, sql)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [0, 1, 2048, 4999])
def test_more_rows_than_asked_for_are_refused(memory: StorageEngine, form: str, most: int) -> None:
    with pytest.raises(ResultTooLargeError, match=r"count.*GROUP BY.*LIMIT.*max_rows") as caught:
        FORMS[form](memory, NUMBERS, max_rows=most)
    assert caught.value.limit == most
    assert FORMS[form](memory, "SELECT 1 AS n") == [(1,)]


@pytest.mark.parametrize("form", FORMS)
def test_a_statement_without_rows_has_an_empty_result(memory: StorageEngine, form: str) -> None:
    memory.execute_rows("CREATE TABLE made (a INTEGER)")
    assert FORMS[form](memory, "INSERT INTO made VALUES (1), (2)") == []
    assert memory.execute_scalar("DROP TABLE made") is None


def test_text_has_duckdbs_values_and_a_statement_what_its_types_say(memory: StorageEngine) -> None:
    table = memory.model("jan").__table__
    statement = select(table.c.event_time, table.c.properties).order_by(table.c.event_time)
    sql = "SELECT event_time, properties FROM jan ORDER BY event_time"
    naive, document = (
        UTC.replace(tzinfo=None),
        '{"$browser":"Firefox","plan name":"pro","number":0}',
    )
    parsed = {"$browser": "Firefox", "plan name": "pro", "number": 0}
    assert memory.execute_rows(sql)[0] == (naive, document)
    assert memory.execute_rows(statement)[0] == (UTC, parsed)
    assert memory.execute_dicts(statement)[0] == {"event_time": UTC, "properties": parsed}
    assert memory.execute_scalar(statement) == UTC
    assert memory.execute_arrow(statement).schema.field("event_time").type.tz == "UTC"
    assert memory.execute_polars(statement)["event_time"].to_list()[0] == UTC
    assert memory.execute_arrow(sql).schema.field("event_time").type.tz is None


def test_a_data_frame_of_a_statement_is_that_of_pandas(memory: StorageEngine) -> None:
    table = memory.model("jan").__table__
    statement = select(table).order_by(table.c.insert_id)
    frame = memory.execute_df(statement)
    with memory.engine.connect() as connection:
        expected = pd.read_sql(statement, connection)
    assert frame["event_time"].dt.tz is not None
    assert frame["event_time"].tolist() == expected["event_time"].tolist()
    assert frame["properties"].tolist() == expected["properties"].tolist()
    assert list(frame.columns) == list(expected.columns)


def test_a_document_that_is_null_stays_none(memory: StorageEngine) -> None:
    memory.execute_rows("UPDATE jan SET properties = NULL")
    table = memory.model("jan").__table__
    assert memory.execute_df(select(table.c.properties))["properties"].tolist() == [None] * 3


def test_dicts_need_names_that_differ(memory: StorageEngine) -> None:
    with pytest.raises(QueryError, match="several columns 'a'"):
        memory.execute_dicts("SELECT 1 AS a, 2 AS a")
    assert memory.execute_arrow("SELECT 1 AS a, 2 AS a").num_columns == 2


# Streams


def test_a_stream_gives_batches_of_the_size_asked_for(memory: StorageEngine) -> None:
    with memory.stream(NUMBERS, batch_size=1000) as reader:
        assert isinstance(reader, pa.RecordBatchReader)
        sizes = [batch.num_rows for batch in reader]
    assert (sum(sizes), max(sizes)) == (5000, 1000)
    with pytest.raises(ValueError, match="batch_size"):
        memory.stream(NUMBERS, batch_size=0)


def test_streams_and_other_queries_do_not_disturb_each_other(memory: StorageEngine) -> None:
    first, second = memory.stream(NUMBERS, batch_size=100), memory.stream(NUMBERS, batch_size=100)
    for _ in range(3):
        assert first.read_next_batch() == second.read_next_batch()
        assert memory.execute_scalar("SELECT count(*) FROM jan") == 3
    assert first.read_all().num_rows == second.read_all().num_rows == 4700


def test_a_stream_of_a_statement_has_times_in_utc(memory: StorageEngine) -> None:
    table = memory.model("jan").__table__
    stream = memory.stream(select(table.c.event_time).order_by(table.c.event_time))
    assert stream.read_all()["event_time"].to_pylist()[0] == UTC


def test_a_stream_of_a_sandbox_and_of_a_worker(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(30), EVENTS)
    for sandbox in (Sandbox(), Sandbox(worker=True)):
        with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
            assert storage.stream("FROM jan", batch_size=7).read_all().num_rows == 30
            assert len(storage.execute_polars("FROM jan")) == 30
            with pytest.raises(ResultTooLargeError):
                storage.execute_dicts("FROM jan", max_rows=29)


@pytest.mark.parametrize("form", [*FORMS, "stream"])
def test_what_duckdb_objects_to_is_a_query_error(memory: StorageEngine, form: str) -> None:
    def read(sql: str) -> object:
        return memory.stream(sql).read_all() if form == "stream" else FORMS[form](memory, sql)

    for sql in ("SELECT nope", "SELEC", "SELECT 'a'::INTEGER FROM range(10000)"):
        with pytest.raises(QueryError):
            read(sql)


def test_a_stream_ends_with_its_engine() -> None:
    with StorageEngine.memory() as storage:
        stream = storage.stream("SELECT hash(range) FROM range(3000000)", batch_size=100)
        stream.read_next_batch()
    with pytest.raises((QueryError, StorageClosedError)):
        stream.read_all()


def test_polars_frames_have_polars_types(memory: StorageEngine) -> None:
    frame = memory.execute_polars("SELECT 1::DECIMAL(5,2) AS d, DATE '2025-01-01' AS day")
    assert frame.schema == {"d": pl.Decimal(5, 2), "day": pl.Date}


LIMITED = ["execute_df", "execute_rows", "execute_dicts", "execute_arrow", "execute_polars"]
LIMITED.append("execute_scalar")


@pytest.mark.parametrize("form", LIMITED)
@pytest.mark.parametrize(
    ("limit", "error"), [("3", TypeError), (1.5, TypeError), (True, TypeError), (-1, ValueError)]
)
def test_a_limit_is_a_number_of_rows(
    memory: StorageEngine, form: str, limit: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"max_rows is .*Use a number of rows from 0"):
        getattr(memory, form)("SELECT 1", max_rows=limit)


@pytest.mark.parametrize(
    "sql", ["SELECT n FROM range(3) t(n)", text("SELECT n FROM range(3) t(n)")]
)
def test_a_scalar_of_more_rows_than_the_limit_is_refused(memory: StorageEngine, sql: Any) -> None:
    assert memory.execute_scalar(sql, max_rows=3) == 0
    assert memory.execute_scalar("SELECT 1 WHERE false", max_rows=0) is None
    for limit in (0, 1, 2):
        with pytest.raises(ResultTooLargeError, match=f"more than {limit} rows"):
            memory.execute_scalar(sql, max_rows=limit)


@pytest.mark.parametrize(("size", "error"), [(None, TypeError), ("9", TypeError), (0, ValueError)])
def test_a_batch_has_a_number_of_rows(
    memory: StorageEngine, size: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"batch_size is .*Use a number of rows from 1"):
        memory.stream("SELECT 1", batch_size=size)


@pytest.mark.parametrize("form", [*LIMITED, "execute", "stream", "preview", "explain"])
@pytest.mark.parametrize(
    ("sql", "params"), [("SELECT ?", 5), ("SELECT ?", "a"), (text("SELECT :a"), [1])]
)
def test_parameters_of_the_wrong_sort_are_named(
    memory: StorageEngine, form: str, sql: Any, params: Any
) -> None:
    with pytest.raises(TypeError, match=r"params is of type \w+\. Use a (sequence|mapping)"):
        getattr(memory, form)(sql, params)


@pytest.mark.parametrize("form", [*LIMITED, "execute", "stream", "preview", "explain"])
@pytest.mark.parametrize("sql", ["", " ;\n; ", "-- nothing", "/* a *//* b * */ --\n-- c"])
def test_sql_without_a_statement_is_refused(memory: StorageEngine, form: str, sql: str) -> None:
    with pytest.raises(QueryError, match="no statement in the SQL"):
        getattr(memory, form)(sql)


def test_many_comments_before_a_statement_are_read_at_once(memory: StorageEngine) -> None:
    assert memory.execute_scalar("/* a */ " * 1000 + "-" * 1000 + "\n SELECT 1") == 1


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1 AS a, 2 AS a", "several columns 'a'"),
        ("SELECT INTERVAL 1 DAY AS a", "polars has no such type.*Cast"),
        ("SELECT union_value(a := 1) AS a", "polars has no such type.*Cast"),
    ],
)
def test_what_polars_cannot_have_is_told(memory: StorageEngine, sql: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        memory.execute_polars(sql)


def test_what_to_do_comes_before_what_polars_says(memory: StorageEngine) -> None:
    with pytest.raises(QueryError) as caught:
        memory.execute_polars("SELECT INTERVAL 1 DAY AS a")
    message = str(caught.value)
    assert message.startswith("polars has no such type. Cast the column in the query")
    assert ".." not in message


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("1::UHUGEINT", r"VARCHAR, or use execute_rows\(\)\."),
        ("[1::UHUGEINT]", r"VARCHAR, or use execute_rows\(\)\."),
        ("'10:00:00+02'::TIMETZ", r"VARCHAR, or use execute_rows\(\)\."),
        ("5::BIGNUM", r"VARCHAR, or use execute_rows\(\)\."),
        ("'infinity'::DATE", r"such as to VARCHAR\.$"),
        ("'-infinity'::DATE", r"such as to VARCHAR\.$"),
    ],
)
def test_what_pandas_cannot_have_is_told_with_what_to_do(
    memory: StorageEngine, value: str, advice: str
) -> None:
    with pytest.raises(QueryError, match=f"Cast the column in the query.*{advice}"):
        memory.execute_df(f"SELECT {value} AS a")
    assert len(memory.execute_df(f"SELECT ({value})::VARCHAR AS a")) == 1


def test_other_errors_of_a_frame_have_no_such_advice(memory: StorageEngine) -> None:
    with pytest.raises(QueryError, match="Could not convert string") as caught:
        memory.execute_df("SELECT 'a'::INT")
    assert "Cast the column" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("'10101'::BIT", b"\x03\xf5"),
        ("(2::UHUGEINT ** 127)::UHUGEINT", None),
        ("'10:00:00+02'::TIMETZ", time(10)),
    ],
)
def test_arrow_has_other_values_of_the_types_that_the_manual_names(
    memory: StorageEngine, value: str, form: object
) -> None:
    query = f"SELECT {value} AS a"
    found = memory.execute_arrow(query)["a"][0].as_py()
    assert found != memory.execute_scalar(query)
    assert form is None or found == form
