"""``python -m mixpanel_data``: the command ``mixpanel-data``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command. Ctrl-C ends it without a traceback, also while it is imported."""
    try:
        from mixpanel_data.cli.app import main as run

        run()
    except KeyboardInterrupt:
        with suppress(OSError):
            os.write(2, b"Interrupted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
