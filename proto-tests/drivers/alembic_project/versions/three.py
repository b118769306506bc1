"""Refused: a large index inside the migration's transaction."""
from alembic import op

revision, down_revision = "three", "two"


def upgrade():
    op.create_index("orders_amount", "orders", ["amount"])
