"""Results are independent, and stream until another statement runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

#: A million rows, of which DuckDB cannot make the one at ``BREAK``. How many arrive before the
#: error tells how far it was ahead of its reader; none, if it made the whole result first.
BREAK = 900_000
FAILS_LATE = text(
    f"SELECT CASE WHEN n = {BREAK} THEN error('stop') ELSE n END AS n FROM range(1000000) AS t(n)"
)


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(order_by="Member.id")


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))


@pytest.fixture
def teams(engine: Engine) -> Engine:
    """50 teams of 3 members each."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Team), [{"id": number} for number in range(50)])
        members = [{"id": number, "team_id": number // 3} for number in range(150)]
        session.execute(insert(Member), members)
        session.commit()
    return engine


# Several at once


def test_results_read_in_turns_each_give_all_their_rows(engine: Engine) -> None:
    with engine.connect() as connection:
        query = text("SELECT * FROM range(:first, :last)")
        results = [
            connection.execute(query, {"first": first, "last": first + 5000})
            for first in (0, 10_000, 20_000)
        ]
        rows: list[list[int]] = [[], [], []]
        for _ in range(5000):
            for number, result in enumerate(results):
                rows[number].append(result.fetchone()[0])  # type: ignore[index]
        assert rows == [[*range(first, first + 5000)] for first in (0, 10_000, 20_000)]
        assert [result.fetchone() for result in results] == [None] * 3


@pytest.mark.parametrize("how", ["one by one", "many", "all", "partitions"])
def test_unread_rows_are_buffered_when_another_statement_runs(engine: Engine, how: str) -> None:
    with engine.connect() as connection:
        result = connection.execute(text("SELECT * FROM range(10000)"))
        begun = [result.fetchone(), *result.fetchmany(9)]
        assert connection.scalar(text("SELECT 42")) == 42
        read: dict[str, Any] = {
            "one by one": lambda: list(result),
            "many": lambda: [*result.fetchmany(100), *result.fetchmany(100_000)],
            "all": result.fetchall,
            "partitions": lambda: [row for part in result.partitions(7) for row in part],
        }
        assert [tuple(row) for row in [*begun, *read[how]()]] == [(n,) for n in range(10_000)]


def test_a_result_survives_writing_and_committing_while_it_is_read(teams: Engine) -> None:
    with teams.connect() as connection:
        seen = 0
        for number in connection.execute(select(Team.id)).scalars():
            connection.execute(insert(Team).values(id=number + 1000))
            connection.commit()
            seen += 1
        assert seen == 50
        assert connection.scalar(select(func.count()).select_from(Team)) == 100


def test_results_of_a_session_are_independent_too(teams: Engine) -> None:
    with Session(teams) as session:
        pairs = [
            (team, member)
            for team in session.scalars(select(Team.id).execution_options(yield_per=5))
            for member in session.scalars(
                select(Member.id).where(Member.team_id == team).order_by(Member.id)
            )
        ]
    assert sorted(pairs) == [(number // 3, number) for number in range(150)]


@pytest.mark.parametrize("options", [{}, {"yield_per": 7}, {"stream_results": True}], ids=str)
def test_relationships_load_while_their_parents_are_iterated(
    teams: Engine, options: dict[str, Any]
) -> None:
    with Session(teams) as session:
        loaded = {
            team.id: [member.id for member in team.members]
            for team in session.scalars(select(Team), execution_options=options)
        }
    assert loaded == {team: [team * 3, team * 3 + 1, team * 3 + 2] for team in range(50)}


def test_objects_can_be_changed_and_flushed_while_others_are_still_to_come(teams: Engine) -> None:
    with Session(teams) as session:
        for team in session.scalars(select(Team).execution_options(yield_per=10)):
            session.add(Member(id=1000 + team.id, team_id=team.id))
            session.flush()
        session.commit()
    with Session(teams) as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 200


# Streams


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stream_results": True},
        {"yield_per": 100},
        {"stream_results": True, "max_row_buffer": 9},
    ],
    ids=str,
)
def test_a_result_streams_as_long_as_nothing_else_runs(
    engine: Engine, options: dict[str, Any]
) -> None:
    with engine.connect().execution_options(**options) as connection:
        connection.execute(text("SET threads = 1"))  # others would work at what comes last
        numbers = connection.execute(FAILS_LATE).scalars()
        seen: list[int] = []
        with pytest.raises(DBAPIError, match="stop"):
            seen.extend(numbers)
        connection.rollback()
        assert connection.scalar(text("SELECT 1")) == 1
    assert seen == [*range(len(seen))]
    assert len(seen) > BREAK / 2


def test_a_streaming_result_that_is_abandoned_is_not_read_to_its_end(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SET threads = 1"))  # others would work at what comes last
        assert connection.execute(FAILS_LATE).first() == (0,)
        assert connection.scalar(text("SELECT 1")) == 1
        connection.commit()


def test_an_orm_query_with_yield_per_holds_a_batch_of_objects_at_a_time(teams: Engine) -> None:
    with Session(teams) as session:
        query = select(Member).order_by(Member.id).execution_options(yield_per=10)
        for number, member in enumerate(session.scalars(query)):
            assert member.id == number
            assert len(session.identity_map) <= 20
            del member


def test_an_abandoned_result_keeps_no_transaction_open(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE TABLE big AS SELECT * FROM range(1000000) AS t(n)"))
        connection.execute(text("SELECT n FROM big")).first()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("DROP TABLE big"))
            other.execute(text("CHECKPOINT"))  # refused while another transaction is open


# Errors and ends


def test_an_error_while_buffering_is_raised_by_the_result_itself(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET threads = 1"))  # others would work at what comes last
        result = connection.execute(FAILS_LATE)
        first = result.fetchmany(5)
        assert connection.scalar(text("SELECT 1")) == 1
        rest: list[Any] = []
        with pytest.raises(DBAPIError, match="stop"):
            rest.extend(iter(partial(result.fetchmany, 1), None))
        numbers = [row.n for row in [*first, *(row for (row,) in rest)]]
        assert numbers == [*range(len(numbers))]
        assert len(numbers) >= 5  # how many more were kept depends on how far DuckDB was


def test_a_transaction_with_an_error_while_buffering_is_not_committed(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER)"))
        connection.execute(text("SET threads = 1"))  # others would work at what comes last
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES (1)"))
        result = connection.execute(FAILS_LATE)
        result.fetchone()
        with pytest.raises(DBAPIError, match="nothing of it was committed"):
            connection.commit()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM notes")).all() == []


def test_a_result_that_was_not_read_before_a_rollback_says_so(engine: Engine) -> None:
    with engine.connect() as connection:
        result = connection.execute(text("SELECT * FROM range(10000)"))
        result.fetchone()
        connection.rollback()
        assert connection.scalar(text("SELECT 1")) == 1
        with pytest.raises(ProgrammingError, match="rolled back before all rows were read"):
            result.fetchall()


def test_a_cursor_of_the_driver_can_be_used_again(engine: Engine) -> None:
    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute("SELECT * FROM range(5000)")
    assert cursor.fetchone() == (0,)
    cursor.execute("SELECT 'again'")
    assert (cursor.fetchone(), cursor.fetchone()) == (("again",), None)
    cursor.execute("CREATE TABLE t (i INTEGER)")
    assert cursor.description is None
    assert cursor.rowcount == -1
    raw.close()


# Numbers of rows


def test_rowcount_is_the_number_of_changed_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        assert run("CREATE TABLE t (i INTEGER PRIMARY KEY, v INTEGER)").rowcount == -1
        assert run("INSERT INTO t SELECT n, n FROM range(10) AS r(n)").rowcount == 10
        assert run("UPDATE t SET v = 0 WHERE i < 4").rowcount == 4
        assert run("UPDATE t SET v = 0 WHERE i = 99").rowcount == 0
        assert run("DELETE FROM t WHERE i >= 7").rowcount == 3
        assert run("INSERT INTO t VALUES (1, 1), (50, 1) ON CONFLICT DO NOTHING").rowcount == 1
        assert not run("DELETE FROM t WHERE i = 50").returns_rows


@pytest.mark.parametrize("many", [3, 20])
def test_rowcount_of_many_parameters_is_the_sum_of_theirs(engine: Engine, many: int) -> None:
    rows = [(n,) for n in range(many)]
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("CREATE TABLE t (i INTEGER PRIMARY KEY, v INTEGER)")
        assert run("INSERT INTO t VALUES ($1, 0)", rows).rowcount == many
        assert run("INSERT INTO t VALUES ($1, 0) ON CONFLICT DO NOTHING", rows).rowcount == 0
        assert run("UPDATE t SET v = 1 WHERE i = $1", [*rows, (99,)]).rowcount == many
        assert run("UPDATE t SET v = 1 WHERE i <= $1", rows).rowcount == many * (many + 1) // 2
        assert run("DELETE FROM t WHERE i = $1", [(99,), (1,), (1,)]).rowcount == 1
        assert run('SELECT $1 AS "Count"', rows).rowcount == -1
        assert run("CREATE OR REPLACE TABLE o AS SELECT 1 AS v WHERE $1 = 99", rows).rowcount <= 0


def counted(engine: Engine, *values: str) -> Table:
    """Return a table with an autoincrement key, which RETURNING gives, and a row for each value."""
    table = Table(
        "counted",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("name", String, unique=True),
    )
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"name": value} for value in values])
    return table


def test_rowcount_of_an_insert_that_asks_for_its_key(engine: Engine) -> None:
    table = counted(engine, "a")
    with engine.begin() as connection:
        assert connection.execute(insert(table).values(name="b")).rowcount == 1
        both = insert(table).values([{"name": "c"}, {"name": "d"}])
        assert connection.execute(both).rowcount == 2
        again = postgresql.insert(table).on_conflict_do_nothing()
        assert connection.execute(again.values(name="a")).rowcount == 0
        assert connection.execute(again.values(name="e")).rowcount == 1


@pytest.mark.parametrize("many", [3, 5000])
def test_rowcount_of_returning_is_the_number_of_its_rows(engine: Engine, many: int) -> None:
    table = counted(engine, *map(str, range(many)))
    with engine.begin() as connection:
        added = [{"name": f"new {n}"} for n in range(many)]
        result = connection.execute(insert(table).returning(table.c.id), added)
        assert (result.rowcount, len(result.all()), result.rowcount) == (many, many, many)
        changed = update(table).where(table.c.id <= many).values(name=table.c.name + "!")
        result = connection.execute(changed.returning(table.c.name))
        assert result.rowcount == many
        assert result.fetchone() is not None
        assert (len(result.all()), result.rowcount) == (many - 1, many)
        removed = delete(table).where(table.c.id <= many).returning(table.c.id)
        assert connection.execute(removed).rowcount == many
        assert connection.execute(removed).rowcount == 0


def test_rowcount_of_returning_is_known_once_the_rows_are_read(engine: Engine) -> None:
    counted(engine, "a")
    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute("INSERT INTO counted (name) SELECT n FROM range(5000) AS r(n) RETURNING id")
    assert len(cursor.fetchmany(3)) == 3
    assert (cursor.rowcount, len(cursor.fetchall()), cursor.rowcount) == (5000, 4997, 5000)
    cursor.execute("SELECT 1")
    assert cursor.rowcount == -1
    raw.close()


def test_a_column_called_count_is_a_column(engine: Engine) -> None:
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        assert run('SELECT 7::BIGINT AS "Count"').all() == [(7,)]
        run('CREATE TABLE t ("Count" BIGINT, "é" VARCHAR)')
        query = "INSERT INTO t VALUES (8, 'é') returning \"Count\""
        assert run(query).all() == [(8,)]
        result = run("UPDATE t SET \"é\" = ' returning '")
        assert (result.returns_rows, result.rowcount) == (False, 1)
        assert run('SELECT count(*) AS "Count" FROM t').all() == [(1,)]
