"""Which files among others are data, by their names: not what tools leave beside them."""

from __future__ import annotations

import re

#: Hidden files; those that programs put beside data, such as ``_SUCCESS`` of Spark and
#: ``_metadata`` of Parquet; what is there for people, and checksums.
_NO_DATA = re.compile(
    r"\..*|_[^.]*|readme.*|license.*|.*\.(?:md|crc|md5|sha\d+)|(?:md5|sha\d+)sums?(?:\.txt)?",
    re.IGNORECASE | re.DOTALL,
)


def is_data_name(name: str) -> bool:
    """Tell whether a file of a folder or an archive is data.

    Example:
        >>> [name for name in ("day.jsonl", "_SUCCESS", "README.md") if is_data_name(name)]
        ['day.jsonl']
    """
    return _NO_DATA.fullmatch(name) is None
