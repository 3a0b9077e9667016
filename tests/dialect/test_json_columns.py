"""Members of JSON documents by any name, in every clause of a statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    cast,
    delete,
    event,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError, StatementError

from tests.engines import open_engine

EVENTS = Table(
    "events",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("properties", JSON),
)
PROPERTIES = EVENTS.c.properties
HOSTILE = [
    "$browser",
    "plan name",
    "a.b",
    'q"z',
    "it's",
    "",
    " ",
    "*",
    '"*"',
    "$",
    "$.a",
    "$[0]",
    "/",
    "/a/b",
    "~",
    "~1",
    "a[0]",
    "0",
    "-1",
    "\\",
    '\\"',
    "\\u0041",
    "\n\t\x01",
    "ü",
    "😀",
    ":name",
    "$1",
    "?",
    "%s",
    "--",
    "'; DROP TABLE events; --",
]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database with an empty table of documents."""
    with open_engine() as engine:
        EVENTS.create(engine)
        yield engine


def add(connection: Connection, *documents: Any) -> None:
    connection.execute(insert(EVENTS), [{"properties": document} for document in documents])


def value(connection: Connection, expression: ColumnElement[Any]) -> Any:
    return connection.scalar(select(expression).select_from(EVENTS))


def check_name(connection: Connection, name: str) -> None:
    """Find a member by its name, alone, in a path and in a chain, and no other member."""
    other = name + "x"
    add(connection, {other: "wrong", name: "right", "inner": {other: 0, name: [1, {name: 2}]}})
    member = PROPERTIES[name].as_string()
    assert value(connection, PROPERTIES[name]) == "right"
    assert value(connection, member) == "right"
    assert value(connection, PROPERTIES["inner", name, 1, name].as_integer()) == 2
    assert value(connection, PROPERTIES["inner"][name][-1][name].as_integer()) == 2
    counted = select(member, func.count()).group_by(member).order_by(member)
    assert connection.execute(counted).all() == [("right", 1)]
    found = connection.scalar(
        select(func.count()).where(PROPERTIES[bindparam("name")].as_string() == "right"),
        {"name": name},
    )
    assert found == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_every_name_finds_its_member(connection: Connection, name: str) -> None:
    check_name(connection, name)


@given(NAMES)
@example("a\x00b")
def test_any_text_is_a_name(engine: Engine, name: str) -> None:
    with engine.connect() as connection:
        check_name(connection, name)


@given(st.lists(NAMES | st.integers(0, 2), min_size=1, max_size=5))
def test_any_path_finds_its_member(engine: Engine, steps: list[str | int]) -> None:
    document: Any = "found"
    for step in reversed(steps):
        document = [None] * step + [document] if isinstance(step, int) else {step: document}
    chain: Any = PROPERTIES
    for step in steps:
        chain = chain[step]
    with engine.connect() as connection:
        add(connection, document)
        assert value(connection, PROPERTIES[tuple(steps)].as_string()) == "found"
        assert value(connection, chain.as_string()) == "found"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_may_come_from_the_database(connection: Connection, name: str) -> None:
    add(connection, {"name": name, name: "wanted"})
    key = PROPERTIES["name"].as_string()
    assert value(connection, PROPERTIES[key].as_string()) == "wanted"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("list", "0"), "first"),
        (("list", "1", "0"), "by name"),
        (("list", 1, "deep", "0"), "deepest"),
        (("list", -1, "0"), "by name"),
        (("0", "1"), "digits"),
        (("list", "01"), None),
        (("list", "9"), None),
    ],
)
@pytest.mark.parametrize("kind", [JSON, postgresql.JSONB])
def test_digits_in_a_path_are_an_index_in_an_array_and_a_name_in_an_object(
    connection: Connection, kind: Any, path: tuple[str | int, ...], found: str | None
) -> None:
    inner = {"0": "by name", "deep": ["deepest"]}
    add(connection, {"list": ["first", inner], "0": {"1": "digits"}})
    column = Table("events", MetaData(), Column("properties", kind)).c.properties
    assert connection.scalar(select(column[path].as_string())) == found
    assert connection.scalar(select(column[path])) == found


def test_negative_indexes_count_from_the_end(connection: Connection) -> None:
    add(connection, {"list": ["a", "b", "c"]})
    assert value(connection, PROPERTIES["list"][-1]) == "c"
    assert value(connection, PROPERTIES["list", -3]) == "a"
    assert value(connection, PROPERTIES["list", -4]) is None


def test_a_path_that_duckdb_cannot_express_says_what_to_do(connection: Connection) -> None:
    add(connection, {"*": [1, 2]})
    with pytest.raises(StatementError) as caught:
        value(connection, PROPERTIES["*", -1])
    assert "one step after the other" in str(getattr(caught.value.orig, "__cause__", None))
    connection.rollback()
    add(connection, {"*": [1, 2]})
    assert value(connection, PROPERTIES["*"][-1]) == 2


def test_values_come_as_what_was_asked_for(connection: Connection) -> None:
    add(
        connection,
        {"s": "12.5", "i": 4_000_000_000, "f": 0.1, "b": True, "n": 12.345, "o": {"x": [1, None]}},
    )
    assert value(connection, PROPERTIES["s"].as_string()) == "12.5"
    assert value(connection, PROPERTIES["i"].as_integer()) == 4_000_000_000
    assert value(connection, PROPERTIES["f"].as_float()) == 0.1
    assert value(connection, PROPERTIES["b"].as_boolean()) is True
    assert value(connection, PROPERTIES["n"].as_numeric(10, 3)) == Decimal("12.345")
    assert value(connection, PROPERTIES["o"].as_json()) == {"x": [1, None]}
    assert value(connection, PROPERTIES["o"]) == {"x": [1, None]}
    assert value(connection, PROPERTIES["s"].as_float()) == 12.5
    assert value(connection, cast(PROPERTIES["i"].as_string(), BigInteger) / 1000) == 4_000_000


def test_integers_of_any_size_are_exact_as_numbers_and_documents(connection: Connection) -> None:
    big = 12345678901234567890123
    add(connection, {"big": big})
    assert value(connection, PROPERTIES["big"].as_numeric(38, 0)) == big
    assert value(connection, PROPERTIES)["big"] == big


def test_a_missing_member_is_null_and_a_json_null_is_null_as_a_value(
    connection: Connection,
) -> None:
    add(connection, {"null": None, "value": 1})
    assert value(connection, PROPERTIES["none"].is_(None)) is True
    assert value(connection, PROPERTIES["null"].is_(None)) is False
    assert value(connection, PROPERTIES["null"] == JSON.NULL) is True
    assert value(connection, PROPERTIES["value"] == JSON.NULL) is False
    assert value(connection, PROPERTIES["null"].as_string().is_(None)) is True
    assert value(connection, PROPERTIES["null"].as_integer().is_(None)) is True
    assert value(connection, PROPERTIES["value"].as_integer().is_not(None)) is True


def test_a_column_tells_null_from_json_null(connection: Connection) -> None:
    connection.execute(insert(EVENTS), [{"properties": JSON.NULL}])
    connection.execute(insert(EVENTS).values(properties=None))
    assert connection.execute(select(PROPERTIES.is_(None))).scalars().all() == [False, False]
    connection.execute(delete(EVENTS))
    column = Table("events", MetaData(), Column("properties", JSON(none_as_null=True)))
    connection.execute(insert(column).values(properties=None))
    assert value(connection, PROPERTIES.is_(None)) is True


@pytest.mark.parametrize("member", ["pro", 7, 1.5, True, [1, "ü"], {"k": {"ü": [1, 2]}}])
def test_members_are_compared_with_python_values(connection: Connection, member: Any) -> None:
    add(connection, {"m": member}, {"m": "other"}, {})
    assert value(connection, func.count().filter(PROPERTIES["m"] == member)) == 1
    assert value(connection, func.count().filter(PROPERTIES["m"].in_([member, "none"]))) == 1
    assert value(connection, func.count().filter(PROPERTIES["m"] != member)) == 1
    as_literal = literal(member, JSON, literal_execute=True)
    assert value(connection, func.count().filter(PROPERTIES["m"] == as_literal)) == 1


class _Wrapped(TypeDecorator[Any]):
    """A value within an object."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else {"wrapped": value}

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value["wrapped"]


@pytest.mark.parametrize("value", [[1], {"a": 1}, "pro", "", True, False, 5])
def test_a_type_of_the_application_is_compared_as_it_is_stored(engine: Engine, value: Any) -> None:
    table = Table("t", MetaData(), Column("id", Integer), Column("v", _Wrapped))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"id": 1, "v": value}, {"id": 2, "v": ["other"]}])
        of_type = bindparam("of_type", value, type_=_Wrapped)
        for same in (
            table.c.v == value,
            table.c.v.in_([value]),
            table.c.v == of_type,
            table.c.v.is_not_distinct_from(value),
        ):
            assert connection.scalars(select(table.c.id).where(same)).all() == [1]
            assert connection.scalars(select(table.c.id).where(~same)).all() == [2]
        assert connection.scalar(select(table.c.v).where(table.c.id == 1)) == value
        table.drop(connection)


class _Tagged(_Wrapped):
    """One whose values are compared as plain documents, as SQLAlchemy's documentation has it."""

    cache_ok = True

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)


def test_a_type_of_the_application_may_be_compared_as_plain_documents(engine: Engine) -> None:
    table = Table("t", MetaData(), Column("id", Integer), Column("v", _Tagged))
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"id": 1, "v": "pro"}, {"id": 2, "v": True}])
        for value, number in (("pro", 1), (True, 2)):
            found = select(table.c.id).where(table.c.v["wrapped"] == value)
            assert connection.scalars(found).all() == [number]
        table.drop(connection)


def test_members_are_compared_with_members(connection: Connection) -> None:
    add(connection, {"a": [1], "b": [1], "c": "1"})
    assert value(connection, PROPERTIES["a"] == PROPERTIES["b"]) is True
    assert value(connection, PROPERTIES["a"] == PROPERTIES["c"]) is False


def test_statements_of_every_kind_find_members(connection: Connection) -> None:
    add(connection, *({"plan name": name, "$n": n} for n, name in enumerate("abcab")))
    plan, number = PROPERTIES["plan name"].as_string(), PROPERTIES["$n"].as_integer()
    assert connection.execute(
        select(plan, func.sum(number)).group_by(plan).order_by(func.sum(number).desc(), plan)
    ).all() == [("b", 5), ("a", 3), ("c", 2)]
    assert connection.scalars(
        select(number).where(plan.in_(["a", "c"]), number.between(1, 3)).order_by(number.desc())
    ).all() == [3, 2]
    connection.execute(update(EVENTS).where(plan == "a").values(properties=PROPERTIES["plan name"]))
    assert connection.scalars(select(PROPERTIES).where(PROPERTIES == "a")).all() == ["a", "a"]
    connection.execute(delete(EVENTS).where(number < 2))
    assert connection.scalars(select(number).order_by(number)).all() == [
        2,
        4,
        None,
        None,
    ]


def test_equal_members_written_twice_are_one_group(connection: Connection) -> None:
    add(connection, {"a.b": 1}, {"a.b": 1})
    statement = select(PROPERTIES["a.b"], func.count()).group_by(PROPERTIES["a.b"])
    assert connection.execute(statement).all() == [(1, 2)]


def test_a_cached_statement_takes_other_names(engine: Engine, connection: Connection) -> None:
    add(connection, {"a": "A", "b'": "B", "c": ["C"]})
    compiled: list[object] = []

    @event.listens_for(connection, "after_cursor_execute")
    def note(_c: Any, _cursor: Any, _s: str, _p: Any, context: Any, _m: bool) -> None:
        compiled.append(context.compiled)

    names = ["a", "b'", "missing", "a"]
    found = [value(connection, PROPERTIES[name].as_string()) for name in names]
    assert found == ["A", "B", None, "A"]
    assert len(set(map(id, compiled))) == 1
    assert value(connection, PROPERTIES["c"][0].as_string()) == "C"


def test_the_operators_of_postgresql_work_too(connection: Connection) -> None:
    add(connection, {"$browser": {"a.b": ["Firefox"]}})
    table = Table("events", MetaData(), Column("properties", postgresql.JSONB))
    column = table.c.properties
    found = select(func.count()).where(column["$browser"]["a.b"][0].astext == "Firefox")
    assert connection.scalar(found) == 1
    assert connection.scalar(select(column["$browser", "a.b", 0].astext)) == "Firefox"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{n,d}", 4),
        ("{ n , d }", 4),
        ("{n,0}", "zero"),
        ("{a,0}", "p"),
        ("{a,-1}", "q"),
        (r'{"a b","x,\"y}"}', 1),
        ("{n,missing}", None),
        ("{a}", ["p", "q"]),
        (["n", "d"], 4),
        (("a", -1), "q"),
        ("$.n.d", 4),
        ("/n/d", 4),
    ],
)
def test_a_path_of_postgresql_finds_its_member(
    connection: Connection, path: Any, found: Any
) -> None:
    document = {"n": {"d": 4, "0": "zero"}, "a": ["p", "q"], "a b": {'x,"y}': 1}}
    connection.execute(insert(EVENTS), {"id": 77, "properties": document})
    ways: list[Any] = [path, bindparam("path", path)]
    for bound in ways:
        query = select(PROPERTIES.op("#>")(bound), PROPERTIES.op("#>>")(bound))
        assert connection.execute(query.where(EVENTS.c.id == 77)).one()[0] == found
    text = connection.scalar(select(PROPERTIES.op("#>>")(path)).where(EVENTS.c.id == 77))
    assert text == (
        found
        if found is None or isinstance(found, str)
        else json.dumps(found, separators=(",", ":"))
    )


def test_a_cached_statement_takes_other_paths_of_postgresql(connection: Connection) -> None:
    document = {"n": {"d": 4, "e": 5}}
    connection.execute(insert(EVENTS), {"id": 78, "properties": document})
    for path, found in (("{n,d}", "4"), ("{n,e}", "5")):
        query = select(PROPERTIES.op("#>>")(path)).where(EVENTS.c.id == 78)
        assert connection.scalar(query) == found


def test_a_path_that_is_malformed_or_made_by_the_database_says_what_to_do(
    connection: Connection,
) -> None:
    with pytest.raises(StatementError) as refused:
        connection.scalar(select(PROPERTIES.op("#>")("{a,")))
    cause = refused.value.orig.__cause__ if refused.value.orig else None
    assert "column[('a', 'b')]" in str(cause)
    for path in (postgresql.array(["a", "b"]), cast("{a,b}", ARRAY(String))):
        with pytest.raises(CompileError, match=r"column\[\('a', 'b'\)\]"):
            connection.scalar(select(PROPERTIES.op("#>")(path)))


# SQLAlchemy 2.1 wants no + of what it takes for a document.
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")
def test_the_text_of_a_member_is_text_without_a_type(connection: Connection) -> None:
    document = {"s": "y", "n": {"d": 7}}
    connection.execute(insert(EVENTS), {"id": 79, "properties": document})
    word: Any = PROPERTIES.op("->>")("s")
    number: Any = PROPERTIES.op("->")("n").op("->>")("d")
    one = select(word, word.label("w"), number, func.coalesce(word, "x"), word + "!")
    one = one.where(EVENTS.c.id == 79)
    assert connection.execute(one).one() == ("y", "y", "7", "y", "y!")
    inner = select(word.label("w"), EVENTS.c.id).subquery()
    assert connection.execute(select(inner).where(inner.c.w == "y")).all() == [("y", 79)]
    for condition in (word == "y", word.in_(["y"]), number == "7"):
        assert connection.scalars(select(EVENTS.c.id).where(condition)).all() == [79]
    typed: Any = PROPERTIES.op("->>", return_type=JSON())("n")
    assert connection.scalar(select(typed).where(EVENTS.c.id == 79)) == {"d": 7}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_values_that_json_cannot_express_are_refused(connection: Connection, number: float) -> None:
    with pytest.raises(StatementError):
        add(connection, {"number": number})


@pytest.mark.parametrize("member", [PROPERTIES["s"], PROPERTIES["n", "d"], PROPERTIES.op("->")(1)])
def test_an_assignment_to_a_member_says_how_to_change_it(
    connection: Connection, member: Any
) -> None:
    upsert = postgresql.insert(EVENTS).values(id=1)
    for statement in (
        update(EVENTS).values({member: "y"}),
        update(EVENTS).ordered_values((EVENTS.c.id, 1), (member, "y")),
        upsert.on_conflict_do_update(index_elements=["id"], set_={member: "y"}),
    ):
        with pytest.raises(CompileError, match=r"events\.properties to func\.json_merge_patch"):
            connection.execute(statement)
    add(connection, {"s": "x", "n": {"d": 4, "e": 5}})
    patched = func.json_merge_patch(PROPERTIES, {"s": "y", "n": {"d": None}}, type_=JSON)
    connection.execute(update(EVENTS).values(properties=patched))
    assert value(connection, PROPERTIES) == {"s": "y", "n": {"e": 5}}


def test_an_assignment_to_an_element_of_an_array_is_refused(connection: Connection) -> None:
    lists = Table("lists", MetaData(), Column("a", ARRAY(Integer)))
    with pytest.raises(CompileError, match=r"lists\.a to all of its elements"):
        connection.execute(update(lists).values({lists.c.a[1]: 3}))
