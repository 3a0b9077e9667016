"""Properties with a column of their own: made, filled, typed, recorded, and mended."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import (
    PropertyColumn,
    PropertyColumnError,
    RecordError,
    SchemaDriftError,
    StorageEngine,
    TableNotFoundError,
    TableShapeError,
    migrate,
)
from mixpanel_data.types import PropertyType
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, PROFILES

NAMES = [
    "$browser",
    "plan name",
    "a.b",
    'quo"te',
    "it's",
    "back\\slash",
    "*",
    "日本",
    "/a~1",
    "a]b[0",
]


def event(number: int | str, properties: dict[str, Any], name: str = "Sign Up") -> Any:
    return {
        "event_name": name,
        "event_time": datetime(2025, 1, 1),
        "distinct_id": "user-1",
        "insert_id": str(number),
        "properties": properties,
    }


def events_of(*documents: dict[str, Any]) -> list[Any]:
    return [event(number, document) for number, document in enumerate(documents)]


def cells(storage: StorageEngine, column: str, table: str = "e") -> list[Any]:
    quoted = column.replace('"', '""')
    return [
        row[0] for row in storage.execute_rows(f'SELECT "{quoted}" FROM {table} ORDER BY rowid')
    ]


@pytest.fixture
def memory() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


# How columns are filled


@pytest.mark.parametrize("name", NAMES)
def test_a_property_of_any_name_has_a_column_of_that_name(memory: StorageEngine, name: str) -> None:
    memory.create_events_table("e", events_of({name: "a"}, {}), EVENTS, property_columns=[name])
    assert cells(memory, name) == ["a", None]
    assert [column.name for column in memory.get_schema("e").columns][-1] == name


@pytest.mark.parametrize(
    "name", ["", "nul\0", "__init__", "rowid", "Metadata", "EVENT_NAME", "%(x)s"]
)
def test_a_name_that_no_column_can_have_needs_another(memory: StorageEngine, name: str) -> None:
    events = events_of({name: "a"})
    with pytest.raises(PropertyColumnError, match=r"PropertyColumn\(.*name=") as caught:
        memory.create_events_table("e", events, EVENTS, property_columns=[name])
    assert caught.value.property == name
    assert not memory.table_exists("e")
    columns = [PropertyColumn(name, name="other")]
    memory.create_events_table("e", events, EVENTS, property_columns=columns)
    assert cells(memory, "other") == ["a"]


def test_names_that_differ_in_case_only_need_another(memory: StorageEngine) -> None:
    events = events_of({"plan": 1, "Plan": 2})
    with pytest.raises(PropertyColumnError, match="'Plan'"):
        memory.create_events_table("e", events, EVENTS, property_columns=["plan", "Plan"])
    columns: list[Any] = ["plan", PropertyColumn("Plan", name="plan_2")]
    memory.create_events_table("e", events, EVENTS, property_columns=columns)
    assert (cells(memory, "plan"), cells(memory, "plan_2")) == (["1"], ["2"])


WAYS: dict[str, Any] = {
    "records": lambda events: events,
    "Arrow": lambda events: pa.Table.from_pylist(
        [{**event, "properties": json.dumps(event["properties"])} for event in events]
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_load_fills_the_columns(memory: StorageEngine, way: str) -> None:
    data = WAYS[way]
    first, second = events_of({"a": 1}, {"b": 2}), [event("x", {"a": 3}), event(0, {"a": 4})]
    memory.create_events_table("e", data(first + first), EVENTS, property_columns=["a"])
    assert cells(memory, "a") == ["1", None]
    memory.append_events_table("e", data(second), EVENTS)
    assert cells(memory, "a") == ["1", None, "3"]
    memory.append_events_table("e", data(second), EVENTS, on_conflict="replace")
    assert sorted(map(str, cells(memory, "a"))) == ["3", "4", "None"]
    days = ("2025-01-01", "2025-01-01")
    memory.replace_range("e", data([event("y", {"a": 5})]), *days, EVENTS)
    assert cells(memory, "a") == ["5"]
    migrate.check(memory)


def test_files_fill_the_columns(memory: StorageEngine, tmp_path: Path) -> None:
    lines = [
        {"event": "A", "properties": {"time": 1735689600 + n, "distinct_id": "u", "a": n}}
        for n in range(3)
    ]
    file = tmp_path / "export.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert memory.load_events_export("e", file, EVENTS, property_columns=["a"]) == 3
    assert cells(memory, "a") == ["0", "1", "2"]
    people = [json.dumps({"$distinct_id": "u", "$properties": {"$city": "Zürich"}})]
    memory.load_profiles_export("p", people, PROFILES, property_columns=["$city"])
    assert cells(memory, "$city", "p") == ["Zürich"]


@pytest.mark.parametrize("on_conflict", ["ignore", "replace", "error"])
def test_an_id_of_its_own_does_not_disturb_the_columns(
    memory: StorageEngine, on_conflict: Any
) -> None:
    events = [event(1, {"a": 1}), event(1, {"a": 2}, "Log In")]
    memory.create_events_table(
        "e",
        events,
        EVENTS,
        on_collision="keep",
        on_conflict=on_conflict,
        property_columns=["a", "$insert_id"],
    )
    assert sorted(cells(memory, "a")) == ["1", "2"]
    migrate.check(memory)


def test_a_table_that_exists_needs_the_columns_that_are_named(memory: StorageEngine) -> None:
    def load(*columns: str) -> int:
        events = events_of({"a": 1, "b": 2})
        return memory.create_events_table(
            "e", events, EVENTS, property_columns=columns, if_exists="append"
        )

    assert load("a") == 1
    assert load("a") == load() == 0
    with pytest.raises(PropertyColumnError, match="add_property_columns"):
        load("a", "b")


# Types

EXPECTED: list[tuple[PropertyType, Any, Any]] = [
    ("VARCHAR", "text", "text"),
    ("VARCHAR", "", ""),
    ("VARCHAR", 1.5, "1.5"),
    ("VARCHAR", True, "true"),
    ("VARCHAR", [1, {"a": None}], '[1,{"a":null}]'),
    ("VARCHAR", 2**80, str(2**80)),
    ("BIGINT", 5, 5),
    ("BIGINT", 5.0, 5),
    ("BIGINT", "5", 5),
    ("BIGINT", -(2**63), -(2**63)),
    ("DOUBLE", 5, 5.0),
    ("DOUBLE", "2.5e3", 2500.0),
    ("BOOLEAN", False, False),
    ("BOOLEAN", "True", True),
    ("TIMESTAMP", "2025-01-02", datetime(2025, 1, 2)),
    ("TIMESTAMP", "2025-01-02T03:04:05.678", datetime(2025, 1, 2, 3, 4, 5, 678000)),
    ("TIMESTAMP", "2025-01-02T03:04:05+02:00", datetime(2025, 1, 2, 1, 4, 5)),
    ("TIMESTAMP", "2025-01-02 03:04:05 UTC", datetime(2025, 1, 2, 3, 4, 5)),
    ("TIMESTAMP", 1735786800, datetime(2025, 1, 2, 3)),
    ("TIMESTAMP", -0.5, datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("JSON", {"a": [1]}, '{"a":[1]}'),
    ("JSON", "text", '"text"'),
]
MISFITS: list[tuple[PropertyType, Any]] = [
    ("BIGINT", 5.5),
    ("BIGINT", "a"),
    ("BIGINT", ""),
    ("BIGINT", 2**63),
    ("BIGINT", True),
    ("BIGINT", [1]),
    ("DOUBLE", "nan"),
    ("DOUBLE", "1_0"),
    ("DOUBLE", "1e999"),
    ("BOOLEAN", 1),
    ("BOOLEAN", "yes"),
    ("TIMESTAMP", "2025-13-01"),
    ("TIMESTAMP", "yesterday"),
    ("TIMESTAMP", "infinity"),
    ("TIMESTAMP", 1e30),
    ("TIMESTAMP", {"a": 1}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), EXPECTED)
def test_a_value_that_fits_its_type_is_in_the_column(
    memory: StorageEngine, kind: PropertyType, value: Any, expected: Any
) -> None:
    columns = [PropertyColumn("a", kind)]
    loaded = memory.create_events_table(
        "e", events_of({"a": value}, {"a": None}, {}), EVENTS, property_columns=columns
    )
    assert cells(memory, "a") == [expected, None, None]
    assert loaded.misfits == 0
    assert {column.name: column.type for column in memory.get_schema("e").columns}["a"] == kind


@pytest.mark.parametrize(("kind", "value"), MISFITS)
def test_a_value_that_does_not_fit_is_null_and_counted(
    memory: StorageEngine, kind: PropertyType, value: Any
) -> None:
    columns = [PropertyColumn("a", kind)]
    events = events_of({"a": value}, {"a": None}, {})
    loaded = memory.create_events_table("e", events, EVENTS, property_columns=columns)
    assert cells(memory, "a") == [None] * 3
    assert (loaded, loaded.misfits) == (3, 1)
    assert "1 misfit" in loaded.summary
    more = memory.append_events_table("e", [*events, event("x", {"a": value})], EVENTS)
    assert (more, more.misfits) == (1, 1)
    documents = memory.execute_rows("SELECT properties->'$.a' FROM e LIMIT 1")
    assert json.loads(documents[0][0]) == value


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False, None], "BOOLEAN"),
        ([1, 2**62], "BIGINT"),
        ([1, 2.5], "DOUBLE"),
        ([2**53 + 1, 2.5], "VARCHAR"),
        ([1, 2**64], "VARCHAR"),
        ([2**63], "VARCHAR"),
        ([2**63 - 1, 2**53], "BIGINT"),
        (["a", "1"], "VARCHAR"),
        (["2025-01-01"], "VARCHAR"),
        ([1, "1"], "VARCHAR"),
        ([[1], {"a": 1}], "JSON"),
        ([[1], 1], "VARCHAR"),
        ([None], "VARCHAR"),
        ([], "VARCHAR"),
    ],
)
def test_a_column_that_is_added_later_has_the_type_of_all_values(
    memory: StorageEngine, values: list[Any], kind: PropertyType
) -> None:
    memory.create_events_table("e", events_of({}, *({"a": value} for value in values)), EVENTS)
    added = memory.add_property_columns("e", ["a"])
    assert added == memory.property_columns("e") == [PropertyColumn("a", kind, "a")]
    expected = [None, *map(expected_of(kind), values)]
    assert cells(memory, "a") == expected
    assert memory.property_columns("e") == [PropertyColumn("a", kind, name="a")]


def expected_of(kind: PropertyType) -> Any:
    def convert(value: Any) -> Any:
        if value is None or kind in ("BOOLEAN", "BIGINT", "DOUBLE"):
            return value
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    return convert


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(-1e9, 1e9),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["1", "-2", "3.0", "true", "FALSE", "2025-01-01", "1e5", " 1"]),
)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), SCALARS), max_size=6))
@examples(60)
def test_a_column_is_what_python_makes_of_the_property(documents: list[dict[str, Any]]) -> None:
    columns = [PropertyColumn("a", "BIGINT"), PropertyColumn("b", "DOUBLE")]
    with empty_storage() as storage:
        loaded = storage.create_events_table(
            "e", events_of(*documents), EVENTS, property_columns=columns
        )
        found = {column.column_name: cells(storage, column.column_name) for column in columns}
        assert storage.refresh_property_columns("e") == 0
        migrate.check(storage)
    expected: dict[str, list[Any]] = {
        "a": [as_integer(document.get("a")) for document in documents],
        "b": [as_float(document.get("b")) for document in documents],
    }
    assert found == expected
    given_values = [document.get(name) for name in "ab" for document in documents]
    held = [cell for name in expected for cell in expected[name]]
    lost = [v for v, cell in zip(given_values, held, strict=True) if v is not None and cell is None]
    assert loaded.misfits == len(lost)


def as_integer(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        whole = int(value) if value.is_integer() else None
    else:
        whole = int(str(value).partition(".")[0]) if is_whole(str(value)) else None
    return whole if whole is not None and -(2**63) <= whole < 2**63 else None


def is_whole(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.0+)?", text) is not None


def as_float(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


# Added, dropped, mended


def test_columns_are_added_dropped_and_added_again(storage: StorageEngine) -> None:
    storage.create_events_table("e", events_of({"a": 1, "b": "x"}, {"a": 2}), EVENTS)
    schema = storage.get_schema("e")
    storage.add_property_columns("E", ["a", PropertyColumn("b", name="other")])
    assert (cells(storage, "a"), cells(storage, "other")) == ([1, 2], ["x", None])
    storage.append_events_table("e", [event("x", {"a": 3})], EVENTS)
    assert cells(storage, "a") == [1, 2, 3]
    migrate.check(storage)
    storage.drop_property_columns("e", ["a", "b"])
    assert storage.get_schema("e") == schema
    assert storage.property_columns("e") == []
    migrate.check(storage)
    storage.add_property_columns("e", ["a"])
    assert cells(storage, "a") == [1, 2, 3]


def test_columns_survive_closing_and_renaming(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("e", events_of({"a": 1}), EVENTS, property_columns=["a"])
        storage.rename_table("e", "f")
    with StorageEngine(path) as storage:
        assert storage.property_columns("f") == [PropertyColumn("a", "VARCHAR", name="a")]
        storage.append_events_table("f", [event("x", {"a": 2})], EVENTS)
        assert cells(storage, "a", "f") == ["1", "2"]
    with StorageEngine(path, read_only=True) as storage:
        assert len(storage.property_columns("f")) == 1


@pytest.mark.parametrize("way", ["drop", "replace", "sql"])
def test_a_new_table_has_none_of_the_columns_of_an_older_one(
    memory: StorageEngine, way: str
) -> None:
    memory.create_events_table("e", events_of({"a": 1}), EVENTS, property_columns=["a"])
    if way == "drop":
        memory.drop_table("e")
    if way == "sql":
        memory.execute_rows("DROP TABLE e")
    mode: Any = "replace" if way == "replace" else "fail"
    memory.create_events_table("e", events_of({"a": 1}), EVENTS, if_exists=mode)
    assert memory.property_columns("e") == []
    migrate.check(memory)


def test_what_sql_changes_is_found_and_mended(memory: StorageEngine) -> None:
    documents: list[dict[str, Any]] = [{"a": 1}, {"a": 2}, {}]
    memory.create_events_table("e", events_of(*documents), EVENTS, property_columns=["a", "b"])
    memory.execute_rows("""UPDATE e SET properties = '{"a": 7}' WHERE insert_id = '2'""")
    memory.execute_rows("UPDATE e SET a = NULL WHERE insert_id = '0'")
    with pytest.raises(SchemaDriftError, match=r"refresh_property_columns\('e'\)") as caught:
        migrate.check(memory)
    assert len(caught.value.differences) == 1
    assert "'a'" in caught.value.differences[0]
    assert "2 rows" in caught.value.differences[0]
    assert memory.refresh_property_columns("e") == 2
    assert cells(memory, "a") == ["1", "2", "7"]
    assert memory.refresh_property_columns("e") == 0
    migrate.check(memory)


def test_a_column_that_sql_dropped_is_forgotten(memory: StorageEngine) -> None:
    memory.create_profiles_table(
        "p",
        [{"distinct_id": "u", "properties": {"a": 1, "b": 2}}],
        PROFILES,
        primary_key=False,
        property_columns=["a", "b"],
    )
    memory.execute_rows("ALTER TABLE p DROP COLUMN a")
    assert memory.property_columns("p") == [PropertyColumn("b", "VARCHAR", name="b")]
    more = [{"distinct_id": "v", "properties": {"a": 1, "b": 3}}]
    assert memory.append_profiles_table("p", more, PROFILES) == 1
    assert cells(memory, "b", "p") == ["2", "3"]
    migrate.check(memory)


def test_a_name_that_is_asked_for_twice_is_not_said_to_be_in_the_table(
    memory: StorageEngine,
) -> None:
    memory.create_events_table("e", events_of({"a": 1}), EVENTS)

    def asked_for(*columns: str | PropertyColumn) -> None:
        with pytest.raises(PropertyColumnError) as added:
            memory.add_property_columns("e", columns)
        with pytest.raises(PropertyColumnError) as created:
            memory.create_events_table("f", [], EVENTS, property_columns=columns)
        assert str(added.value) == str(created.value)
        assert "has already" not in str(added.value)
        raise added.value

    with pytest.raises(PropertyColumnError, match=r"'a' is there twice\. Name it once\."):
        asked_for("a", "a")
    with pytest.raises(PropertyColumnError, match="column 'A', which property 'a' gets"):
        asked_for("a", "A")
    with pytest.raises(PropertyColumnError, match="column 'Q', which property 'a' gets"):
        asked_for(PropertyColumn("a", name="q"), PropertyColumn("b", name="Q"))
    memory.add_property_columns("e", ["a"])
    with pytest.raises(PropertyColumnError, match="column 'A', which the table has already"):
        memory.add_property_columns("e", ["A"])


def test_what_cannot_be_is_refused_and_changes_nothing(memory: StorageEngine) -> None:
    memory.create_events_table("e", events_of({"a": 1}), EVENTS, property_columns=["a"])
    before = memory.execute_rows("FROM e")
    with pytest.raises(PropertyColumnError, match="already"):
        memory.add_property_columns("e", ["b", PropertyColumn("a", name="c")])
    with pytest.raises(PropertyColumnError, match="twice"):
        memory.add_property_columns("e", ["b", PropertyColumn("b", name="c")])
    with pytest.raises(PropertyColumnError, match="Those that have one: 'a'"):
        memory.drop_property_columns("e", ["a", "b"])
    with pytest.raises(TableNotFoundError):
        memory.add_property_columns("nope", ["a"])
    wrong: Any
    for wrong in ("a", PropertyColumn("a"), [1], [b"a"]):
        with pytest.raises(TypeError, match=r"list of them|names of properties"):
            memory.add_property_columns("e", wrong)
    with pytest.raises(TypeError, match="list of them"):
        memory.drop_property_columns("e", "a")
    for argument, bad in (("type", "INT"), ("name", 5), ("name", "\ud800"), ("property", None)):
        arguments: Any = {"property": "a", argument: bad}
        with pytest.raises(ValueError, match=argument):
            PropertyColumn(**arguments)
    memory.execute_rows("CREATE INDEX ix ON e (a)")
    with pytest.raises(TableShapeError, match="ix"):
        memory.drop_property_columns("e", ["a"])
    assert memory.execute_rows("FROM e") == before
    assert memory.add_property_columns("e", []) == []
    memory.drop_property_columns("e", [])


def test_a_downgrade_drops_the_columns_and_keeps_the_properties(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("e", events_of({"a": 1}), EVENTS, property_columns=["a", "b"])
        storage.create_events_table("f", events_of({"a": 1}), EVENTS)
        storage.execute_rows("CREATE INDEX ix ON e (event_name)")
        storage.execute_rows("CREATE TABLE orders (a INTEGER)")
    assert migrate.downgrade(path, "0002").after == "0002"
    assert migrate.upgrade(path).after == "0003"
    with StorageEngine(path) as storage:
        assert storage.get_schema("e").columns == storage.get_schema("f").columns
        assert storage.execute_rows("FROM e") == storage.execute_rows("FROM f")
        assert [column.name for column in storage.get_schema("orders").columns] == ["a"]
    migrate.check(path)


def test_several_columns_cost_one_statement_more_in_a_load(
    memory: StorageEngine, statements: Any
) -> None:
    memory.create_events_table("e", [], EVENTS)
    seen = statements(memory)
    memory.create_events_table("without", events_of({"a": 1}), EVENTS)
    without = len(seen)
    seen.clear()
    memory.create_events_table(
        "with_columns", events_of({"a": 1}), EVENTS, property_columns=["a", "b", "c"]
    )
    assert len(seen) == without + 1  # their record
    (filling,) = [sql for sql in seen if sql.startswith("INSERT INTO with_columns")]
    assert "json_extract_string" in filling


def test_times_in_columns_are_utc(memory: StorageEngine) -> None:
    columns = [PropertyColumn("a", "TIMESTAMP")]
    memory.create_events_table(
        "e", events_of({"a": "2025-01-01T00:00:00-08:00"}), EVENTS, property_columns=columns
    )
    (found,) = cells(memory, "a")
    assert found.replace(tzinfo=timezone.utc) == datetime(2025, 1, 1, 8, tzinfo=timezone.utc)


COPIED = PropertyColumn("amount", "DOUBLE", name="euros")

#: Ways to hand over the rows of a table with all of its columns.
ROWS_OF_A_TABLE: dict[str, Any] = {
    "relation": lambda storage: storage.execute("FROM e"),
    "stream": lambda storage: storage.stream("FROM e"),
    "arrow": lambda storage: storage.execute_arrow("FROM e"),
    "pandas": lambda storage: storage.execute_df("FROM e"),
    "polars": lambda storage: storage.execute_polars("FROM e"),
    "pandas, with a cell that Arrow would change": lambda storage: storage.execute_df(
        "FROM e"
    ).assign(distinct_id=[Decimal("1.50")]),
    "records": lambda storage: [
        {**row, "properties": json.loads(row["properties"])}
        for row in storage.execute_dicts("FROM e")
    ],
}


@pytest.fixture(params=ROWS_OF_A_TABLE)
def copied(request: pytest.FixtureRequest) -> Iterator[tuple[StorageEngine, Any]]:
    with StorageEngine.memory() as storage:
        rows = events_of({"amount": 1.5})
        storage.create_events_table("e", rows, EVENTS, property_columns=[COPIED])
        yield storage, ROWS_OF_A_TABLE[request.param](storage)


def test_rows_of_a_table_with_a_property_column_fill_one_that_gets_it_too(
    copied: tuple[StorageEngine, Any],
) -> None:
    storage, rows = copied
    assert storage.create_events_table("copy", rows, EVENTS, property_columns=[COPIED]) == 1
    assert storage.execute_rows("SELECT properties, euros FROM copy") == [('{"amount":1.5}', 1.5)]


@pytest.mark.parametrize("way", ["append", "if_exists", "replace_range"])
def test_rows_go_back_into_their_table_with_what_its_documents_say(
    copied: tuple[StorageEngine, Any], way: str
) -> None:
    storage, rows = copied
    if not isinstance(rows, list):
        rows = pa.table(rows) if not hasattr(rows, "to_arrow_table") else rows.to_arrow_table()
    if isinstance(rows, pa.Table):
        rows = rows.set_column(5, "euros", pa.array([99.0]))  # the document stays the truth
    storage.execute_rows("DELETE FROM e")
    if way == "append":
        storage.append_events_table("E", rows, EVENTS)
    elif way == "if_exists":
        storage.create_events_table("e", rows, EVENTS, if_exists="append")
    else:
        storage.replace_range("e", rows, "2025-01-01", "2025-01-01", EVENTS)
    assert storage.execute_rows("SELECT properties, euros FROM e") == [('{"amount":1.5}', 1.5)]


@pytest.mark.parametrize("if_exists", ["fail", "append", "replace"])
def test_a_table_without_the_property_column_does_not_lose_it_silently(
    copied: tuple[StorageEngine, Any], if_exists: Any
) -> None:
    storage, rows = copied
    with pytest.raises(RecordError, match="is not a column of the table") as caught:
        storage.create_events_table("copy", rows, EVENTS, if_exists=if_exists)
    assert caught.value.field == "euros"
    assert not storage.table_exists("copy")


def test_parquet_of_a_table_gives_no_property_columns_to_a_load(
    storage: StorageEngine, tmp_path: Path
) -> None:
    storage.create_events_table("e", events_of({"amount": 1.5}), EVENTS, property_columns=[COPIED])
    file = tmp_path / "e.parquet"
    storage.export("e", file)
    storage.load_events_export("of_file", file, EVENTS)
    storage.create_events_table("of_arrow", pq.read_table(file), EVENTS)
    assert pq.read_table(file)["euros"].to_pylist() == [1.5]
    for name in ("of_file", "of_arrow"):
        assert storage.execute_rows(f"SELECT properties FROM {name}") == [('{"amount":1.5}',)]


#: White space and control characters, at the ends of plain names.
EDGES = st.text(st.sampled_from([*map(chr, range(1, 33)), "\x7f", "\x85", "\xa0", "\u2028"]))


@examples(10)
@given(before=EDGES, after=EDGES)
def test_a_column_keeps_what_is_blank_at_the_ends_of_its_name(before: str, after: str) -> None:
    names = {f"{before}k{after}", "k\n", " k", "k"}
    properties = dict.fromkeys(names, "v")
    with empty_storage() as storage:
        storage.create_events_table(
            "e", events_of(properties), EVENTS, property_columns=sorted(names)
        )
        storage.append_events_table("e", [event("later", properties)], EVENTS)
        assert {column.column_name for column in storage.property_columns("e")} == names
        assert all(cells(storage, name) == ["v", "v"] for name in names)
        migrate.check(storage)
        storage.drop_property_columns("e", names)
        assert storage.property_columns("e") == []


def own_shape_as_parquet(storage: StorageEngine, path: Path) -> None:
    storage.execute_df("FROM t").to_parquet(path)


def query_as_parquet(storage: StorageEngine, path: Path) -> None:
    storage.export("SELECT * FROM t WHERE true", path, format="parquet")


def query_as_lines(storage: StorageEngine, path: Path) -> None:
    storage.export("SELECT * FROM t WHERE true", path, format="ndjson")


def an_array(storage: StorageEngine, path: Path) -> None:
    query_as_lines(storage, path.with_suffix(".lines"))
    path.write_text(f"[{','.join(path.with_suffix('.lines').read_text().splitlines())}]")


DERIVED: list[Any] = [
    PropertyColumn("x", "BIGINT", name="xx"),
    PropertyColumn("quo\"te{}'"),
    "$empty",
]


@pytest.mark.parametrize("kind", ["events", "profiles"])
@pytest.mark.parametrize(
    "write", [own_shape_as_parquet, query_as_parquet, query_as_lines, an_array]
)
def test_files_of_a_tables_own_shape_give_documents_no_member_of_a_property_column(
    memory: StorageEngine, tmp_path: Path, kind: str, write: Any
) -> None:
    documents: list[Any] = [{"x": 1, "quo\"te{}'": "b"}, {"x": "no integer"}, {}]
    create, load, metadata = {
        "events": (memory.create_events_table, memory.load_events_export, EVENTS),
        "profiles": (memory.create_profiles_table, memory.load_profiles_export, PROFILES),
    }[kind]
    rows = events_of(*documents)
    if kind == "profiles":
        rows = [{"distinct_id": str(n), "properties": each} for n, each in enumerate(documents)]
    create("t", rows, metadata, property_columns=DERIVED)
    before = memory.execute_rows("FROM t ORDER BY ALL")
    memory.execute_rows("UPDATE t SET xx = 7")  # as it was when the file was written
    write(memory, tmp_path / "data")
    with (tmp_path / "data").open("rb") as file:
        for data in (tmp_path / "data", [tmp_path / "data"], file):
            load("t", data, metadata, if_exists="append", on_conflict="replace")
            assert memory.execute_rows("FROM t ORDER BY ALL") == before
    load("new", tmp_path / "data", metadata, property_columns=DERIVED)
    assert memory.execute_rows("FROM new ORDER BY ALL") == before


def test_members_of_other_shapes_and_names_stay_properties(
    memory: StorageEngine, tmp_path: Path
) -> None:
    lines = [
        '{"event":"Tap","properties":{"time":1,"$insert_id":"a"},"xx":1}',
        '{"event_name":"Tap","time":1,"insert_id":"b","properties":{},"xx":1}',
        '{"event_name":"Tap","event_time":1,"insert_id":"c","properties":{},"xx":1,"yy":1}',
    ]
    memory.create_events_table("t", [], EVENTS, property_columns=DERIVED)
    for line in lines:
        for data in ([line], tmp_path / "data"):
            (tmp_path / "data").write_text(f"{line}\n")
            options: Any = {"if_exists": "append", "on_conflict": "replace"}
            memory.load_events_export("t", data, EVENTS, **options)
            found = memory.execute_scalar("SELECT properties FROM t")
            assert found == ('{"yy":1}' if "yy" in line else '{"xx":1}')
        memory.execute_rows("DELETE FROM t")
