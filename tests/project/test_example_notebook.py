"""The notebook runs from its first cell to its last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "first_look.ipynb"


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_results() -> None:
    assert all(cell["outputs"] == [] for cell in cells(NOTEBOOK))


def test_every_cell_runs_and_shows_something(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for file in (NOTEBOOK, *EXAMPLES.glob("*.json*")):
        shutil.copy(file, tmp_path)
    run = subprocess.run(
        [Path(sys.executable).with_name("jupyter-execute"), NOTEBOOK.name, "--inplace"],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *shown, closing = cells(tmp_path / NOTEBOOK.name)
    assert closing["outputs"] == []
    assert all(cell["outputs"] for cell in shown)
    first = "".join(shown[0]["outputs"][-1]["data"]["text/plain"])
    assert first.startswith("'2,826 rows added from 1 file")
    assert all("text/html" in cell["outputs"][-1]["data"] for cell in shown[3:8])
    assert (tmp_path / "sign_ups.parquet").exists()
