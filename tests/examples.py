"""The number of hypothesis examples: few in an ordinary run, more with ``EXAMPLES=1000``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_AT_LEAST = int(os.environ.get("EXAMPLES", "0"))


def examples(count: int) -> settings:
    """Try so many examples, or ``EXAMPLES`` if that is more, without deadlines."""
    return settings(
        max_examples=max(count, _AT_LEAST),
        deadline=None,  # machines are shared
        suppress_health_check=list(HealthCheck),
    )
