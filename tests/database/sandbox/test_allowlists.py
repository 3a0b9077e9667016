"""The lists of allowed and refused names match the installed DuckDB exactly."""

from __future__ import annotations

import duckdb
import pytest

from mixpanel_data.database.sandbox import allowed
from mixpanel_data.database.sandbox.catalog import macros
from mixpanel_data.database.sandbox.tree import parse
from mixpanel_data.dialect.sql.names import fold

#: Versions that somebody has looked at; of others, the lists may lack names.
LOOKED_AT = ("1.5.", "2.0.")

REFUSED = " ".join(allowed.REFUSED_FUNCTIONS.values()).split()
REFUSED_TABLES = " ".join(allowed.REFUSED_TABLE_FUNCTIONS.values()).split()
REFUSED_TYPES = " ".join(allowed.REFUSED_TYPES.values()).split()


def names(query: str) -> set[str]:
    with duckdb.connect() as connection:
        return {fold(name) for (name,) in connection.execute(query).fetchall()}


@pytest.mark.parametrize(
    ("kinds", "listed", "refused"),
    [
        ("'scalar', 'aggregate', 'macro', 'window'", allowed.FUNCTIONS, REFUSED),
        ("'table', 'table_macro'", allowed.TABLE_FUNCTIONS, REFUSED_TABLES),
    ],
    ids=["values", "tables"],
)
def test_every_function_of_duckdb_is_on_exactly_one_list(
    kinds: str, listed: frozenset[str], refused: list[str]
) -> None:
    found = names(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        f"WHERE internal AND function_type IN ({kinds})"
    )
    assert found - listed - set(refused) == set()
    assert listed & set(refused) == set()
    assert len(refused) == len(set(refused))


def test_every_type_of_duckdb_is_on_exactly_one_list() -> None:
    found = names("SELECT DISTINCT type_name FROM duckdb_types()")
    assert found - allowed.TYPES - set(REFUSED_TYPES) == set()
    assert allowed.TYPES & set(REFUSED_TYPES) == set()


def test_the_installed_version_was_reviewed() -> None:
    assert duckdb.__version__.startswith(LOOKED_AT)


def test_duckdb_s_own_macros_are_all_readable() -> None:
    assert len(macros()) > 80
    for definitions in macros().values():
        for definition in definitions:
            assert isinstance(parse(f"SELECT {definition}"), list)


def test_no_allowed_name_given_as_text_is_on_the_list_of_refused_ones() -> None:
    for _, names_allowed in allowed.NAMED.values():
        assert names_allowed & set(REFUSED) == set()
    assert names("SELECT name FROM duckdb_settings()") >= allowed.SETTINGS
