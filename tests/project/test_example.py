"""The example application works, also when run again on the same file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb

APPLICATION = Path(__file__).parents[2] / "examples" / "orm_app.py"


def run_application(*arguments: object) -> list[str]:
    finished = subprocess.run(
        [sys.executable, APPLICATION, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()


def test_the_application_opens_a_ticket_for_each_of_the_users_who_export_most(path: Path) -> None:
    first, *tickets = run_application(path)
    assert first == "5 tickets opened"
    with duckdb.connect(str(path)) as connection:
        exports = connection.execute(
            "SELECT distinct_id, count(*) AS n FROM events_jan SEMI JOIN users USING (distinct_id) "
            "WHERE event_name = 'Report Exported' GROUP BY ALL ORDER BY n DESC, distinct_id LIMIT 5"
        ).fetchall()
        since = dict(
            connection.execute(
                "SELECT distinct_id, strftime(min(event_time), '%d %B') FROM events_jan GROUP BY 1"
            ).fetchall()
        )
    pattern = re.compile(r"#(\d+) (\S+) in '.*' since (.*): (\d+) exports in January")
    matches = [pattern.fullmatch(ticket) for ticket in tickets]
    assert [match and match.groups() for match in matches] == [
        (str(number), user, since[user], str(count))
        for number, (user, count) in enumerate(exports, start=1)
    ]


def test_the_application_adds_nothing_when_it_runs_again(path: Path) -> None:
    before = run_application(path)[1:]
    assert run_application(path) == ["0 tickets opened", *before]


def test_the_application_needs_no_file() -> None:
    assert run_application()[0] == "5 tickets opened"
