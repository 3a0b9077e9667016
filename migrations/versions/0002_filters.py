"""The filters of a fetch, and row counts beyond two thousand million.

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the filters, widen the row count."""
    op.add_column("_metadata", sa.Column("filter_events", sa.ARRAY(sa.String)))
    op.add_column("_metadata", sa.Column("filter_where", sa.String))
    op.alter_column("_metadata", "row_count", type_=sa.BigInteger)


def downgrade() -> None:
    """Drop the filters; fails where a table has more rows than an INTEGER can hold."""
    op.alter_column("_metadata", "row_count", type_=sa.Integer)
    op.drop_column("_metadata", "filter_where")
    op.drop_column("_metadata", "filter_events")
