"""Which properties have a column of their own, and which of these are stale.

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables that record them."""
    op.create_table(
        "_property_columns",
        sa.Column("table_name", sa.String, primary_key=True),
        sa.Column("property", sa.String, nullable=False),
        sa.Column("column_name", sa.String, primary_key=True),
        sa.Column("type", sa.String, nullable=False),
    )
    op.create_table(
        "_stale_columns",
        sa.Column("table_name", sa.String, nullable=False),
        sa.Column("column_name", sa.String, nullable=False),
    )


def downgrade() -> None:
    """Drop the columns from every table; the documents keep the properties."""
    if not op.get_context().as_sql:
        recorded = sa.table("_property_columns", sa.column("table_name"), sa.column("column_name"))
        columns: dict[str, list[str]] = {}
        for table, column in op.get_bind().execute(sa.select(recorded)):
            columns.setdefault(table, []).append(column)
        for kind in ("events", "profiles"):
            for table, names in columns.items():
                with op.managed_tables(kind, only=table) as tables:  # type: ignore[attr-defined]
                    for name in names:
                        tables.drop_column(name)
    op.drop_table("_stale_columns")
    op.drop_table("_property_columns")
