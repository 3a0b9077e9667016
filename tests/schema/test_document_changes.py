"""Changes inside the properties of mapped objects: the session saves them, at any depth."""

from __future__ import annotations

import copy
import gc
import json
import operator
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Session, defer, undefer

from mixpanel_data import EventMixin, ProfileMixin, StorageEngine
from tests.records import EVENTS, PROFILES, make_event, make_profiles

KEY = "the-event"
DOCUMENT: dict[str, Any] = {"a": {"b": [1, {"c": 2}]}, "list": [3, 1, 2], "nothing": None}


class Base(DeclarativeBase):
    pass


class Visit(EventMixin, Base):
    __tablename__ = "events_jan"


class Purchase(Visit):
    pass


class User(ProfileMixin, Base):
    __tablename__ = "users"


@pytest.fixture(scope="module")
def shared() -> Iterator[StorageEngine]:
    """One event and one profile."""
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", [make_event(insert_id=KEY)], EVENTS)
        storage.create_profiles_table("users", make_profiles(1), PROFILES)
        yield storage


@pytest.fixture
def session(shared: StorageEngine) -> Iterator[Session]:
    """A session on the event with its document as it was."""
    put(shared, DOCUMENT)
    with shared.session() as session:
        yield session


def put(storage: StorageEngine, document: Any) -> None:
    with storage.session() as session:
        session.execute(update(Visit).values(properties=document))
        session.commit()


def stored(session: Session) -> Any:
    """Return what is in the database."""
    return session.scalar(select(Visit.properties))


def load(session: Session, model: Any = Visit) -> Any:
    return session.get(model, KEY)


@pytest.fixture
def updates(shared: StorageEngine) -> Iterator[list[str]]:
    """The UPDATE statements of a test."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.extend([statement] * statement.startswith("UPDATE"))

    event.listen(shared.engine, "before_cursor_execute", note)
    yield statements
    event.remove(shared.engine, "before_cursor_execute", note)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a member": lambda d: operator.setitem(d, "x", 1),
    "a nested member": lambda d: operator.setitem(d["a"], "b", 1),
    "a member within a list": lambda d: operator.setitem(d["a"]["b"][1], "c", [1]),
    "a member of what was assigned": lambda d: [
        operator.setitem(d, "new", {"e": {}}),
        operator.setitem(d["new"]["e"], "f", 1),
    ],
    "a member of what get() returns": lambda d: d.get("a").update(x=1),
    "a member of what values() returns": lambda d: [*d.values()][1].append(4),
    "a member of what items() returns": lambda d: [*d.items()][1][1].append(4),
    "a member of what setdefault() returns": lambda d: d.setdefault("tags", []).append("new"),
    "a member of what iteration returns": lambda d: [*iter(d["a"]["b"])][1].clear(),
    "a member of a slice": lambda d: d["a"]["b"][1:][0].update(x=1),
    "a member of a reversed list": lambda d: next(reversed(d["a"]["b"])).update(x=1),
    "a member of a shallow copy": lambda d: dict(d)["a"].update(x=1),
    "a member of an unpacked copy": lambda d: {**d}["a"].update(x=1),
    "a member of a joined dict": lambda d: (d | {})["a"].update(x=1),
    "a member of a joined list": lambda d: ([0] + d["a"]["b"])[2].update(x=1),
    "a member of an unpacked list": lambda d: [*d["a"]["b"]][1].update(x=1),
    "del": lambda d: operator.delitem(d, "list"),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "update": lambda d: d.update({"x": 1}, y=2),
    "|=": lambda d: d["a"].__ior__({"x": 1}),
    "append": lambda d: d["list"].append({}),
    "extend": lambda d: d["list"].extend([4, 5]),
    "+=": lambda d: d["list"].__iadd__([4]),
    "*=": lambda d: d["list"].__imul__(2),
    "insert": lambda d: d["list"].insert(0, 4),
    "remove": lambda d: d["list"].remove(1),
    "pop from a list": lambda d: d["list"].pop(),
    "clear a list": lambda d: d["list"].clear(),
    "sort": lambda d: d["list"].sort(reverse=True, key=str),
    "reverse": lambda d: d["list"].reverse(),
    "assign a slice": lambda d: operator.setitem(d["list"], slice(0, 2), [[]]),
    "del in a list": lambda d: operator.delitem(d["list"], 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_inside_is_saved(session: Session, change: str) -> None:
    expected = copy.deepcopy(DOCUMENT)
    returned = CHANGES[change](load(session).properties)
    assert returned == CHANGES[change](expected)
    gc.collect()
    session.commit()
    assert stored(session) == expected != DOCUMENT


@pytest.mark.parametrize("name", ["events_jan", "users"])
def test_models_on_the_fly_save_it_too(shared: StorageEngine, name: str) -> None:
    model = shared.model(name)
    with shared.session() as session:
        session.scalars(select(model)).one().properties["$set"] = {"inside": [1]}
        session.commit()
        session.scalars(select(model)).one().properties["$set"]["inside"].append(2)
        session.commit()
        (document,) = session.scalars(select(model.properties))
        assert document["$set"] == {"inside": [1, 2]}


def test_an_object_that_nothing_else_refers_to_keeps_its_change(session: Session) -> None:
    load(session).properties["one"] = 1
    nested = load(session).properties["a"]
    gc.collect()
    nested["two"] = 2
    del nested
    gc.collect()
    session.commit()
    assert (stored(session)["one"], stored(session)["a"]["two"]) == (1, 2)


def test_reading_saves_nothing(session: Session, updates: list[str]) -> None:
    document = load(session).properties
    assert document == DOCUMENT
    assert isinstance(document, dict)
    assert isinstance(document["a"]["b"], list)
    assert [*document.items()] == [*DOCUMENT.items()]
    assert document["a"] is document.get("a") is document.setdefault("a", 1)
    assert (document.get("b"), document.get("b", 1), "b" in document) == (None, 1, False)
    assert json.loads(json.dumps(document)) == json.loads(orjson.dumps(document)) == DOCUMENT
    assert repr(document) == repr(DOCUMENT)
    with pytest.raises(KeyError, match="missing"):
        document["missing"]
    with pytest.raises(IndexError):
        document["list"][3]
    assert not session.dirty
    session.commit()
    assert not updates


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "method": lambda value: value.copy(),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_plain(session: Session, updates: list[str], way: str) -> None:
    document = load(session).properties
    made, nested = COPIES[way](document), COPIES[way](document["list"])
    assert (type(made), type(nested)) == (dict, list)
    assert (made, nested) == (DOCUMENT, DOCUMENT["list"])
    made["x"] = 1
    nested.append(1)
    session.commit()
    assert not updates


def test_a_container_made_with_the_class_of_another_is_not_tracked(session: Session) -> None:
    document = load(session).properties
    for container, item in ((document, "x"), (document["a"], "x"), (document["list"], 0)):
        made = type(container)(container)
        made[item] = {"free": True}
        assert made[item] == {"free": True}
    assert not session.dirty


def test_columns_are_plain_dicts(session: Session) -> None:
    document = stored(session)
    assert (type(document), type(document["a"])) == (dict, dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


def change(document: dict[str, Any], path: list[int], value: Any, *, remove: bool) -> None:
    """Follow a path as far as there are containers, and change something there."""
    place: Any = document
    for step in path:
        members = place.values() if isinstance(place, dict) else place
        inner = [member for member in members if isinstance(member, (dict, list))]
        if not inner:
            break
        place = inner[step % len(inner)]
    if remove and place:
        place.pop(*([next(iter(place))] if isinstance(place, dict) else []))
    elif isinstance(place, dict):
        place[str(path)] = copy.deepcopy(value)
    else:
        place.append(copy.deepcopy(value))


@given(
    st.dictionaries(st.text(max_size=3), JSON),
    st.lists(
        st.tuples(st.lists(st.integers(0, 9), max_size=4), JSON, st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
    ),
)
def test_any_changes_are_those_of_a_plain_dict(
    shared: StorageEngine, start: dict[str, Any], changes: list[Any]
) -> None:
    put(shared, start)
    expected = copy.deepcopy(start)
    with shared.session() as session:
        for path, value, remove, flush in changes:
            change(load(session).properties, path, value, remove=remove)
            change(expected, path, value, remove=remove)
            if flush:
                session.flush()
        assert load(session).properties == expected
        session.commit()
        assert stored(session) == expected


# Objects come and go


def test_a_new_object_is_tracked_as_soon_as_it_has_properties(session: Session) -> None:
    given_dict: dict[str, Any] = {"a": {}}
    profile = User(distinct_id="new", properties=given_dict)
    assert profile.properties == given_dict
    session.add(profile)
    session.flush()
    assert profile.properties is not None
    profile.properties["a"]["b"] = 1
    session.flush()
    session.expire(profile)
    assert profile.properties == {"a": {"b": 1}}
    assert given_dict == {"a": {}}
    profile.properties = None
    session.flush()
    assert profile.properties is None


def after(session: Session, do: Callable[[Any], object]) -> Any:
    visit = load(session)
    do(visit)
    return visit


def added(session: Session, visit: Any) -> Any:
    session.add(visit)
    return visit


LOADS: dict[str, Callable[[Session], Any]] = {
    "again": load,
    "refreshed": lambda s: after(s, s.refresh),
    "expired": lambda s: after(s, lambda visit: s.expire(visit, ["properties"])),
    "over itself": lambda s: s.scalars(
        select(Visit).execution_options(populate_existing=True)
    ).one(),
    "deferred": lambda s: s.scalars(select(Visit).options(defer(Visit.properties))).one(),
    "undeferred": lambda s: s.scalars(select(Visit).options(undefer(Visit.properties))).one(),
    "updated": lambda s: after(s, lambda _: s.execute(update(Visit).values(properties=DOCUMENT))),
    "merged": lambda s: s.merge(pickle.loads(pickle.dumps(load(s)))),
    "merged from another session": lambda s: s.merge(detached(s)),
    "merged without loading": lambda s: s.merge(detached(s), load=False),
    "merged without loading over itself": lambda s: after(
        s, lambda _: s.merge(detached(s), load=False)
    ),
    "unpickled and added": lambda s: added(s, pickle.loads(pickle.dumps(detached(s)))),
    "as a subclass": lambda s: load(s, Purchase),
}


def detached(session: Session) -> Any:
    with Session(session.get_bind()) as other:
        return load(other)


@pytest.mark.parametrize("way", LOADS)
def test_an_object_is_tracked_however_it_was_loaded(session: Session, way: str) -> None:
    visit = LOADS[way](session)
    visit.properties["a"]["x"] = 1
    assert visit in session.dirty
    session.commit()
    assert stored(session)["a"]["x"] == 1


def test_a_detached_object_is_saved_when_it_is_added_again(session: Session) -> None:
    visit = detached(session)
    visit.properties["x"] = 1
    session.add(visit)
    session.commit()
    assert stored(session)["x"] == 1


def test_a_merged_object_that_equals_the_stored_one_is_not_saved(
    session: Session, updates: list[str]
) -> None:
    session.merge(detached(session))
    session.commit()
    assert not updates


def test_rollback_and_expire_give_changes_up(session: Session) -> None:
    visit = load(session)
    for give_up in (session.rollback, partial(session.expire, visit)):
        visit.properties["x"] = 1
        give_up()
        assert visit.properties == DOCUMENT


@pytest.mark.parametrize("read_again", [False, True])
def test_a_document_that_was_expired_says_so(session: Session, *, read_again: bool) -> None:
    visit = load(session)
    document, nested = visit.properties, visit.properties["a"]
    session.commit()
    if read_again:
        assert visit.properties == document
    for container in (document, nested):
        with pytest.raises(InvalidRequestError, match=r"Visit\.properties.*Read the attribute"):
            container["x"] = 1
        assert "x" not in container
    visit.properties = document
    document["x"] = nested["x"] = 1
    session.commit()
    assert (stored(session)["x"], stored(session)["a"]["x"]) == (1, 1)
    document = visit.properties
    session.commit()
    session.close()
    document["y"] = 1  # nobody would save it


@pytest.mark.parametrize("read_before", [False, True])
def test_what_the_old_and_the_new_document_share_is_saved(
    session: Session, *, read_before: bool
) -> None:
    visit = load(session)
    old, shared = visit.properties, visit.properties["a"]
    visit.properties = {**old, "x": 1}
    session.flush()
    if read_before:
        assert visit.properties["a"] is shared
    shared["y"] = 1
    old["only here"] = 1
    session.commit()
    assert stored(session) == {**DOCUMENT, "x": 1, "a": {**DOCUMENT["a"], "y": 1}}
    old["after all"] = 1  # nobody would save it


def test_what_moves_to_another_document_belongs_to_both_no_more(session: Session) -> None:
    visit, user = load(session), session.scalars(select(User)).one()
    user.properties = {"copy": visit.properties["a"]}
    session.flush()
    assert user.properties is not None
    user.properties["copy"]["x"] = 1
    assert [*session.dirty] == [user]
    session.flush()
    visit.properties["a"]["y"] = 1
    session.commit()
    assert stored(session)["a"] == {**DOCUMENT["a"], "y": 1}
    assert user.properties["copy"] == {**DOCUMENT["a"], "x": 1}
    user.properties = visit.properties
    assert user.properties is not visit.properties
