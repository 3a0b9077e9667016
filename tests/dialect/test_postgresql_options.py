"""Models and migrations for PostgreSQL: its options are ignored, with a warning if rows differ."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (
    ARRAY,
    JSON,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    insert,
    inspect,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import CITEXT, JSONB, TIMESTAMP, ExcludeConstraint, array
from sqlalchemy.exc import CompileError, SAWarning
from sqlalchemy.schema import CreateIndex, DropIndex

from mixpanel_data.dialect.alembic import register_duckdb
from mixpanel_data.dialect.base import MixpanelDialect
from tests.engines import alembic_connection, open_engine


@pytest.fixture
def connection() -> Iterator[Connection]:
    with alembic_connection() as connection:
        yield connection


def operations(connection: Connection) -> Operations:
    return Operations(MigrationContext.configure(connection))


def table(*items: Any, **options: Any) -> Any:
    return Table("t", MetaData(), Column("id", Integer), Column("x", String), *items, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"postgresql_where": Column("x", String) == "a"},
        {"postgresql_using": "gin"},
        {"postgresql_ops": {"x": "text_pattern_ops"}},
        {"postgresql_with": {"fillfactor": 50}},
        {"postgresql_tablespace": "fast"},
        {"postgresql_concurrently": True},
        {"postgresql_include": ["id"]},
    ],
)
def test_what_makes_an_index_faster_or_smaller_is_ignored(
    connection: Connection, options: dict[str, Any]
) -> None:
    made = table()
    index = Index("i", made.c.x, **options)
    assert str(CreateIndex(index).compile(connection)) == "CREATE INDEX i ON t (x)"
    assert str(DropIndex(index).compile(connection)).strip() == "DROP INDEX i"
    made.create(connection)
    op = operations(connection)
    op.create_index("j", "t", ["x"], **options)
    assert [index["name"] for index in inspect(connection).get_indexes("t")] == ["i", "j"]
    op.drop_index("j", "t", **options)
    assert index.dialect_kwargs == options  # another database still gets them


def test_kinds_of_indexes_that_duckdb_and_its_extensions_have_are_kept(
    connection: Connection,
) -> None:
    index = Index("i", table().c.x, postgresql_using="HNSW", postgresql_with={"metric": "'cosine'"})
    assert str(CreateIndex(index).compile(connection)) == (
        "CREATE INDEX i ON t USING hnsw (x) WITH (metric = 'cosine')"
    )


def test_what_makes_a_table_faster_or_smaller_is_ignored(connection: Connection) -> None:
    made = table(
        PrimaryKeyConstraint("id"),
        UniqueConstraint("x", "id"),
        CheckConstraint("id > 0", postgresql_not_valid=True),
        postgresql_partition_by="LIST (x)",
        postgresql_tablespace="fast",
    )
    made.create(connection)
    assert inspect(connection).get_pk_constraint("t")["constrained_columns"] == ["id"]


def unique_index(option: str) -> Any:
    made = table()
    value = made.c.id > 3 if option == "where" else True
    options: Any = {f"postgresql_{option}": value}
    Index("i", made.c.x, unique=True, **options)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (unique_index("where"), "postgresql_where of unique index 'i'.*no partial indexes"),
        (table(postgresql_inherits="other"), "postgresql_inherits of table 't'"),
        (
            table(prefixes=["TEMPORARY"], postgresql_on_commit="DROP"),
            "postgresql_on_commit of table 't'",
        ),
        (table(UniqueConstraint("x", deferrable=True)), "no deferrable constraints.*'t'"),
        (table(UniqueConstraint("x", initially="DEFERRED")), "no deferrable constraints.*'t'"),
        (
            table(Column("up", ForeignKey("t.id", deferrable=True)), PrimaryKeyConstraint("id")),
            "no deferrable constraints.*'t'",
        ),
    ],
)
def test_a_warning_says_where_a_table_accepts_or_keeps_other_rows(
    connection: Connection, made: Table, message: str
) -> None:
    with pytest.warns(SAWarning, match=message):
        made.create(connection)
    connection.execute(made.insert(), {"id": 1, "x": "a"})


@pytest.mark.parametrize("kind", ["index", "constraint"])
def test_nulls_are_different_values(connection: Connection, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:  # SQLAlchemy 2.0.14 does not know the option
            options: Any = {"postgresql_nulls_not_distinct": True}
            made = table() if kind == "index" else table(UniqueConstraint("x", **options))
            if kind == "index":
                Index("i", made.c.x, unique=True, **options)
        except Exception as error:
            pytest.skip(str(error))
    with pytest.warns(SAWarning, match="two NULLs are different"):
        made.create(connection)
    connection.execute(made.insert(), [{"id": 1}, {"id": 2}])


def test_an_index_that_is_not_unique_needs_no_warning(connection: Connection) -> None:
    made = table()
    Index("i", made.c.x, postgresql_where=made.c.id > 3)
    made.create(connection)


def test_using_of_a_changed_type_is_ignored_with_a_warning(connection: Connection) -> None:
    table().create(connection)
    with pytest.warns(SAWarning, match="postgresql_using of column 'x' of table 't'.*are cast"):
        operations(connection).alter_column("t", "x", type_=Integer, postgresql_using="length(x)")
    (_, x) = inspect(connection).get_columns("t")
    assert isinstance(x["type"], Integer)


def test_exclude_constraints_are_refused(connection: Connection) -> None:
    made = table(ExcludeConstraint(("x", "="), name="e"))
    with pytest.raises(CompileError, match="no EXCLUDE constraints"):
        made.create(connection)


def test_a_stored_generated_column_is_virtual_with_a_warning(connection: Connection) -> None:
    stored = Table(
        "computed",
        MetaData(),
        Column("a", Integer),
        Column("b", Integer, Computed("a * 2", persisted=True)),
    )
    with pytest.warns(SAWarning, match="column 'b' of table 'computed' is computed whenever"):
        stored.create(connection)
    connection.execute(insert(stored).values(a=4))
    assert connection.execute(select(stored.c.b)).scalars().all() == [8]


@pytest.fixture
def documents(connection: Connection) -> Table:
    """A table with a JSONB document."""
    made = Table("documents", MetaData(), Column("id", Integer, unique=True), Column("d", JSONB))
    made.create(connection)
    connection.execute(insert(made).values(id=1, d={"a": 1, "b.c": [2]}))
    return made


def test_keys_of_a_jsonb_document_can_be_asked_for(
    connection: Connection, documents: Table
) -> None:
    document: Any = documents.c.d
    asked = {
        document.has_key("b.c"): True,
        document.has_key("c"): False,
        document.has_any(array(["a", "x"])): True,
        document.has_all(array(["a", "x"])): False,
    }
    assert connection.execute(select(*asked)).one() == tuple(asked.values())
    assert connection.scalar(select(documents.c.id).where(document.has_key("a"))) == 1


@pytest.mark.parametrize("operator", ["@>", "<@", "@?", "@@", "#-", "||", "-"])
def test_other_operators_of_jsonb_are_refused_with_what_to_use(
    documents: Table, operator: str
) -> None:
    dialect = MixpanelDialect()
    with pytest.raises(CompileError, match=f"no operator {re.escape(operator)} of PostgreSQL's"):
        select(documents.c.d.op(operator)("x")).compile(dialect=dialect)


def test_documents_are_not_joined_as_text(documents: Table) -> None:
    document = documents.c.d
    for joined in (document.concat({"x": 1}), document + {"x": 1}, document.concat(document)):
        with pytest.raises(CompileError, match=r"json_merge_patch\(document, patch\)"):
            select(joined).compile(dialect=MixpanelDialect())


def test_the_text_of_a_member_is_joined_with_text(connection: Connection, documents: Table) -> None:
    member: Any = documents.c.d["a"]
    assert connection.scalar(select(member.astext + "!")) == "1!"


def test_types_of_postgresql_that_differ_in_words_only_are_made(connection: Connection) -> None:
    kinds: dict[str, Any] = {"t": TIMESTAMP(timezone=True, precision=3), "c": CITEXT()}
    made = Table("kinds", MetaData(), *(Column(name, kind) for name, kind in kinds.items()))
    made.create(connection)
    connection.execute(insert(made).values(t=datetime(2025, 1, 1, tzinfo=timezone.utc), c="Ada"))
    assert connection.scalar(select(made.c.t).where(made.c.c == "ADA")) == datetime(
        2025, 1, 1, tzinfo=timezone.utc
    )


def test_an_upsert_of_sqlite_works(connection: Connection, documents: Table) -> None:
    new = sqlite.insert(documents).values(id=1, d={"new": True})
    ignored = new.on_conflict_do_nothing(index_elements=["id"])
    assert connection.execute(ignored).rowcount == 0
    connection.execute(new.on_conflict_do_update(index_elements=["id"], set_={"d": new.excluded.d}))
    assert connection.scalar(select(documents.c.d)) == {"new": True}


#: Defaults of models and of PostgreSQL's own catalog, and what rows have of them.
DEFAULTS: dict[str, tuple[Any, Any, Any]] = {
    "a document": (JSONB, text("'{}'::jsonb"), {}),
    "a generic document": (JSON, text("'[1, {\"a\": \"it''s\"}]' :: JSON"), [1, {"a": "it's"}]),
    "a cast": (JSONB, text("CAST('{\"a\": 1}' AS jsonb)"), {"a": 1}),
    "a document without a cast": (JSONB, "{}", {}),
    "no elements": (ARRAY(String), "{}", []),
    "no elements of a type": (ARRAY(String), text("'{}'::character varying(9)[]"), []),
    "elements": (ARRAY(String), '{a,"b {c}"}', ["a", "b {c}"]),
    "numbers": (ARRAY(Integer, dimensions=2), text("'{{1,2},{3}}'::integer[]"), [[1, 2], [3]]),
    "DuckDB's brackets": (ARRAY(String), "[]", []),
    "an expression": (ARRAY(String), text("ARRAY['a']"), ["a"]),
    "text": (String, "{}", "{}"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_of_documents_and_arrays_are_those_of_postgresql(
    connection: Connection, name: str
) -> None:
    kind, default, value = DEFAULTS[name]
    models = MetaData()
    key = Column("id", Integer, primary_key=True)
    table = Table("with_default", models, key, Column("x", kind, server_default=default))
    models.create_all(connection)
    connection.execute(insert(table).values(id=1))
    assert connection.scalar(select(table.c.x)) == value
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    assert compare_metadata(context, models) == []
    added = Column("y", kind, server_default=default)
    Operations(context).add_column("with_default", added)
    grown = Table("with_default", MetaData(), autoload_with=connection)
    assert connection.scalar(select(type_coerce(grown.c.y, added.type))) == value


@pytest.mark.parametrize("given", ["{}", text("'{}'::text[]")], ids=str)
@pytest.mark.parametrize("options", [{}, {"existing_type": ARRAY(String)}], ids=["", "type"])
def test_a_default_of_an_array_is_set_later(given: Any, options: Any) -> None:
    register_duckdb()
    with open_engine() as engine, engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER, tags VARCHAR[])")
        op = Operations(MigrationContext.configure(connection))
        op.alter_column("t", "tags", server_default=given, **options)
        connection.exec_driver_sql("INSERT INTO t (n) VALUES (1)")
        op.alter_column("t", "tags", server_default='{"a:b"}', **options)
        connection.exec_driver_sql("INSERT INTO t (n) VALUES (2)")
        op.alter_column("t", "tags", server_default=None, **options)
        connection.exec_driver_sql("INSERT INTO t (n) VALUES (3)")
        rows = connection.exec_driver_sql("SELECT tags FROM t ORDER BY n").scalars().all()
        assert rows == [[], ["a:b"], None]
