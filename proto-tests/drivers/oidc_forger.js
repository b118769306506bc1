// A provider that lies as it is told to: node oidc_forger.js PORT. The code that is exchanged says, as base64url of
// JSON, what the ID token claims ("claims"), how it is signed ("how") and what becomes of the keys ("rotate").
const http = require('http');
const { pathToFileURL } = require('url');

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
let jose, key, jwks, kid = 0;

async function rotate() {
    const pair = await jose.generateKeyPair('RS256', { extractable: true });
    kid += 1;
    key = pair.privateKey;
    jwks = { keys: [{ ...(await jose.exportJWK(pair.publicKey)), kid: `key-${kid}`, use: 'sig', alg: 'RS256' }] };
}

async function token({ claims, how, rotate: again }) {
    if (again) await rotate();
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: issuer, aud: 'lockkeeper', sub: 's-1', iat: now, exp: now + 300, email_verified: true, groups: ['dba'], ...claims };
    for (const name of ['iat', 'exp']) if (typeof all[name] === 'string') all[name] = now + Number(all[name]);
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    if (how === 'none') return `${encode({ alg: 'none' })}.${encode(all)}.`;
    const header = { alg: 'RS256', kid: `key-${kid}` };
    if (how === 'secret') return new jose.SignJWT(all).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from('the secret of the client'));
    if (how === 'public') {
        const secret = Buffer.from(JSON.stringify(jwks.keys[0]));
        return new jose.SignJWT(all).setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret);
    }
    const other = how === 'other' ? (await jose.generateKeyPair('RS256')).privateKey : key;
    return new jose.SignJWT(all).setProtectedHeader(header).sign(other);
}

async function answer(request, body) {
    const url = new URL(request.url, issuer);
    if (url.pathname === '/.well-known/openid-configuration') {
        return {
            issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`,
            response_types_supported: ['code'], subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        };
    }
    if (url.pathname === '/jwks') return jwks;
    if (url.pathname === '/token') {
        const told = JSON.parse(Buffer.from(new URLSearchParams(body).get('code'), 'base64url').toString());
        if (told.hang) return new Promise(() => {});
        return { access_token: 'at', token_type: 'Bearer', expires_in: 300, id_token: await token(told) };
    }
    return null;
}

async function main() {
    jose = await import(pathToFileURL(require.resolve('jose')));
    await rotate();
    http.createServer((request, response) => {
        let body = '';
        request.on('data', (data) => { body += data; });
        request.on('end', async () => {
            const said = await answer(request, body);
            response.writeHead(said ? 200 : 404, { 'content-type': 'application/json' });
            response.end(JSON.stringify(said ?? { error: 'not_found' }));
        });
    }).listen(port, '127.0.0.1', () => console.log('ready'));
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
