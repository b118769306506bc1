// An AI agent's side of the Model Context Protocol, by its official SDK: node mcp_agent.js DATABASE COMMAND ARG…
// The command is what serves on standard input and output. NODE_PATH says where the SDK is.
const assert = require('assert');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

const [database, command, ...args] = process.argv.slice(2);

async function main() {
    const client = new Client({ name: 'agent', version: '1' });
    await client.connect(new StdioClientTransport({ command, args, env: process.env }));
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(),
        ['explain_statement', 'list_tickets', 'propose_change', 'show_ticket', 'wait_for_ticket']);
    const call = async (name, given) => {
        const answer = await client.callTool({ name, arguments: given });
        const { text } = answer.content[0];
        return answer.isError ? { refused: text } : JSON.parse(text);
    };
    const statement = { database, role: 'alice', sql: 'drop table victim' };
    const explained = await call('explain_statement', statement);
    assert.equal(explained.verdict, 'hold');
    assert(explained.findings.length > 0);
    assert.equal((await call('explain_statement', { ...statement, sql: 'select 1' })).verdict, 'pass');
    const justification = 'nobody reads it any more';
    for (const [change, why] of [
        [{ role: 'postgres' }, 'no login of yours'],
        [{ justification: ' ' }, 'why it is wanted'],
        [{ sql: 'select 1' }, 'nobody has to approve'],
        [{ sql: 'drop table victim; drop table victim' }, 'not one statement'],
    ]) {
        const { refused } = await call('propose_change', { ...statement, justification, ...change });
        assert(refused.includes(why), refused);
    }
    let ticket = await call('propose_change', { ...statement, justification });
    assert.equal(ticket.state.name, 'pending');
    const again = await call('propose_change', { ...statement, justification });
    assert.equal(again.ticket, ticket.ticket);
    ticket = again;
    const listed = await call('list_tickets', { state: 'pending', search: 'victim' });
    assert.deepEqual(listed.tickets.map((one) => one.id), [ticket.ticket]);
    console.log(`ticket ${ticket.ticket}`);
    while (!['done', 'failed', 'rejected'].includes(ticket.state.name)) {
        ticket = await call('wait_for_ticket', { ticket: ticket.ticket, version: ticket.version });
    }
    const shown = await call('show_ticket', { ticket: ticket.ticket });
    assert(shown.events.some((event) => event.by === 'robot'));
    console.log(ticket.state.name);
    await client.close();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
