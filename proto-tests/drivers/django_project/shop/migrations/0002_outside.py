"""The way out that the gateway names: atomic = False."""
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0001_safe")]
    operations = [migrations.RunSQL("create index orders_customer on orders (customer_id)")]
