"""The number of hypothesis examples: few in an ordinary run, more with ``EXAMPLES=1000``.

``EXAMPLES_SHARE=0.5`` halves those of an ordinary run.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_AT_LEAST = int(os.environ.get("EXAMPLES", "0"))
_SHARE = float(os.environ.get("EXAMPLES_SHARE", "1"))


def examples(count: int) -> settings:
    """Try so many examples, or ``EXAMPLES`` if that is more, without deadlines."""
    return settings(
        max_examples=max(round(count * _SHARE), _AT_LEAST, 1),
        deadline=None,  # machines are shared
        suppress_health_check=list(HealthCheck),
    )
