"""Public names can be imported, and every example in the docs runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import mixpanel_data
from mixpanel_data import exceptions, types

ROOT = Path(__file__).parents[2]
MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(mixpanel_data.__path__, "mixpanel_data.")
    if not info.name.startswith("mixpanel_data.migrations")
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_error_and_type_can_be_imported_from_the_package_and_its_own_module() -> None:
    for module in (exceptions, types):
        for name in mixpanel_data.__all__:
            value = getattr(mixpanel_data, name)
            if getattr(value, "__module__", "").startswith(module.__name__):
                assert getattr(module, name) is value


@pytest.mark.parametrize("name", ["exceptions", "migrate", "storage", "types"])
def test_modules_that_users_import_are_there_without_an_import_of_their_own(name: str) -> None:
    module = importlib.import_module(f"mixpanel_data.{name}")
    vars(mixpanel_data).pop(name, None)
    assert getattr(mixpanel_data, name) is module


def test_the_engine_has_the_methods_of_the_contract() -> None:
    methods = (
        "ephemeral memory open_existing create_events_table create_profiles_table "
        "append_events_table append_profiles_table drop_table table_exists execute execute_df "
        "execute_scalar execute_rows list_tables get_schema get_metadata close cleanup session "
        "path read_only connection engine"
    )
    assert set(methods.split()) <= set(dir(mixpanel_data.StorageEngine))


def test_everything_public_has_a_docstring() -> None:
    for name in mixpanel_data.__all__:
        value = getattr(mixpanel_data, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if callable(function) and not method.startswith("_"):
                    assert inspect.getdoc(function), f"{name}.{method}"


@pytest.mark.parametrize("module", [mixpanel_data, *MODULES], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_run(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    public = {name: getattr(mixpanel_data, name) for name in mixpanel_data.__all__}
    result = doctest.testmod(module, extraglobs=public)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_the_pages_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All Python blocks of a page run one after the other, as its reader would type them."""
    monkeypatch.chdir(tmp_path)
    for example in (ROOT / "examples").glob("*.json*"):
        (tmp_path / example.name).write_bytes(example.read_bytes())
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    names: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(blocks):
        if ">>>" in block:
            test = parser.get_doctest(block, names, f"{page.name} {number}", str(page), 0)
            assert runner.run(test, clear_globs=False).failed == 0
            names.update(test.globs)
        else:
            name = f"{page.name} block {number}"
            exec(compile(block, name, "exec", dont_inherit=True), names)  # as in a fresh module


def test_the_readme_has_examples() -> None:
    assert "```python" in (ROOT / "README.md").read_text(encoding="utf-8")
