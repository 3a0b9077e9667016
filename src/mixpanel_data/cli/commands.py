"""Commands, whose help comes from their docstrings, and which are loaded when they are used."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand
from typer.main import get_command

from mixpanel_data.cli.wording import in_words_of_usage

#: Arguments and options that name what data has: an event or a property may have an empty name.
_MAY_BE_EMPTY = {"--event", "PROPERTY", "PROPERTIES..."}

#: Arguments and options that are paths: the bytes of a name are kept, whatever they are.
_PATHS = {"DB", "FILES...", "PATH", "--file", "--into", "--rejects"}

#: What stands for a byte that the locale has no letter for.
_SURROGATE = re.compile("[\ud800-\udfff]")

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
            self.command(name, cls=_Checked, help=text, epilog=epilog)(function)
            return function

        return decorated


class _Checked(TyperCommand):
    """A command whose texts are none that a variable of a shell without a value has left."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            left = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = in_words_of_usage(error.message)
            raise
        for each in self.get_params(ctx):
            value = ctx.params.get(each.name)
            if value is not None and not ctx.resilient_parsing:
                ctx.params[each.name] = _checked(value, ctx, each)
        return left

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        # Newer versions of typer add dots to those that a name has.
        return [each.replace("...}...", "}...") for each in super().collect_usage_pieces(ctx)]


def _checked(value: Any, ctx: Any, parameter: Any) -> Any:
    """Return what was given, its texts as UTF-8.

    Raises:
        typer.BadParameter: A text is empty, or not UTF-8.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(_checked(each, ctx, parameter) for each in value)
    names = {parameter.metavar, *parameter.opts}
    if value == "" and not names & _MAY_BE_EMPTY:
        raise typer.BadParameter("It is empty.", ctx, parameter)
    if isinstance(value, str) and _SURROGATE.search(value) and not names & _PATHS:
        try:
            # With a locale such as C, Python reads arguments as ASCII and escapes the other bytes.
            return os.fsencode(value).decode()
        except UnicodeError:
            raise typer.BadParameter("It is not UTF-8.", ctx, parameter) from None
    return value


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
