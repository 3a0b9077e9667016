"""The commands that run SQL, and write rows to files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mixpanel_data import StorageEngine
from tests.cli.conftest import Run

SQL = "SELECT 1 AS a, 'ü\"\n' AS b, NULL AS c UNION ALL SELECT 2, '', 3 ORDER BY a"
ROWS = [{"a": 1, "b": 'ü"\n', "c": None}, {"a": 2, "b": "", "c": 3}]


def test_sql_comes_as_an_argument_a_file_or_from_stdin(run: Run, database: Path) -> None:
    Path("a.sql").write_text(SQL, encoding="utf-8-sig")  # as editors on Windows save it
    assert run("query", database, SQL).rows == ROWS
    assert run("query", database, "-f", "a.sql").rows == ROWS
    assert run("query", database, "-", stdin=SQL.encode()).rows == ROWS
    assert run("query", database, "-f", "-", stdin=SQL.encode()).rows == ROWS


def test_a_result_is_written_in_each_format(run: Run, database: Path) -> None:
    written = {
        form: run("query", database, SQL, "-F", form)
        for form in ("json", "csv", "parquet", "table")
    }
    assert json.loads(written["json"].out) == ROWS
    found = list(csv.DictReader(io.StringIO(written["csv"].out, newline="")))
    assert [(row["a"], row["b"]) for row in found] == [("1", 'ü"\n'), ("2", "")]
    assert pq.read_table(io.BytesIO(written["parquet"].data)).to_pylist() == ROWS
    assert r"ü\"\n".replace('\\"', '"') in written["table"].out


def test_of_several_statements_the_last_one_is_shown_and_a_note_says_so(
    run: Run, database: Path
) -> None:
    found = run("query", database, "SELECT 1 AS a; SELECT 2 AS a;")
    assert found.rows == [{"a": 2}]
    assert "has 2 statements" in found.err
    pivot = "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)"
    assert [run("query", database, sql).err for sql in (SQL, "SELECT 1; -- one", pivot)] == [""] * 3


@pytest.mark.parametrize(("form", "nothing"), [("json", "[]\n"), ("jsonl", ""), ("csv", '"a"\n')])
def test_a_result_may_have_no_rows(run: Run, database: Path, form: str, nothing: str) -> None:
    assert run("query", database, "SELECT 1 AS a WHERE false", "-F", form).out == nothing


def test_integers_of_a_table_have_no_commas(run: Run, database: Path) -> None:
    assert "2025" in run("query", database, "SELECT 2025 AS year", "-F", "table").out


def test_a_table_has_the_values_of_the_other_formats(run: Run, database: Path) -> None:
    sql = (
        "SELECT true AS a, [1, NULL] AS b, TIMESTAMP 'infinity' AS c, INTERVAL 3 DAY AS d, 2.5 AS e"
    )
    cells = run("query", database, sql, "-F", "table").out.splitlines()[2].split("   ")
    assert [cell.strip() for cell in cells] == ["true", "[1,null]", "infinity", "3 days", "2.5"]


def test_a_table_in_a_pipe_has_all_rows_one_below_the_other(run: Run, database: Path) -> None:
    sql = "SELECT n, 'x' || n AS text FROM range(2500) t(n)"
    head, rule, *lines = run("query", database, sql, "-F", "table").out.splitlines()
    assert head.split() == ["n", "text"]
    assert set(rule) == {"─"}
    assert [line.split() for line in lines] == [[str(n), f"x{n}"] for n in range(2500)]
    widths = [len(line) for line in lines]
    assert widths == sorted(widths)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "parquet"])
def test_an_error_while_rows_are_read_is_a_message(run: Run, database: Path, form: str) -> None:
    outcome = run("query", database, "SELECT CAST(event_name AS INT) FROM jan", "-F", form)
    assert outcome.code == 1
    assert outcome.err.startswith("Error: Conversion Error")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "parquet"])
def test_results_of_every_type_are_written(run: Run, database: Path, form: str) -> None:
    some = "fixed_nested_int_array, fixed_nested_varchar_array"  # pyarrow cannot write 1.5's
    sql = f"SELECT * EXCLUDE ({some}) FROM test_all_types()"
    assert run("query", database, sql, "-F", form).code == 0


def test_what_has_no_sql_in_it_is_refused(run: Run, database: Path) -> None:
    Path("a.sql").write_bytes(b"\xff\xfe")
    for arguments, expected in [
        ([" \n"], "There is no SQL"),
        (["-"], "There is no SQL"),
        (["-f", "a.sql"], "a.sql is not UTF-8"),
    ]:
        refused = run("query", database, *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert expected in " ".join(refused.err.split())
    missing = run("query", database, "-f", "b.sql")
    assert (missing.code, missing.err) == (3, "Error: b.sql: No such file or directory\n")


def test_any_statement_can_be_run(run: Run, database: Path) -> None:
    for sql in ("SHOW TABLES", "DESCRIBE jan", "SUMMARIZE jan", "EXPLAIN FROM jan", "FROM jan;"):
        assert run("query", database, sql).code == 0
    assert run("query", database, "SELECT 1 AS a; SELECT 2 AS b").rows == [{"b": 2}]


def test_a_query_changes_nothing_unless_it_may(run: Run, database: Path) -> None:
    before = database.read_bytes()
    refused = run("query", database, "DELETE FROM jan")
    assert (refused.code, refused.out) == (1, "")
    assert "--write" in refused.err
    assert database.read_bytes() == before
    assert run("query", database, "DELETE FROM jan", "--write").code == 0
    assert run("query", database, "SELECT count(*) AS n FROM jan").rows == [{"n": 0}]


def test_a_sandbox_reaches_no_files(run: Run, database: Path) -> None:
    Path("secret.csv").write_text("a\n1\n")
    sql = "FROM 'secret.csv'"
    assert run("query", database, sql).rows == [{"a": 1}]
    refused = run("query", database, sql, "--sandbox")
    assert (refused.code, refused.out) == (1, "")
    assert run("query", database, "SELECT 1 AS a", "--sandbox").rows == [{"a": 1}]


def test_wrong_sql_says_where(run: Run, database: Path) -> None:
    outcome = run("query", database, "SELEC 1")
    assert (outcome.code, outcome.out) == (1, "")
    assert "syntax error" in outcome.err
    assert run("query", database, "SELEC").code == 1


@pytest.mark.parametrize("arguments", [(), ("SELECT 1", "-f", "a.sql")])
def test_sql_must_come_in_one_way(run: Run, database: Path, arguments: tuple[str, ...]) -> None:
    assert run("query", database, *arguments).code == 2


def test_a_file_of_sql_that_is_not_there_is_not_found(run: Run, database: Path) -> None:
    outcome = run("query", database, "-f", "no.sql")
    assert outcome.code == 3
    assert "no.sql" in outcome.err


def test_an_export_writes_a_file_once(run: Run, database: Path) -> None:
    outcome = run("export", database, "jan", "jan.parquet")
    assert outcome.code == 0
    (told,) = outcome.rows
    assert (told["path"], told["rows"], told["format"]) == ("jan.parquet", 30, "parquet")
    assert told["bytes"] == Path("jan.parquet").stat().st_size
    assert "jan.parquet: 30 rows" in outcome.err
    again = run("export", database, "users", "jan.parquet")
    assert (again.code, again.out) == (1, "")
    assert pq.read_metadata("jan.parquet").num_rows == 30
    assert run("export", database, "users", "jan.parquet", "--overwrite").code == 0
    assert pq.read_metadata("jan.parquet").num_rows == 5


def test_an_export_may_be_of_a_query_and_to_stdout(run: Run, database: Path) -> None:
    outcome = run("export", database, "SELECT 1 AS a", "-")
    assert (outcome.out, outcome.err) == ('{"a":1}\n', "")
    assert run("export", database, "SELECT 1 AS a", "-", "-F", "csv").out == '"a"\n1\n'


def test_an_export_in_mixpanels_format_loads_again(run: Run, database: Path) -> None:
    name = "東京 [1].jsonl.gz"
    assert run("export", database, "jan", name, "--format", "mixpanel").code == 0
    assert run("load", name, "--into", "again.db", "--table", "jan").rows[0]["added"] == 30
    with StorageEngine(database) as one, StorageEngine("again.db") as other:
        query = 'SELECT * EXCLUDE ("plan name") FROM jan ORDER BY ALL'
        assert one.execute_rows(query) == other.execute_rows("FROM jan ORDER BY ALL")


@pytest.mark.parametrize("path", ["no/folder.csv", "no_ending", "a.xlsx"])
def test_an_export_that_cannot_be_written_leaves_nothing(
    run: Run, database: Path, path: str
) -> None:
    assert run("export", database, "jan", path).code in (1, 2)
    assert not Path(path).exists()


def test_a_table_without_rows_has_its_head_in_a_pipe(run: Run, database: Path) -> None:
    done = run("query", database, "SELECT 1 AS a, 2 AS b WHERE false", "-F", "table")
    assert done.out.split()[:2] == ["a", "b"]


def test_sql_may_end_with_a_comment(run: Run, database: Path) -> None:
    Path("a.sql").write_text("SELECT 8 AS a;\n-- end\n")
    assert run("query", database, "-f", "a.sql").rows == [{"a": 8}]


def test_a_table_without_property_columns_has_the_header_of_csv(run: Run, database: Path) -> None:
    assert run("columns", "list", database, "jan", "-F", "csv").out.startswith('"')
