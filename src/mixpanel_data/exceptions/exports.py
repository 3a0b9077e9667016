"""What is wrong with a file of exported data, as a whole."""

from __future__ import annotations

from typing import Any

from mixpanel_data.exceptions.base import MixpanelDataError


class ExportFileError(MixpanelDataError, OSError):
    """A file, stream or archive whose data cannot be read, or written.

    Attributes:
        source: Name of the file, as in messages: a path, a URL, ``archive.zip/member``.
        problem: What is wrong with it.
    """

    def __init__(self, source: str, problem: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{source}: {problem}", {"source": source, **(details or {})})
        self.source = source
        self.problem = problem


class ExportFileNotFoundError(ExportFileError, FileNotFoundError):
    """A path, pattern or folder that names no data file."""


class ExportExistsError(ExportFileError, FileExistsError):
    """A file of the name that an export was to get."""


class RemoteFilesUnavailableError(MixpanelDataError, ImportError):
    """A package that reads files from afar is missing.

    Attributes:
        url: What was to be read.
    """

    def __init__(self, url: str, missing: str) -> None:
        super().__init__(
            f"{url} cannot be read: {missing}. Install what is missing with "
            "pip install 'mixpanel_data[remote]'.",
            {"url": url},
        )
        self.url = url
