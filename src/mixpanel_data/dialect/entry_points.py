"""What other packages load by entry point: SQLAlchemy the dialect, Alembic its plugin.

Alembic calls plugins since 1.18. With an older one, the dialect registers the implementation when
it is loaded after Alembic, as in every ``env.py``.
"""

from __future__ import annotations

import sys
from importlib import import_module

from mixpanel_data.dialect.base import MixpanelDialect

__all__ = ["MixpanelDialect", "setup"]


def setup(plugin: object) -> None:
    """Register Alembic's implementation for DuckDB, unless there is one."""
    # It registers itself. Where its import has begun already, it has imported Alembic, which calls
    # this, and it registers itself at its end.
    import_module("mixpanel_data.dialect.alembic.impl")


if "alembic" in sys.modules:
    setup(None)
