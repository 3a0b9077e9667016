"""The internal table, as the original library made it.

Revision: 0001
Follows: nothing
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COLUMNS = {
    "table_name": "VARCHAR",
    "type": "VARCHAR",
    "fetched_at": "TIMESTAMP",
    "from_date": "DATE",
    "to_date": "DATE",
    "row_count": "INTEGER",
}


def upgrade() -> None:
    """Create the table, or take over the one of a file that the original library made."""
    if not op.get_context().as_sql and sa.inspect(op.get_bind()).has_table("_metadata"):
        check_original()
        return
    op.create_table(
        "_metadata",
        sa.Column("table_name", sa.String, primary_key=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("fetched_at", sa.DateTime, nullable=False),
        sa.Column("from_date", sa.Date),
        sa.Column("to_date", sa.Date),
        sa.Column("row_count", sa.Integer, nullable=False),
    )


def check_original() -> None:
    """Refuse a table that only has the name of ours."""
    columns: Any = sa.inspect(op.get_bind()).get_columns("_metadata")
    found = {column["name"]: column["duckdb_type"] for column in columns}
    for name in {**COLUMNS, **found}:
        if found.get(name) != COLUMNS.get(name):
            raise ValueError(
                f"Table _metadata, column {name}: the type is {found.get(name)}, but the original "
                f"library made it {COLUMNS.get(name)}. {_maker(found)}"
            )


def _maker(found: dict[str, str]) -> str:
    """Say who made a table that the original library did not."""
    if sa.inspect(op.get_bind()).has_table("_property_columns"):
        made = "0003"
    elif "filter_where" in found or found.get("row_count") == "BIGINT":
        made = "0002"
    else:
        return "mixpanel_data did not create it."
    return (
        f"It is that of revision {made} or a newer one, but _mixpanel_data_version does not say "
        f"which. Restore a backup, or write down the revision: alembic -x db=PATH stamp {made}"
    )


def downgrade() -> None:
    """Drop it; the tables of events and profiles stay."""
    op.drop_table("_metadata")
