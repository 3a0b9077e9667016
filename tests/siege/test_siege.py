"""A short siege of the sandbox that finds nothing; ``make siege`` has the long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT
from tests.siege import campaign
from tests.siege.besieger import BATCH


def test_nothing_gets_through(tmp_path: Path) -> None:
    # A batch for each kind of file and each mode.
    plan = campaign.numbered(0, seconds=600, statements=4 * BATCH)
    result = campaign.run(tmp_path, plan)
    assert list(campaign.described(result.hits)) == []
    assert result.statements == 4 * BATCH
    assert result.parse_rate >= 0.5
    assert all(result.counts[verdict] > 50 for verdict in ("answers", "refused", "error"))


def test_the_command_reports_and_ends_well_without_hits() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.siege", "--seconds", "1", "--jobs", "2", "--seed", "9000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "% parse" in done.stdout
    assert "0 hits" in done.stdout
