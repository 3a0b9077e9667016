"""Public names can be imported, and every example of a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import mixpanel_data
from mixpanel_data import exceptions, types

MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages(mixpanel_data.__path__, "mixpanel_data.")
    if not info.name.startswith("mixpanel_data.migrations")
]


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
