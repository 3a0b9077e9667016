"""Keys, constraints and indexes."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, MetaData, Table, UniqueConstraint, inspect

from tests.dialect.reflection.helpers import execute_all


def test_a_primary_key_has_its_columns_in_key_order(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER, PRIMARY KEY (C, a))")
    key = inspect(connection).get_pk_constraint("t")
    assert key["constrained_columns"] == ["c", "a"]


def test_a_primary_key_added_later_is_no_index(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (a INTEGER)", "ALTER TABLE t ADD PRIMARY KEY (a)")
    assert inspect(connection).get_pk_constraint("t")["constrained_columns"] == ["a"]
    assert inspect(connection).get_indexes("t") == []


def test_generated_constraint_names_are_not_reflected(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (a INTEGER, b INTEGER, CONSTRAINT p PRIMARY KEY (a), "
        "CONSTRAINT u UNIQUE (b), CONSTRAINT c CHECK (a > 0), "
        "CONSTRAINT f FOREIGN KEY (b) REFERENCES t (a))",
    )
    inspector = inspect(connection)
    assert inspector.get_pk_constraint("t")["name"] is None
    assert inspector.get_unique_constraints("t")[0]["name"] is None
    assert inspector.get_foreign_keys("t")[0]["name"] is None


def test_checks_have_names_that_do_not_depend_on_their_order(connection: Connection) -> None:
    checks = ["CHECK (a > 0)", "CHECK (a < b)", "CHECK (b > 3)", "CHECK (b < 9)"]

    def names() -> list[str]:
        return sorted(str(one["name"]) for one in inspect(connection).get_check_constraints("t"))

    execute_all(connection, f"CREATE TABLE t (a INTEGER, b INTEGER, {', '.join(checks)})")
    first = names()
    checks.reverse()
    execute_all(
        connection, "DROP TABLE t", f"CREATE TABLE t (a INTEGER, b INTEGER, {', '.join(checks)})"
    )
    assert names() == first
    assert (first[0], first[-1], len({*first})) == ("t_a_check", "t_check", 4)


def test_a_naming_convention_with_names_does_not_keep_checks_from_being_reflected(
    connection: Connection,
) -> None:
    execute_all(connection, "CREATE TABLE t (a INTEGER CHECK (a > 0))")
    metadata = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
    metadata.reflect(connection)
    assert "t_a_check" in {one.name for one in metadata.tables["t"].constraints}


def test_a_naming_convention_names_reflected_constraints(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)")
    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s"})
    table = Table("t", metadata, autoload_with=connection)
    (unique,) = (one for one in table.constraints if isinstance(one, UniqueConstraint))
    assert unique.name == "uq_t"


def test_unique_constraints_have_their_columns_in_order(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (a INTEGER UNIQUE, b INTEGER, c INTEGER, UNIQUE (C, B))",
        "CREATE UNIQUE INDEX ix ON t (b)",
    )
    inspector = inspect(connection)
    found = [one["column_names"] for one in inspector.get_unique_constraints("t")]
    assert found == [["a"], ["c", "b"]]
    assert [index["name"] for index in inspector.get_indexes("t")] == ["ix"]


def test_check_constraints_have_the_text_inside_the_parentheses(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE t (a INTEGER CHECK (a > 0), b VARCHAR, CHECK (b <> 'a)b' AND a < 9))",
    )
    found = [one["sqltext"] for one in inspect(connection).get_check_constraints("t")]
    assert found == ["a > 0", "(b != 'a)b') AND (a < 9)"]


def test_foreign_keys_name_their_columns_pairwise(connection: Connection) -> None:
    execute_all(
        connection,
        'CREATE TABLE "Parent" (a INTEGER, "B" INTEGER, PRIMARY KEY ("B", a))',
        "CREATE TABLE t (x INTEGER, y INTEGER, FOREIGN KEY (Y, X) REFERENCES parent (b, A))",
    )
    assert inspect(connection).get_foreign_keys("t") == [
        {
            "name": None,
            "constrained_columns": ["y", "x"],
            "referred_schema": None,
            "referred_table": "Parent",
            "referred_columns": ["B", "a"],
            "options": {},
        }
    ]


def test_a_foreign_key_may_lead_to_its_own_table(connection: Connection) -> None:
    execute_all(connection, "CREATE TABLE t (a INTEGER REFERENCES t (b), b INTEGER PRIMARY KEY)")
    (found,) = inspect(connection).get_foreign_keys("t")
    assert (found["referred_table"], found["referred_columns"]) == ("t", ["b"])
    assert [one["name"] for one in inspect(connection).get_columns("t")] == ["a", "b"]


def test_a_foreign_key_without_columns_leads_to_the_primary_key(connection: Connection) -> None:
    execute_all(
        connection,
        "CREATE TABLE p (a INTEGER, b INTEGER PRIMARY KEY)",
        "CREATE TABLE t (x INTEGER REFERENCES p)",
    )
    (found,) = inspect(connection).get_foreign_keys("t")
    assert found["referred_columns"] == ["b"]


def test_indexes_have_columns_and_expressions(connection: Connection) -> None:
    execute_all(
        connection,
        'CREATE TABLE t (a INTEGER, "b, ""c" VARCHAR, "(d)" INTEGER)',
        'CREATE UNIQUE INDEX one ON t ("(d)", A)',
        "CREATE INDEX two ON t (lower(\"b, \"\"c\" || '[it''s], '), a, (a + 1))",
    )
    assert inspect(connection).get_indexes("t") == [
        {
            "name": "one",
            "column_names": ["(d)", "a"],
            "unique": True,
            "dialect_options": {},
        },
        {
            "name": "two",
            "column_names": [None, "a", None],
            "expressions": ["(lower((\"b, \"\"c\" || '[it''s], ')))", "a", "((a + 1))"],
            "unique": False,
            "dialect_options": {},
        },
    ]


CHECKS = {
    "a IN ('a', ')')": "a IN ('a', ')')",
    "a > 'b'": "a > 'b'",
    "(a > 'b') AND (b > 1)": "(a > 'b') AND (b > 1)",
    "(((b > 1)))": "b > 1",
    "abs(b)": "abs(b)",
    "a <> ')('": "a != ')('",
    '"c)" > 1': '"c)" > 1',
    "b IS NOT NULL": "b IS NOT NULL",
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_has_no_parentheses_around_it_and_makes_the_same_check(
    connection: Connection, check: str
) -> None:
    columns = '(a VARCHAR, b INTEGER, "c)" INTEGER, CHECK ({}))'
    execute_all(connection, "CREATE TABLE t " + columns.format(check))
    (found,) = inspect(connection).get_check_constraints("t")
    assert found["sqltext"] == CHECKS[check]
    execute_all(connection, "CREATE TABLE again " + columns.format(found["sqltext"]))
    (again,) = inspect(connection).get_check_constraints("again")
    assert again["sqltext"] == found["sqltext"]
