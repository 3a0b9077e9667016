"""A group of commands, whose help comes from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])


class Commands(typer.Typer):
    """A group of commands. The part ``Example:`` of a docstring ends the help of its command."""

    def __init__(self, **options: Any) -> None:
        # Help in plain text appears in half the time of that which rich draws.
        super().__init__(
            no_args_is_help=True,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
            **options,
        )

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
