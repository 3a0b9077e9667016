"""Linux only: the siege watches files and locks by means of Linux."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
