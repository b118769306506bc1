"""Refused: a large index inside the migration's transaction."""
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_outside")]
    operations = [migrations.RunSQL("create index orders_amount on orders (amount)")]
