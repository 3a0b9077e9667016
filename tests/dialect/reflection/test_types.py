"""Every type of DuckDB is parsed, and compiled back to the same text."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import NullType, TypeEngine

from mixpanel_data.dialect.sql.parsing import parse_type
from tests.dialect.reflection.helpers import column
from tests.engines import open_engine
from tests.examples import examples

LEAVES = st.sampled_from(
    [
        "BIGINT",
        "BIGNUM",
        "BIT",
        "BLOB",
        "BOOLEAN",
        "DATE",
        "DECIMAL(10,2)",
        "DOUBLE",
        "FLOAT",
        "HUGEINT",
        "INTEGER",
        "INTERVAL",
        "JSON",
        "SMALLINT",
        "TIME",
        "TIME_NS",
        "TIMESTAMP",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP_S",
        "TINYINT",
        "UBIGINT",
        "UHUGEINT",
        "UINTEGER",
        "USMALLINT",
        "UTINYINT",
        "UUID",
        "VARCHAR",
        "TIMESTAMPTZ",
        "TIMETZ",
    ]
)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)


def _fields(kind: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(
        st.tuples(TEXTS, inner), min_size=1, max_size=3, unique_by=lambda pair: pair[0].casefold()
    )
    return pairs.map(
        lambda fields: "{}({})".format(
            kind, ", ".join('"{}" {}'.format(name.replace('"', '""'), t) for name, t in fields)
        )
    )


ENUMS = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(
    lambda values: "ENUM({})".format(
        ", ".join("'{}'".format(value.replace("'", "''")) for value in values)
    )
)
NESTED = st.recursive(
    LEAVES | ENUMS,
    lambda inner: st.one_of(
        inner.map(lambda item: f"{item}[]"),
        st.tuples(inner, st.integers(1, 9)).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        _fields("STRUCT", inner),
        _fields("UNION", inner),
        st.tuples(LEAVES, inner).map(lambda pair: f"MAP({pair[0]}, {pair[1]})"),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A database for all examples."""
    path = tmp_path_factory.mktemp("types") / "first.db"
    with open_engine(path) as engine, engine.connect() as connection:
        yield connection


@examples(40)
@given(duckdb_type=NESTED)
def test_any_type_compiles_to_what_it_was(scratch: Connection, duckdb_type: str) -> None:
    found = column(scratch, f"x {duckdb_type}")
    again = column(scratch, f"x {found['type'].compile(scratch.dialect)}")
    assert again["duckdb_type"] == found["duckdb_type"]


WHOLE = ["MAP(INTEGER, VARCHAR)", "STRUCT(a INTEGER, b STRUCT(c VARCHAR[]))", "DECIMAL(18,3)"]
WHOLE += ["ENUM('a', 'b''c')", "UNION(x INTEGER, y VARCHAR)", "INTEGER[3][]"]


@given(
    whole=st.sampled_from(WHOLE),
    cuts=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["", *"()[],'\" aM3"])), max_size=4
    ),
)
@pytest.mark.filterwarnings("ignore:DuckDB type")
def test_text_that_is_no_type_ends_in_some_type(whole: str, cuts: list[tuple[int, str]]) -> None:
    for position, inserted in cuts:
        whole = whole[:position] + inserted + whole[position + (not inserted) :]
    assert isinstance(parse_type(whole), TypeEngine)


def test_text_that_is_no_type_is_warned_of() -> None:
    with pytest.warns(SAWarning, match="'MAP.INTEGER' of column 'c' is malformed"):
        assert isinstance(parse_type("MAP(INTEGER", "c"), NullType)


#: Names of types that DuckDB's parser reads, of which some are in no list.
SPELLED = [
    *(["BIT VARYING"] if duckdb.__version__ >= "2" else []),
    *("DOUBLE PRECISION", "TIME WITHOUT TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE"),
    *("CHARACTER VARYING(5)", "CHAR(3)", "NATIONAL CHARACTER VARYING(3)", "TEXT(5)", "BIT(3)"),
    *("NUMERIC(10, 2)", "DECIMAL(5)", "dec", "FLOAT(24)", "FLOAT(25)", "REAL", "DateTime(3)"),
    *(f"TIMESTAMP({digits})" for digits in range(10)),
    *("TIMESTAMP(3) WITHOUT TIME ZONE", "ROW(a int, b text[])", "varchar(5)[2]", "map(int4, dec)"),
]


def test_every_name_that_duckdb_reads_is_parsed(scratch: Connection) -> None:
    listed = scratch.exec_driver_sql(
        "SELECT DISTINCT type_name FROM duckdb_types() WHERE internal AND type_name NOT IN "
        "('array', 'enum', 'list', 'map', 'null', 'row', 'struct', 'tuple', 'type', 'union') "
        "AND upper(type_name) <> type_name OR type_name = 'JSON'"
    )
    for name in (*listed.scalars(), *SPELLED):
        meant = parse_type(scratch.exec_driver_sql(f"SELECT typeof(NULL::{name})").scalar_one())
        assert repr(parse_type(name)) == repr(meant), name
        assert repr(parse_type(name.lower())) == repr(meant), name


@pytest.mark.parametrize("given", ["DECIMAL(1, 2, 3)", "VARCHAR(x)", "INTEGER(3)", "DATE["])
def test_a_known_type_with_what_it_does_not_take_is_warned_of(given: str) -> None:
    with pytest.warns(SAWarning, match=r"DuckDB type '.*' of column 'c' is (malformed|not known)"):
        assert isinstance(parse_type(given, "c"), NullType)
