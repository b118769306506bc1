// node-postgres: the PG* variables say where; NODE_PATH where the packages are.
const assert = require('assert');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from, to } = require('pg-copy-streams');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');

async function main() {
    const client = new Client();
    const notices = [];
    client.on('notice', (notice) => notices.push(notice));
    await client.connect();
    assert.equal((await client.query('select 6 * 7 as n')).rows[0].n, 42);
    for (let n = 0; n < 10; n++) {
        const result = await client.query({ name: 'plus', text: 'select $1::int + 1 as n', values: [n] });
        assert.equal(result.rows[0].n, n + 1);
    }
    const several = await client.query('select 1 as a; select 2 as b');
    assert.equal(several.length, 2);
    await pipeline(Readable.from(['1\tone\n2\ttwo\n']), client.query(from('copy note from stdin')));
    let out = '';
    for await (const chunk of client.query(to('copy note to stdout'))) out += chunk;
    assert.equal(out, '1\tone\n2\ttwo\n');
    const cursor = client.query(new Cursor('select generate_series(1, 100) as n'));
    assert.equal((await cursor.read(10)).length, 10);
    await cursor.close();

    await client.query('create index on orders (customer_id)');
    assert(notices.length > 0, 'a rewrite says what it does');
    await client.query('begin');
    await client.query("insert into note values (-1, 'lost')");
    await assert.rejects(client.query('create index refused on orders (amount)'), (error) => {
        return error.code.startsWith('LK') && error.hint.length > 0;
    });
    await client.query('commit');
    assert.equal((await client.query('select count(*)::int as n from note where id = -1')).rows[0].n, 0);
    await client.query('drop table doomed');
    await client.query({ name: 'later', text: 'drop table doomed_too' }); // the extended protocol
    assert.equal((await client.query("select coalesce(to_regclass('doomed'), to_regclass('doomed_too')) as t")).rows[0].t, null);
    await client.end();

    const pool = new Pool({ max: 5 });
    const answers = await Promise.all([...Array(50).keys()].map((n) => pool.query('select $1::int as n', [n])));
    assert.deepEqual(answers.map((a) => a.rows[0].n), [...Array(50).keys()]);
    await pool.end();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
