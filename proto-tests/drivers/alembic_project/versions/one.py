"""Safe in a transaction: a new table with its index, and a column that costs nothing."""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade():
    op.create_table("parcel", sa.Column("id", sa.Integer, primary_key=True), sa.Column("code", sa.Text, index=True))
    op.add_column("orders", sa.Column("comment", sa.Text))
