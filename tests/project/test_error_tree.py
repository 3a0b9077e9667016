"""The tree of errors is as its docstring draws it, and every error of the driver is mapped."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import duckdb
import pytest

from mixpanel_data import MixpanelDataError, exceptions
from mixpanel_data.database.driver_failures import translated

#: What becomes of the driver's classes where the message tells nothing: with a database file, and
#: without one. A class that is new in a DuckDB has to be put here, and where its messages tell
#: more, into mixpanel_data.database.driver_failures.
QUERY = ("QueryError", "QueryError")
FILE = ("DatabaseFileError", "QueryError")
MEMORY = ("OutOfMemoryError", "OutOfMemoryError")
BECOMES = {
    "BinderException": QUERY,
    "CatalogException": QUERY,
    "ConnectionException": QUERY,
    "ConstraintException": QUERY,
    "ConversionException": QUERY,
    "DataError": QUERY,
    "DatabaseError": QUERY,
    "DependencyException": QUERY,
    "Error": FILE,
    "FatalException": FILE,
    "HTTPException": FILE,
    "IOException": FILE,
    "IntegrityError": QUERY,
    "InternalError": QUERY,
    "InternalException": QUERY,
    "InterruptException": QUERY,
    "InvalidInputException": QUERY,
    "InvalidTypeException": QUERY,
    "NotImplementedException": QUERY,
    "NotSupportedError": QUERY,
    "OperationalError": QUERY,
    "OutOfMemoryException": MEMORY,
    "OutOfRangeException": QUERY,
    "ParserException": QUERY,
    "PermissionException": QUERY,
    "ProgrammingError": QUERY,
    "ResourceInUseException": QUERY,  # since DuckDB 2.0
    "SequenceException": QUERY,
    "SerializationException": FILE,
    "SyntaxException": QUERY,
    "TransactionException": QUERY,
    "TypeMismatchException": QUERY,
}
SINCE_2 = {"ResourceInUseException"}

DRIVER_ERRORS = {
    name: kind
    for name, kind in vars(duckdb).items()
    if inspect.isclass(kind) and issubclass(kind, duckdb.Error)
}


def drawn() -> dict[str, str | None]:
    """Return the parent of every error in the drawing."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in inspect.cleandoc(exceptions.__doc__ or "").splitlines():
        if match := re.match(r"((?:    )+)(\w+)", line):
            level = len(match[1]) // 4 - 1
            above[level:] = [match[2]]
            parents[match[2]] = above[level - 1] if level else None
    return parents


def test_the_drawing_of_the_errors_is_true() -> None:
    errors = [
        kind
        for kind in vars(exceptions).values()
        if inspect.isclass(kind) and issubclass(kind, MixpanelDataError)
    ]
    parents = {
        kind.__name__: next(
            (base.__name__ for base in kind.__bases__ if issubclass(base, MixpanelDataError)), None
        )
        for kind in errors
    }
    assert drawn() == parents


def test_every_error_of_the_driver_is_mapped() -> None:
    known = set(BECOMES) if "ResourceInUseException" in DRIVER_ERRORS else set(BECOMES) - SINCE_2
    assert set(DRIVER_ERRORS) == known


@pytest.mark.parametrize("name", sorted(DRIVER_ERRORS))
def test_a_driver_error_with_an_unknown_message_is_mapped_by_its_class(name: str) -> None:
    error = DRIVER_ERRORS[name]("something")
    found = [translated(error, path, "SELECT 1") for path in (Path("a.db"), None)]
    assert tuple(type(ours).__name__ for ours in found) == BECOMES.get(name)
