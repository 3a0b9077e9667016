"""Run a command beside a PostgreSQL: ``python -m tests.lake.beside_postgres COMMAND …``.

The command finds its port where the tests do, in ``MIXPANEL_DATA_TEST_POSTGRES``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.lake.servers import postgres


def main(command: list[str]) -> int:
    """Run the command, and return its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with postgres() as server:
        environment = {**os.environ, "MIXPANEL_DATA_TEST_POSTGRES": str(server.port)}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
