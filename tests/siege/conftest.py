"""The siege watches files and locks as Linux tells of them."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
