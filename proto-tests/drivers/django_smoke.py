"""Django: migrations that are safe run, one that is not is refused with the way out."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "django_project"))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.utils import Error  # noqa: E402

django.setup()
call_command("migrate", "shop", "0002", verbosity=0)
try:
    call_command("migrate", "shop", "0003", verbosity=0)
    raise SystemExit("a change in a transaction was not refused")
except Error as error:
    cause = error.__cause__
    assert cause.sqlstate.startswith("LK"), cause.sqlstate
    assert "atomic = False" in cause.diag.message_hint, cause.diag.message_hint
with connection.cursor() as cursor:
    cursor.execute("select name from django_migrations where app = 'shop' order by name")
    assert [row[0] for row in cursor.fetchall()] == ["0001_safe", "0002_outside"]
    cursor.execute("drop table doomed")
