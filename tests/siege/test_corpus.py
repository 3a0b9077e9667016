"""Every statement of the corpus has the expected outcome, and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.siege import campaign
from tests.siege.arena import FILES, MODES
from tests.siege.besieger import Shot
from tests.siege.verdicts import Case, corpus
from tests.siege.vocabulary import kinds

Told = dict[tuple[str, str, str], dict[str, Any]]

#: Too long to be written down. To judge them must not take long, whatever the verdict.
MADE = {
    "a long text": "SELECT '" + "a" * 200_000 + "'",
    "many terms": "SELECT 1" + " + 1" * 900,
    "many brackets": "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "many sets": "SELECT 1" + " UNION ALL SELECT 1" * 20_000,
    "many nested queries": "SELECT * FROM (" * 300 + "SELECT 1" + ")" * 300,
    "a deep document": "SELECT json_transform('1', '"
    + '{"a":' * 50_000
    + "1"
    + "}" * 50_000
    + "')",
    "a deep list": "SELECT '" + "[" * 100_000 + "'::JSON::VARIANT",
    "a deep list literal": "SELECT " + "[" * 1000 + "]" * 1000,
    "many columns": "SELECT " + ", ".join(["1"] * 30_000),
    "many arguments": "SELECT greatest(" + ", ".join(["1"] * 30_000) + ")",
    "many ors": "SELECT 1 WHERE 1 = 1" + " OR 1 = 2" * 5000,
    "many casts": "SELECT 1" + "::INTEGER" * 5000,
    "many nots": "SELECT " + "NOT " * 5000 + "true",
}


def fire(folder: Path, file: str, mode: str, shots: Iterable[Shot]) -> list[dict[str, Any]]:
    return campaign.run(folder, campaign.listed(list(shots), file, mode)).told


#: The ways in that differ in what they do with a statement.
WAYS = ["driver", "explain", "analyze", "keep"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What became of the corpus, by kind of file, mode and statement."""
    found: Told = {}
    for mode, file in product(MODES, FILES):
        statements = [case.statement for case in corpus() if case.file == file]
        if file == "honest":
            statements += MADE.values()
        for line in fire(tmp_path_factory.mktemp("corpus"), file, mode, map(Shot, statements)):
            found[file, mode, line["shot"]["statement"]] = line
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", corpus(), ids=str)
def test_a_statement_ends_as_it_must_and_leaves_no_trace(case: Case, mode: str, told: Told) -> None:
    line = told[case.file, mode, case.statement]
    assert line["traces"] == []
    verdict = case.verdict if kinds(case.statement) is not None else "error"
    allowed = {"error", "refused"} if verdict == "error" else {verdict}
    assert line["verdict"] in allowed, line["message"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MADE)
def test_a_huge_statement_is_over_at_once(name: str, mode: str, told: Told) -> None:
    line = told["honest", mode, MADE[name]]
    assert line["traces"] == []
    assert line["seconds"] < 30
    if len(MADE[name]) > 100_000:
        assert line["verdict"] == "refused", line["message"]


@pytest.mark.parametrize("file", FILES)
def test_a_refused_statement_is_refused_by_every_method(file: str, tmp_path: Path) -> None:
    refused = [
        case.statement
        for case in corpus()
        if case.file == file and case.verdict == "refused" and kinds(case.statement)
    ]
    shots = [Shot(sql, entry) for entry in WAYS for sql in refused]
    lines = fire(tmp_path, file, "writable", shots)
    assert len(lines) == len(shots)
    for line in lines:
        assert (line["verdict"], line["traces"]) == ("refused", []), line["shot"]


def test_harmless_statements_can_be_explained(tmp_path: Path) -> None:
    harmless = [case.statement for case in corpus() if case.kind == "harmless"]
    shots = [Shot(sql, entry) for entry in ("explain", "analyze") for sql in harmless]
    lines = fire(tmp_path, "honest", "read-only", shots)
    assert [line["traces"] for line in lines] == [[]] * len(shots)
    assert sum(line["verdict"] == "answers" for line in lines) > len(shots) / 2


def test_each_file_of_the_corpus_is_read() -> None:
    assert len({case.kind for case in corpus()}) > 15
    assert {case.verdict for case in corpus()} == {"answers", "refused", "error"}
    assert len(corpus()) > 300
