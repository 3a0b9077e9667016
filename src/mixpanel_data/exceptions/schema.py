"""What is wrong with the version of the tables in a file."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from mixpanel_data.exceptions.base import MixpanelDataError
from mixpanel_data.exceptions.files import DatabaseFileError


def _upgrade_command(place: Path | str) -> str:
    """Return a command for the shell that works wherever the library is installed."""
    target = place if isinstance(place, str) else str(place.absolute())
    return shlex.join(["python", "-m", "mixpanel_data", "migrate", "upgrade", target])


def _stamp_command(place: Path | str, revision: str) -> str:
    """Return a command for the shell that writes a revision into a database."""
    found = find_spec("mixpanel_data.migrations")
    (folder, *_) = (found and found.submodule_search_locations) or [""]
    target = place if isinstance(place, str) else str(place.absolute())
    alembic = ["python", "-m", "alembic", "-c", str(Path(folder, "alembic.ini"))]
    return shlex.join([*alembic, "-x", f"db={target}", "stamp", revision])


class SchemaVersionError(DatabaseFileError):
    """The tables in the file are not of the version this library works with.

    Attributes:
        found: The revision in the file, None when it has none.
        expected: The revision this library works with.
        command: The command for the shell that comes next, None when there is none.
    """

    #: What is wrong; ``{found}`` and ``{expected}`` are filled in.
    problem: ClassVar[str]

    def __init__(
        self,
        path: Path | str,
        found: str | None,
        expected: str,
        more: str = "",
        *,
        url: str | None = None,
    ) -> None:
        self.found = found
        self.expected = expected
        self.command = self._command(url or path)
        problem = self.problem.format(found=found or "none", expected=expected)
        super().__init__(
            path,
            " ".join(filter(None, [problem, more, self.command])),
            {"found": found, "expected": expected, "command": self.command},
        )

    def _command(self, path: Path | str) -> str | None:
        return None


class SchemaOlderError(SchemaVersionError):
    """The file has an older revision than this library works with."""

    problem = (
        "has schema revision {found}, this library works with {expected}. Nothing was changed. "
        "Open it with migrate=True, or upgrade it:"
    )

    def _command(self, path: Path | str) -> str:
        return _upgrade_command(path)


class SchemaUnversionedError(SchemaVersionError):
    """The file has our internal table but no revision.

    The original library made it, or the revision was lost.

    Attributes:
        layout: Where it was lost, the oldest revision that has tables such as these.
    """

    problem = (
        "holds Mixpanel tables without a schema revision, as the original mixpanel_data made "
        "them; this library works with {expected}. Nothing was changed. Nothing gets lost when "
        "you open it with migrate=True, or upgrade it:"
    )
    _problem_of_lost = (
        "has the tables of schema revision {layout} or a newer one, but its table "
        "_mixpanel_data_version does not say which; this library works with {expected}. Nothing "
        "was changed. Restore a backup, or write down the revision:"
    )

    def __init__(
        self,
        path: Path | str,
        found: str | None,
        expected: str,
        *,
        url: str | None = None,
        layout: str | None = None,
    ) -> None:
        self.layout = layout
        if layout is not None:
            self.problem = self._problem_of_lost.replace("{layout}", layout)  # type: ignore[misc]
        super().__init__(path, found, expected, url=url)

    def _command(self, path: Path | str) -> str:
        return _upgrade_command(path) if self.layout is None else _stamp_command(path, self.layout)


class SchemaNewerError(SchemaVersionError):
    """The file has a revision that this library does not know."""

    problem = (
        "has schema revision {found}, which this library does not know; it works with {expected}. "
        "Nothing was changed. Update the library:"
    )

    def _command(self, path: Path | str) -> str:
        return "pip install --upgrade mixpanel_data"


class SchemaForeignError(SchemaVersionError):
    """The file has a table or view with the name of one of ours that we did not create."""

    problem = (
        "has a table or view _metadata or _property_columns that is not this library's, which "
        "works with revision {expected}. Nothing was changed. Rename it, or use another file."
    )


class SchemaDriftError(SchemaVersionError):
    """Tables are not what the revision of the file says they are.

    Attributes:
        differences: A sentence for each, with table and column.
    """

    problem = (
        "says it has schema revision {found}, but is different. Nothing was changed. "
        "Change the tables back, or load their data into new ones:"
    )

    def __init__(
        self, path: Path | str, found: str | None, expected: str, differences: list[str]
    ) -> None:
        super().__init__(path, found, expected, " ".join(differences))
        self.differences = differences
        self.details["differences"] = differences


class MigrationError(SchemaVersionError):
    """A migration failed and was rolled back; its cause is chained."""

    problem = "could not be migrated from revision {found} to {expected}. Nothing was changed."


class RevisionError(MixpanelDataError, ValueError):
    """There is no such schema revision, or no way to it from here.

    Attributes:
        revision: As it was given.
    """

    def __init__(self, revision: str, problem: object) -> None:
        super().__init__(
            f"Cannot go to schema revision {revision!r}: {problem}. "
            "mixpanel_data.migrate.history() lists the revisions.",
            {"revision": revision},
        )
        self.revision = revision
