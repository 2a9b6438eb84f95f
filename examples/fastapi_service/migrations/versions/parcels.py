"""Create the table of parcels."""

import sqlalchemy as sa
from alembic import op

revision = "8d1f0a2b"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table("parcels", sa.Column("number", sa.String, primary_key=True))


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("parcels")
