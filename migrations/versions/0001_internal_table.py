"""Create the internal table.

Revision: 0001
Follows: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table that says how and when the others were fetched."""
    op.create_table(
        "_metadata",
        sa.Column("table_name", sa.String, primary_key=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("fetched_at", sa.DateTime, nullable=False),
        sa.Column("from_date", sa.Date),
        sa.Column("to_date", sa.Date),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("filter_events", sa.ARRAY(sa.String)),
        sa.Column("filter_where", sa.String),
    )


def downgrade() -> None:
    """Drop it; the tables of events and profiles stay."""
    op.drop_table("_metadata")
