"""The picture of a terminal shows what the commands show."""

from __future__ import annotations

import html
import re
import sys

import pytest

from tests.processes import ROOT

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

from tests.docs_site import terminal

PICTURE = ROOT / "docs" / "terminal.svg"


def texts_of(picture: str) -> str:
    """Return what stands in a picture, but for spaces and how long something took."""
    found = html.unescape("".join(re.findall(r"<text[^>]*>(.*?)</text>", picture)))
    return re.sub(r"in[\d.]+s", "in…s", re.sub(r"\s", "", found))


def test_it_shows_what_the_commands_show() -> None:
    shown = texts_of(terminal.drawn(terminal.session()))
    assert "2,826rowsadded" in shown
    assert texts_of(PICTURE.read_text(encoding="utf-8")) == shown


def test_it_asks_no_other_server_for_anything() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert "url(http" not in picture
    assert "@font-face" not in picture
