"""Runs SQLAlchemy's and Alembic's own tests on ``duckdb+mixpanel://``: ``make test-sqlalchemy``.

The tests come from the source distributions of the installed versions. What fails is compared with
``exclusions.ROWS``: a failure without a row, and a row that nothing needs, make this fail.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import duckdb

from tests.upstream.exclusions import ROWS, Reason, Row

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "build" / "upstream"
#: Folders with tests, and the distribution they are in.
FOLDERS = {
    "sql": ("sqlalchemy", "test/sql"),
    "engine": ("sqlalchemy", "test/engine"),
    "orm": ("sqlalchemy", "test/orm"),
    "ext": ("sqlalchemy", "test/ext"),
    "alembic": ("alembic", "tests"),
}
MINUTES = 45

#: Older versions do not have all the tests.
IS_NEWEST = not version("sqlalchemy").startswith("2.0.")


def source_of(package: str) -> Path:
    """Return the unpacked source distribution of an installed package, downloaded once."""
    folder = SOURCES / f"{package}-{version(package)}"
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", package, f"{package}=={version(package)}"]
        with tempfile.TemporaryDirectory() as downloads:
            subprocess.run([*command, "--dest", downloads], check=True)
            (archive,) = Path(downloads).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


def run(folder: str) -> dict[str, str]:
    """Run the tests of a folder and return the outcome of each: passed, failed or skipped."""
    package, tests = FOLDERS[folder]
    source = source_of(package)
    with tempfile.TemporaryDirectory() as scratch:
        database, report = Path(scratch) / "upstream.db", Path(scratch) / "report.xml"
        with duckdb.connect(database) as connection:
            connection.execute("CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2")
        paths = [REPOSITORY / "src", REPOSITORY / "tests/sqlalchemy_suite", Path(__file__).parent]
        # -s: their conftest.py would put the sources before the installed package.
        command = [sys.executable, "-s", "-m", "pytest", "-q", "--tb=native", tests]
        command += ["-c", str(Path(__file__).with_name("setup.cfg")), f"--junitxml={report}"]
        subprocess.run(
            [*command, f"--dburi=duckdb+mixpanel:///{database}"],
            cwd=source,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
            timeout=MINUTES * 60,
            check=False,
        )
        return dict(outcomes(folder, ElementTree.parse(report).getroot()))


def outcomes(folder: str, report: ElementTree.Element) -> list[tuple[str, str]]:
    """Return the tests of a JUnit report with their outcomes."""
    found = []
    for case in report.iter("testcase"):
        where, name = case.attrib["classname"], case.attrib["name"]
        # The plugin adds the database and a version to the names of classes.
        where = re.sub(r"_duckdb\+\w+$", "", where).rpartition("upstream.")[2]
        tags = {child.tag for child in case}
        is_failure = bool(tags & {"failure", "error"})
        outcome = "failed" if is_failure else "skipped" if "skipped" in tags else "passed"
        found.append((f"{folder}/{where}::{name}", outcome))
    return found


def row_of(test: str) -> Row | None:
    """Return the row that explains a failure."""
    return next((row for row in ROWS if row.matches(test)), None)


def check(folder: str, results: dict[str, str]) -> list[str]:
    """Print a line of numbers for a folder, and return what contradicts the exclusions."""
    failed = [test for test, outcome in results.items() if outcome == "failed"]
    counts = Counter(results.values())
    kinds = Counter(row.reason.kind for test in failed if (row := row_of(test)))
    parts = [f"{counts['passed']} passed", f"{counts['skipped']} skipped"]
    print(
        f"{folder}:", ", ".join([*parts, *(f"{number} {kind}" for kind, number in kinds.items())])
    )
    passed = [test for test, outcome in results.items() if outcome == "passed"]
    used = {row_of(test) for test in failed}
    own = [row for row in ROWS if row.pattern.startswith(f"{folder}/")]
    chance = {row for row in ROWS if row.reason.is_by_chance}
    return [
        *(f"fails, and no row says why: {test}" for test in failed if row_of(test) is None),
        *(
            f"passes, against its row: {test}"
            for test in passed
            if row_of(test) not in {None, *chance}
        ),
        *(
            f"no test fails for this row: {row.pattern}"
            for row in own
            if row not in used | chance
            if IS_NEWEST or any(map(row.matches, results))
        ),
    ]


def changed_reasons() -> list[str]:
    """Return what DuckDB no longer refuses."""
    reasons: set[Reason] = {row.reason for row in ROWS}
    return [f"DuckDB can do it now: {reason}" for reason in reasons if not reason.holds()]


def main() -> None:
    """Run the folders that are named, or all of them."""
    parser = argparse.ArgumentParser(description="SQLAlchemy's and Alembic's own tests")
    parser.add_argument("folders", nargs="*", choices=["all", *FOLDERS], default="all")
    chosen = parser.parse_args().folders
    complaints = changed_reasons()
    for folder in FOLDERS if "all" in chosen else chosen:
        complaints += check(folder, run(folder))
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
