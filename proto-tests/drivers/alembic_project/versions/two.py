"""The way out that the gateway names: outside of the transaction."""
from alembic import op

revision, down_revision = "two", "one"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("orders_customer", "orders", ["customer_id"])
