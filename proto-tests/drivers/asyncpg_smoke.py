"""asyncpg: extended protocol for everything; the PG* variables say where."""
import asyncio

import asyncpg


async def main():
    conn = await asyncpg.connect(timeout=20, ssl=False)
    assert await conn.fetchval("select 6 * 7") == 42
    statement = await conn.prepare("select $1::int + 1")
    for number in range(10):
        assert await statement.fetchval(number) == number + 1
    await conn.copy_records_to_table("note", records=[(n, f"note {n}") for n in range(1000)])
    assert await conn.fetchval("select count(*) from note") == 1000
    await conn.executemany("update note set body = $2 where id = $1", [(n, "x") for n in range(50)])
    async with conn.transaction():
        assert len([row async for row in conn.cursor("select id from note")]) == 1000
    heard = asyncio.get_running_loop().create_future()
    await conn.add_listener("news", lambda *a: heard.done() or heard.set_result(a[-1]))
    await conn.execute("notify news, 'hello'")
    assert await asyncio.wait_for(heard, 10) == "hello"
    await conn.execute("create index on orders (customer_id)")
    try:
        async with conn.transaction():
            await conn.execute("insert into note values (-1, 'lost')")
            await conn.execute("create index refused on orders (amount)")
        raise SystemExit("a change in a transaction was not refused")
    except asyncpg.PostgresError as error:
        assert error.sqlstate.startswith("LK"), error.sqlstate
        assert error.hint
    assert await conn.fetchval("select count(*) from note where id = -1") == 0
    try:
        await conn.execute("select pg_sleep(60)", timeout=0.5)  # the driver sends a cancel request
        raise SystemExit("not cancelled")
    except asyncio.TimeoutError:
        pass
    await (await conn.prepare("drop table doomed")).fetch()
    await conn.execute("drop table doomed_too")  # the simple protocol
    assert await conn.fetchval("select to_regclass('doomed') is null and to_regclass('doomed_too') is null")
    await conn.close()


asyncio.run(main())
