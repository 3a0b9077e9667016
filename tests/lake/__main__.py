"""Run the tests of lakes: ``python -m tests.lake``, with pytest's arguments.

It starts a PostgreSQL and an S3 endpoint, runs the tests that are marked with ``lake``, and stops
what it started. Without arguments these are ``tests/lake``; the rest of the suite has tests for
every kind of database, too: ``python -m tests.lake tests/ingest``.
"""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.lake.servers import postgres, s3


def main(arguments: list[str]) -> int:
    """Run the tests, and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with postgres() as server, s3() as endpoint:
        os.environ["MIXPANEL_DATA_TEST_POSTGRES"] = str(server.port)
        os.environ["MIXPANEL_DATA_TEST_S3"] = endpoint
        named = any(not argument.startswith("-") for argument in arguments)
        return int(pytest.main(["-m", "lake", *arguments, *([] if named else ["tests/lake"])]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
