"""The structure of the package: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import duckdb

import mixpanel_data

PACKAGE = Path(mixpanel_data.__file__).parent

#: From the bottom up: a module imports only from lines above its own, or its own line.
LAYERS = [
    {"exceptions"},
    {
        "types",
        "names",
        "values",
        "texts",
        "ephemeral",
        "private",
        "leftovers",
        "settings",
        "interrupts",
        "weak_registry",
        "forks",
    },
    {"file_locks"},
    {"open_files"},
    {"utc"},
    {"tables", "exports"},
    {"records", "documents", "dialect"},
    {"connect", "opening", "schema", "introspect", "unique", "sandbox"},
    {"arrow", "files", "stream", "operations", "revisions", "backup"},
    {"sieve", "connections"},
    {"read", "write", "models"},
    {"database"},
    {"loading", "querying"},
    {"storage"},
    {"migrate"},
    {"__init__"},
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}


def imports_of(file: Path) -> set[str]:
    """Return the modules of the package that a file imports, by their name in ``LAYERS``."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixpanel_data"):
            _, _, module = (node.module or "").partition(".")
            found = [module.split(".")[0]] if module else [alias.name for alias in node.names]
            names.update(found)
    return names


def layer_of(file: Path) -> str:
    return file.stem if file.parent == PACKAGE else file.parent.name


def test_every_module_has_a_place_in_the_layers() -> None:
    assert {layer_of(file) for file in PACKAGE.rglob("*.py")} == set(LEVEL)


def test_lower_modules_never_import_higher_ones() -> None:
    upward = [
        f"{layer_of(file)} imports {name}"
        for file in PACKAGE.rglob("*.py")
        for name in imports_of(file)
        if LEVEL[name] > LEVEL[layer_of(file)]
    ]
    assert upward == []


def test_the_dialect_stands_on_its_own() -> None:
    for file in (PACKAGE / "dialect").glob("*.py"):
        allowed = {"dialect", "open_files", "file_locks", "weak_registry", "forks"}
        assert imports_of(file) <= allowed, file


def test_version_scripts_import_nothing_of_the_package() -> None:
    for file in (PACKAGE.parents[1] / "migrations" / "versions").glob("*.py"):
        assert imports_of(file) == set(), file


def loaded_after(code: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(printed.stdout.split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    heavy = {"pandas", "pyarrow", "alembic", "duckdb_engine", "sqlalchemy.orm", "numpy"}
    assert loaded_after("import mixpanel_data") & heavy == set()


def test_opening_a_database_loads_neither_pandas_nor_arrow_nor_alembic() -> None:
    code = "import mixpanel_data; mixpanel_data.StorageEngine.memory().list_tables()"
    heavy = {"pandas", "pyarrow", "alembic", "sqlalchemy.orm"}
    if duckdb.__version__.startswith("1."):  # loads both for a bound parameter
        heavy -= {"pandas", "pyarrow"}
    assert loaded_after(code) & heavy == set()
