"""Alembic: migrations that are safe run, one that is not is refused with the way out."""
import pathlib

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

config = Config()
config.set_main_option("script_location", str(pathlib.Path(__file__).parent / "alembic_project"))
command.upgrade(config, "two")
with psycopg.connect(autocommit=True) as conn:
    assert conn.execute("select version_num from alembic_version").fetchone() == ("two",)
    assert conn.execute("select indisvalid from pg_index where indexrelid = 'orders_customer'::regclass").fetchone() == (True,)
    try:
        command.upgrade(config, "three")
        raise SystemExit("a change in a transaction was not refused")
    except DBAPIError as error:
        assert error.orig.sqlstate.startswith("LK"), error.orig.sqlstate
        assert "autocommit_block" in error.orig.diag.message_hint, error.orig.diag.message_hint
    assert conn.execute("select version_num from alembic_version").fetchone() == ("two",)
    conn.execute("drop table doomed")
