"""Commands, whose help comes from their docstrings, and which are loaded when they are used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand
from typer.main import get_command

Command = TypeVar("Command", bound=Callable[..., None])


class Commands(typer.Typer):
    """A group of commands. The part ``Example:`` of a docstring ends the help of its command."""

    def __init__(self, **options: Any) -> None:
        # Help in plain text appears in half the time of that which rich draws.
        settings: dict[str, Any] = {
            "no_args_is_help": True,
            "rich_markup_mode": None,
            "pretty_exceptions_enable": False,
            "add_completion": False,
            "context_settings": {"help_option_names": ["-h", "--help"]},
        }
        super().__init__(**settings | options)

    def add(self, name: str | None = None) -> Callable[[Command], Command]:
        """Return a decorator that makes a function a command of the group.

        Args:
            name: Its name, by default that of the function.
        """

        def decorated(function: Command) -> Command:
            text, _, example = inspect.cleandoc(function.__doc__ or "").partition("\n\nExample:\n")
            epilog = f"Example:\n\n\b\n{example}" if example else None
            self.command(name, help=text, epilog=epilog)(function)
            return function

        return decorated


class LazyCommand(TyperCommand):
    """Stands for a command, or a group of them, until it is used.

    To import all of them, and to find out what they take, takes longer than the rest of ``--help``.

    Args:
        name: Its name, and that of its function.
        module: The module of ``cli`` that it is in; a group is ``app`` in it.
        about: What the list of commands says of it.
    """

    def __init__(self, name: str, module: str, about: str) -> None:
        super().__init__(name, help=about)
        self._module = module

    def loaded(self) -> Any:
        """Return the command itself."""
        module = import_module(f"mixpanel_data.cli.{self._module}")
        if not hasattr(module, "app"):
            alone = Commands()
            alone.add()(getattr(module, str(self.name)))
            return get_command(alone)
        return get_command(module.app)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Return the context of the command itself."""
        return self.loaded().make_context(*args, **options)
