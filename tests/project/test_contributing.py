"""Every file and room that CONTRIBUTING names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.test_layers import ROOMS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|md|toml))`", TEXT)))


@pytest.mark.parametrize("name", NAMED)
def test_every_file_that_contributing_names_exists(name: str) -> None:
    places = [ROOT, ROOT / "src" / "mixpanel_data", ROOT / "src" / "mixpanel_data" / "dialect"]
    places += [ROOT / "src" / "mixpanel_data" / "sandbox", ROOT / "tests" / "siege"]
    assert any((place / name).exists() for place in places)


def test_the_diagram_has_every_room() -> None:
    arrows = re.findall(r"^ +(\w+) -.?->? ?(\w+)$", TEXT, re.MULTILINE)
    pictured = {room for arrow in arrows for room in arrow}
    assert set().union(*ROOMS) - {"__init__"} <= pictured


def test_no_arrow_in_the_diagram_points_down() -> None:
    level = {room: number for number, line in enumerate(ROOMS) for room in line}
    for below, above in re.findall(r"^ +(\w+) --> (\w+)$", TEXT, re.MULTILINE):
        assert level[below] < level[above]
