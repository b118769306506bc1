"""Safe in a transaction: a new table, and a column that costs nothing."""
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True)), ("code", models.CharField(max_length=20, db_index=True))]),
        migrations.RunSQL("alter table orders add column comment text"),
    ]
