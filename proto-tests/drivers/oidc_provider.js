// A real OpenID Connect provider with its own pages: node oidc_provider.js PORT REDIRECT_URI. NODE_PATH says where
// the package is. Whoever signs in is asked for any password; who they are is in ACCOUNTS.
const { pathToFileURL } = require('url');

const [port, redirect] = process.argv.slice(2);
const ACCOUNTS = {
    alice: { email: 'alice@example.com', email_verified: true, groups: ['dba', 'staff'] },
    bob: { email: 'bob@example.com', email_verified: true, groups: ['platform-dba'] },
    carol: { email: 'carol@example.com', email_verified: true, groups: ['staff'] },
    mallory: { email: 'alice@example.com', email_verified: false, groups: ['platform-dba'] },
};

async function main() {
    const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
    const provider = new Provider(`http://127.0.0.1:${port}`, {
        clients: [{
            client_id: 'lockkeeper',
            client_secret: 'the secret of the client',
            redirect_uris: [redirect],
            grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
            response_types: ['code'],
        }],
        features: { deviceFlow: { enabled: true } },
        pkce: { required: () => true },
        claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['groups'] },
        findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...ACCOUNTS[id] }) }),
        cookies: { keys: ['only for tests'] },
    });
    // Who has left a group: a request of the test itself.
    provider.use(async (ctx, next) => {
        const [, verb, account, group] = ctx.path.split('/');
        if (verb !== 'leave') return next();
        ACCOUNTS[account].groups = ACCOUNTS[account].groups.filter((one) => one !== group);
        ctx.body = 'gone';
    });
    provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
