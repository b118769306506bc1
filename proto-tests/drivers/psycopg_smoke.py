"""psycopg 3: the PG* variables say where."""
import psycopg

with psycopg.connect(autocommit=True) as conn:
    assert conn.execute("select 6 * 7").fetchone() == (42,)
    for number in range(8):  # prepared by the driver from the fifth time on
        assert conn.execute("select %s::int + 1", (number,), prepare=True).fetchone() == (number + 1,)
    with conn.cursor(binary=True) as cur:
        assert cur.execute("select %b::int8, %b::text", (2**40, "ä")).fetchone() == (2**40, "ä")
    with conn.cursor().copy("copy note (id, body) from stdin") as copy:
        for number in range(1000):
            copy.write_row((number, f"note {number}"))
    with conn.cursor().copy("copy (select id from note) to stdout") as copy:
        assert sum(1 for _ in copy.rows()) == 1000
    with conn.pipeline():
        cursors = [conn.execute("select %s::int", (n,)) for n in range(100)]
    assert [c.fetchone()[0] for c in cursors] == list(range(100))
    with conn.transaction(), conn.cursor(name="server_side") as cur:
        cur.execute("select id from note order by id")
        assert len(cur.fetchmany(10)) == 10
    notices = []
    conn.add_notice_handler(notices.append)
    conn.execute("create index on orders (customer_id)")
    assert notices, "a rewrite says what it does"
    try:
        with conn.transaction():
            conn.execute("insert into note values (-1, 'lost')")
            conn.execute("create index refused on orders (amount)")
        raise SystemExit("a change in a transaction was not refused")
    except psycopg.Error as error:
        assert error.sqlstate.startswith("LK"), error.sqlstate
        assert error.diag.message_hint
    assert conn.execute("select count(*) from note where id = -1").fetchone() == (0,)
    conn.execute("drop table doomed")
    conn.execute("drop table doomed_too", prepare=True)  # prepared under a name, then executed
    assert conn.execute("select to_regclass('doomed'), to_regclass('doomed_too')").fetchone() == (None, None)
