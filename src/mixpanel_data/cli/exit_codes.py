"""What the command ends with: an exit code, and a message instead of a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from mixpanel_data.cli.wording import in_words_of_the_command
from mixpanel_data.common.printable import printable

OK, ERROR, USAGE, NOT_FOUND, LOCKED, WRONG_REVISION, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

#: What shells add to the number of a signal that ended a command.
SIGNALLED = 128


@contextmanager
def exit_codes() -> Iterator[None]:
    """End with the exit code and the message of what was raised.

    A pipe that is closed ends the command quietly: whoever reads has all that he wanted.

    Raises:
        typer.Exit: With the code.
    """
    try:
        yield
        sys.stdout.flush()
    except typer.Exit:
        raise
    except (KeyboardInterrupt, ImportError) as error:
        if isinstance(error, ImportError) and not _is_interruption(error):
            fail(error)
        how, code = interruption()
        say(f"{how}.")
        raise typer.Exit(code) from None
    except BrokenPipeError:
        _forget_stdout()
        raise typer.Exit(OK) from None
    except (OSError, ValueError) as error:
        fail(error)
    except Exception as error:
        from mixpanel_data.exceptions import MixpanelDataError

        if not isinstance(error, MixpanelDataError):
            raise
        fail(error)


#: Signals that came and end the command as Ctrl-C does, so that nothing is left behind.
_came: list[int] = []


def end_by_signal(number: int, _: object) -> None:
    """Handle a signal that ends a command.

    Raises:
        KeyboardInterrupt: Always.
    """
    _came.append(number)
    raise KeyboardInterrupt


def interruption() -> tuple[str, int]:
    """Return what has interrupted the command, in a word, and the exit code of that."""
    return ("Terminated", SIGNALLED + _came[-1]) if _came else ("Interrupted", INTERRUPTED)


def _is_interruption(error: BaseException) -> bool:
    """Tell whether an error comes from Ctrl-C: an extension that starts makes ImportError of it."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, KeyboardInterrupt):
        below = below.__cause__ or below.__context__
    return below is not None


def fail(error: Exception) -> None:
    """End with the message and the code of an error.

    Raises:
        typer.Exit: With the code.
    """
    say(f"Error: {in_words_of_the_command(_message_of(error))}")
    raise typer.Exit(code_of(error)) from None


def _message_of(error: Exception) -> str:
    """Return the message of an error; of the operating system's the file and what is wrong."""
    if isinstance(error, OSError) and error.strerror and error.args[:1] == (error.errno,):
        name = "The output" if error.filename is None else os.fsdecode(error.filename)
        return f"{name}: {error.strerror}"
    return str(error)


def code_of(error: Exception) -> int:
    """Return the exit code of an error.

    Example:
        >>> from mixpanel_data import TableNotFoundError
        >>> code_of(TableNotFoundError("jan"))
        3
    """
    from mixpanel_data import exceptions as ours

    codes: list[tuple[int, tuple[type[Exception], ...]]] = [
        (LOCKED, (ours.DatabaseLockedError, ours.TableLockedError)),
        (ERROR, (ours.MigrationError,)),
        (WRONG_REVISION, (ours.SchemaVersionError, ours.RevisionError)),
        (NOT_FOUND, (ours.TableNotFoundError, FileNotFoundError)),
        (USAGE, (ours.TableNameError, ours.MetadataError)),
        (ERROR, (ours.MixpanelDataError, OSError, ImportError)),
        (USAGE, (ValueError,)),
    ]
    return next((code for code, kinds in codes if isinstance(error, kinds)), ERROR)


def say(text: str) -> None:
    """Write a message to stderr."""
    typer.echo(printable(text), err=True)


def _forget_stdout() -> None:
    """Let nothing that is left in the buffer of stdout raise when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
