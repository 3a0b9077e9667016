"""The structure of the package: which imports are allowed, and what importing loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb
import pytest

import mixpanel_data

PACKAGE = Path(mixpanel_data.__file__).parent
MIGRATIONS = PACKAGE.parents[1] / "migrations"

#: Rooms from the bottom up: what is in one imports only from its own line and those above it.
ROOMS = [
    {"exceptions"},
    {"common"},
    {"types", "dialect"},
    {"schema"},
    {"database"},
    {"ingest", "query"},
    {"storage"},
    {"migrate"},
    {"cli"},
    {"__init__", "__main__"},
]
#: The rooms within a room, in the same way.
ROOMS_OF_TYPES = [{"results", "loads", "tables"}, {"databases"}, {"__init__"}]
ROOMS_OF_DIALECT = [
    {"lake"},
    {"datatypes", "members", "numeric", "numpy_scalars", "urls"},
    {"sql"},
    {"bulk", "reflection"},
    {"driver"},
    {"connecting", "identifiers"},
    {"base", "__init__"},
    {"alembic"},
    {"entry_points"},
]
ROOMS_OF_SANDBOX = [
    {"allowed", "deadline", "limits", "scratch", "sizes"},
    {"dictionaries", "result_limits", "results", "tree"},
    {"catalog"},
    {"rules"},
    {"guard"},
    {"worker"},
    {"policy"},
]


def module_of(file: Path) -> str:
    """Return a module's name below the package, ``__init__`` of a package included."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {module_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imported_by(file: Path) -> Iterator[str]:
    """Yield what a file imports of the package, wherever in the file, for types only included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "mixpanel_data":
                yield resolved(rest)


def resolved(name: str) -> str:
    """Return the module that a dotted name is, or is a member of."""
    while name:
        for module in (name, f"{name}.__init__"):
            if module in MODULES:
                return module
        name = name.rpartition(".")[0]
    return "__init__"


GRAPH = {module: set(imported_by(file)) - {module} for module, file in MODULES.items()}


def upward(rooms: list[set[str]], prefix: str = "") -> list[str]:
    """Return the imports from a room to one above it, among the modules with a prefix."""
    level = {f"{prefix}{room}": number for number, line in enumerate(rooms) for room in line}

    def room_of(module: str) -> str:
        return prefix + module.removeprefix(prefix).split(".")[0]

    return [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if module.startswith(prefix) and other.startswith(prefix)
        if level[room_of(other)] > level[room_of(module)]
    ]


def test_every_module_is_in_a_room() -> None:
    assert {module.split(".")[0] for module in MODULES} == set().union(*ROOMS)


def test_there_are_few_rooms_and_few_arrows_between_them() -> None:
    rooms = {module: module.split(".")[0] for module in MODULES}
    arrows = {(rooms[module], rooms[other]) for module, others in GRAPH.items() for other in others}
    assert len(set(rooms.values()) - {"__init__", "__main__"}) <= 12
    assert sum(room != other for room, other in arrows) <= 60


def test_lower_rooms_never_import_from_higher_ones() -> None:
    assert upward(ROOMS) == []


@pytest.mark.parametrize(
    ("prefix", "rooms"),
    [
        ("types.", ROOMS_OF_TYPES),
        ("dialect.", ROOMS_OF_DIALECT),
        ("database.sandbox.", ROOMS_OF_SANDBOX),
    ],
)
def test_lower_rooms_within_a_room_never_import_from_higher_ones(
    prefix: str, rooms: list[set[str]]
) -> None:
    assert upward(rooms, prefix) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_rooms_beside_each_other_do_not_import_each_other() -> None:
    beside = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        for line in ROOMS
        if {module.split(".")[0], other.split(".")[0]} <= line
        if module.split(".")[0] != other.split(".")[0]
    ]
    assert beside == []


def test_the_dialect_imports_only_the_rooms_below_it() -> None:
    of_dialect = [others for module, others in GRAPH.items() if module.startswith("dialect.")]
    beneath = {"dialect", "common", "exceptions"}
    assert {other.split(".")[0] for other in set().union(*of_dialect)} <= beneath


def test_version_scripts_import_nothing_of_the_package() -> None:
    for file in (MIGRATIONS / "versions").glob("*.py"):
        assert set(imported_by(file)) == set(), file


def loaded_after(code: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(printed.stdout.split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    heavy = {"duckdb", "sqlalchemy", "pandas", "pyarrow", "alembic", "numpy"}
    assert loaded_after("import mixpanel_data") & heavy == set()


def test_importing_the_engine_loads_no_heavy_dependency() -> None:
    heavy = {"pandas", "pyarrow", "alembic", "duckdb_engine", "sqlalchemy.orm", "numpy"}
    assert loaded_after("from mixpanel_data import StorageEngine") & heavy == set()


def test_opening_a_database_loads_neither_pandas_nor_arrow_nor_alembic() -> None:
    code = "import mixpanel_data; mixpanel_data.StorageEngine.memory().list_tables()"
    heavy = {"pandas", "pyarrow", "alembic", "sqlalchemy.orm"}
    if duckdb.__version__.startswith("1."):  # loads both for a bound parameter
        heavy -= {"pandas", "pyarrow"}
    assert loaded_after(code) & heavy == set()


def test_a_worker_of_the_sandbox_starts_without_sqlalchemy() -> None:
    loaded = loaded_after("import mixpanel_data.database.sandbox.worker.main")
    assert loaded & {"sqlalchemy", "pandas", "alembic", "asyncio"} == set()
