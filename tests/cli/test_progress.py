"""What the bar of a load says: rows, bytes, and how much is left."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data.cli.progress import progress_of_files, progress_of_rows
from tests.cli.conftest import line


class Screen(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal of 120 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Screen()


def events(count: int) -> bytes:
    return "".join(map(line, range(count))).encode()


def shown_while_loading(screen: Screen, sources: Sequence[Any], *counts: int) -> str:
    with redirect_stderr(screen), progress_of_files(list(sources)) as progress:
        assert progress is not None
        for count in counts:
            progress(count)
    return screen.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_beginning_of_a_file_tells_how_much_is_left(
    screen: Screen, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(pack(events(20_000)))
    size = file.stat().st_size / 1e6
    shown = shown_while_loading(screen, [file], 10_000, 20_000)
    assert "20,000 rows" in shown
    assert f"{size:,.1f}/{size:,.1f} MB" in shown


def test_a_bar_that_was_estimated_too_short_grows(screen: Screen, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(events(10))
    assert "25 rows" in shown_while_loading(screen, [file], 10, 25)


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b\x08 and no more", b"PK\x03\x04", b'{"other": 1}\n']
)
def test_a_file_that_tells_nothing_has_rows_only(
    screen: Screen, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(content)
    shown = shown_while_loading(screen, [file], 7)
    assert "7 rows" in shown
    assert "MB" not in shown


def test_what_is_no_file_has_rows_only(screen: Screen) -> None:
    shown = shown_while_loading(screen, [io.BytesIO(), "s3://bucket/events.jsonl"], 7)
    assert "7 rows" in shown
    assert "MB" not in shown


def test_other_work_has_rows_and_its_name(screen: Screen) -> None:
    with redirect_stderr(screen), progress_of_rows("Exporting") as progress:
        assert progress is not None
        progress(12_000)
    assert "Exporting" in screen.getvalue()
    assert "12,000 rows" in screen.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(tmp_path: Path) -> None:
    with progress_of_files([tmp_path]) as of_files, progress_of_rows("Exporting") as of_rows:
        assert of_files is None
        assert of_rows is None
