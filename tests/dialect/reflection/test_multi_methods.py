"""The inspector's single and multi methods agree."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import Connection, inspect
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.exc import NoSuchTableError

from tests.dialect.reflection.helpers import (
    MULTI_FORMS,
    SINGLE_FORMS,
    counted_statements,
    execute_all,
)


@pytest.mark.parametrize("form", SINGLE_FORMS)
@pytest.mark.parametrize("schema", [None, "main"])
def test_a_missing_table_is_an_error(connection: Connection, form: str, schema: str | None) -> None:
    with pytest.raises(NoSuchTableError, match="missing"):
        getattr(inspect(connection), form)("missing", schema=schema)


@pytest.mark.parametrize("form", MULTI_FORMS)
def test_many_tables_take_one_statement(connection: Connection, form: str) -> None:
    execute_all(connection, *(f"CREATE TABLE t{i} (x INTEGER PRIMARY KEY)" for i in range(5)))
    with counted_statements(connection) as statements:
        found = getattr(inspect(connection), form)()
    assert len(found) == 5
    assert len(statements) == 1


@pytest.mark.parametrize("form", SINGLE_FORMS)
def test_a_single_form_says_what_the_multi_form_says(connection: Connection, form: str) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (x INTEGER PRIMARY KEY, y INTEGER UNIQUE CHECK (y > 1), z INTEGER "
        "REFERENCES t (x))",
        "CREATE INDEX ix ON t (z)",
        "COMMENT ON TABLE t IS 'comment'",
    )
    inspector = inspect(connection)
    multi = getattr(inspector, form.replace("get_", "get_multi_"))()
    assert repr(multi) == repr({(None, "t"): getattr(inspector, form)("t")})


NAMES: list[list[str] | None] = [None, [], ["t", "v", "tt", "tv", "missing"], ["V", "TT"]]
KINDS = [*ObjectKind, ObjectKind.ANY, ObjectKind.ANY_VIEW]
SCOPES = [*ObjectScope, ObjectScope.ANY]


@pytest.mark.parametrize("form", MULTI_FORMS)
def test_schema_names_kind_and_scope_choose_the_tables(connection: Connection, form: str) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (x INTEGER)",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TEMP TABLE tt (x INTEGER)",
        "CREATE TEMP VIEW tv AS SELECT * FROM tt",
    )
    objects = {
        "t": (ObjectKind.TABLE, ObjectScope.DEFAULT),
        "v": (ObjectKind.VIEW, ObjectScope.DEFAULT),
        "tt": (ObjectKind.TABLE, ObjectScope.TEMPORARY),
        "tv": (ObjectKind.VIEW, ObjectScope.TEMPORARY),
    }
    reflect = getattr(inspect(connection), form)
    for names, kind, scope in product(NAMES, KINDS, SCOPES):
        chosen = {
            name
            for name in names or objects
            if name.lower() in objects
            and objects[name.lower()][0] in kind
            and objects[name.lower()][1] in scope
        }
        found = reflect(filter_names=names, kind=kind, scope=scope)
        assert set(found) == {(None, name) for name in chosen}
        found = reflect(schema="main", filter_names=names, kind=kind, scope=scope)
        assert set(found) == {("main", name) for name in chosen if name.lower() in ("t", "v")}


def test_tables_have_no_options(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (x INTEGER)")
    assert inspect(connection).get_table_options("t") == {}
