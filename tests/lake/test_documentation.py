"""The examples of the page about lakes, and in ``examples/lake``, run over a real lake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import Lake
from tests.lake.servers import PASSWORD
from tests.project.pages import DOCS, ROOT, blocks_of, run_python

pytestmark = pytest.mark.lake


def test_the_examples_of_the_page_run(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__", "lake": lake}
    blocks = [block for block in blocks_of(DOCS / "lake.md") if block.language == "py"]
    assert len(blocks) > 3
    for block in blocks:
        run_python(block, names)


def test_two_loaders_of_the_example_add_each_event_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE", lake.url.render_as_string())
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    script = ROOT / "examples" / "lake" / "load.py"
    exports = ROOT / "examples" / "events.jsonl.gz"
    loaders = [
        subprocess.Popen(
            [sys.executable, str(script), str(exports)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in loaders]
    assert [process.returncode for process in loaders] == [0, 0]
    totals = [line.split()[-2] for line in "".join(printed).splitlines() if "events" in line]
    assert "2,826" in totals
