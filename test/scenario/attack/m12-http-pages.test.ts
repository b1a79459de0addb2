import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { ConfigFaults } from '../../../lib/config/faults.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { HttpAccess } from '../../../lib/http/access.js';
import type { ApiToken } from '../../../lib/http/api/tokens.js';
import type { ApiSources } from '../../../lib/http/api/sources.js';
import { startHttp, type HttpSources } from '../../../lib/http/server.js';
import { EventBus } from '../../../lib/observe/events.js';

const id = '01234567-89ab-cdef-0123-456789abcdef';
const token = 'a-token-of-32-characters-0123456';
const sources: HttpSources = {
  notReady: () => null, metrics: () => Promise.resolve('wab_live_calls 0\n'), calls: () => [{ peer: 'pbx\u009b31m' }],
  ladder: (asked) => (asked === id ? 'INVITE \u001b]0;owned\u0007 6001\n' : null), messages: () => null, capture: () => null, media: () => Promise.resolve(null), status: () => ({ sip: 'up\u202e' }),
};

const bus = new EventBus({ keep: 10, now: Date.now, business: () => new Set(), onFault: () => undefined });
const api = { version: '1.2.3', bus, records: null, calls: () => [{ peer: 'pbx\u009b31m' }], ladder: sources.ladder, permission: () => { throw new Error('Meta is asked'); } } as unknown as ApiSources;

async function pages(t: Test, access: HttpAccess = { hosts: [], tokens: null }, known: readonly ApiToken[] = []) {
  const server = await startHttp({ listen: '127.0.0.1:0', access: () => access, tokens: () => known, onWrongToken: () => undefined, onFault: () => undefined }, sources, api);
  t.teardown(() => server.close());
  const port = Number(server.address.split(':').at(-1));
  /** A request byte by byte; gives all that came until the server closed, or after a second of silence. */
  const raw = (text: string): Promise<string> => new Promise((resolve) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    const timer = setTimeout(() => socket.destroy(), 1000);
    socket.on('data', (data) => { heard += data.toString('latin1'); });
    socket.on('error', () => { /* closed by the other side */ });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(heard);
    });
  });
  const get = async (path: string, ...lines: string[]): Promise<{ status: number; text: string }> => {
    const text = await raw(`GET ${path} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`);
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
  };
  return { raw, get, port };
}

t.test('M12: only an address, localhost and listed names are served: DNS rebinding reads nothing', async (t) => {
  const { get, raw } = await pages(t, { hosts: ['Pages.example.net'], tokens: null });
  for (const host of ['127.0.0.1', '127.0.0.1:8080', '[::1]:8080', 'localhost:8080', 'LOCALHOST', 'pages.example.net', '10.0.0.4']) t.equal((await get('/status', `Host: ${host}`)).status, 200, host);
  for (const host of ['evil.example', 'evil.example:8080', '127.0.0.1.evil.example', 'localhost.evil.example', 'pages.example.net.evil.example', '127.0.0.1@evil.example', '0x7f000001', '[::1', '']) {
    const { status, text } = await get('/status', `Host: ${host}`);
    t.equal(status, 421, host);
    t.notMatch(text, /"sip"/);
  }
  t.equal((await get(`/calls/${id}/ladder`, 'Host: evil.example')).status, 421);
  t.equal((await get('/health', 'Host: evil.example')).status, 421);
  t.equal((await get('/status', 'Host: 127.0.0.1', 'Host: evil.example')).status, 421, 'two');
  t.match(await raw('GET /status HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200/, 'a health checker of HTTP/1.0 has none');
});

t.test('M12: beyond loopback a token that may read is needed for all but the probes', async (t) => {
  const { get } = await pages(t, { hosts: [], tokens: [{ token, mayRead: true }, { token: `${token}x`, mayRead: false }] });
  const host = 'Host: 10.0.0.4:8080';
  for (const path of ['/status', '/calls', '/metrics', `/calls/${id}/ladder`, `/calls/${id}/sip`, '/nothing', '/v1/calls', '/v1/events', '/v1/openapi.json', `/v1/calls/${id}/ladder`, '/v1/nothing']) {
    t.equal((await get(path, host)).status, 401, path);
    t.equal((await get(path, host, `Authorization: Bearer ${token.slice(0, -1)}`)).status, 401, path);
    t.equal((await get(path, host, `Authorization: Basic ${token}`)).status, 401, path);
    t.equal((await get(path, host, `Authorization: Bearer ${token}x`)).status, 403, path);
  }
  t.match((await get('/status', host)).text, /WWW-Authenticate: Bearer/);
  t.equal((await get('/status', host, `Authorization: Bearer ${token}`)).status, 200);
  t.equal((await get(`/calls/${id}/ladder`, host, `authorization: bearer  ${token}`)).status, 200);
  t.equal((await get('/v1/calls', host, `Authorization: Bearer ${token}`)).status, 200);
  for (const path of ['/health', '/ready', '/', '/page/main.js', '/page/page.css']) t.equal((await get(path, host)).status, 200, path);
});

t.test('M12: what others wrote does nothing to a terminal, and nothing else may be made of an answer', async (t) => {
  const { get } = await pages(t);
  for (const path of ['/status', '/calls', '/metrics', '/nothing', `/calls/${id}/ladder`, '/v1/calls', `/v1/calls/${id}/ladder`, '/v1/nothing']) {
    const { text } = await get(path, 'Host: localhost');

    t.notMatch(text, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/, path);
    t.match(text, /X-Content-Type-Options: nosniff\r\n/i, path);
    t.match(text, /Cache-Control: no-store\r\n/i, path);
    t.match(text, /Content-Security-Policy: default-src 'none'/i, path);
  }
  t.match((await get(`/calls/${id}/ladder`, 'Host: localhost')).text, /INVITE \\x1b\]0;owned\\x07 6001/);
  t.match((await get('/status', 'Host: localhost')).text, /"up\\u202e"/);
});

t.test('M12: heads, URLs, bodies, time and connections are bounded', async (t) => {
  const { get, raw, port } = await pages(t);
  t.equal((await get(`/${'a'.repeat(4000)}`, 'Host: localhost')).status, 414);
  t.match(await raw(`GET /status HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431/);
  t.match(await raw('POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody'), /^HTTP\/1\.1 413/);
  t.match(await raw('GET /status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'), /^HTTP\/1\.1 413/);
  t.match(await raw('DELETE /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 405[\s\S]*Allow: GET, HEAD/);

  const sockets = Array.from({ length: 100 }, () => connect(port, '127.0.0.1').on('error', () => { /* refused */ }));
  const closed = (): number => sockets.filter((socket) => socket.destroyed || socket.readableEnded).length;
  t.teardown(() => { for (const socket of sockets) socket.destroy(); });
  for (const socket of sockets) socket.resume();
  const begin = performance.now();
  while (closed() < 36 && performance.now() - begin < 3000) await new Promise((resolve) => { setTimeout(resolve, 20); });
  t.equal(closed(), 36, 'one address has 64 connections at most');
  // Half a head each, and then nothing.
  for (const socket of sockets) if (!socket.destroyed) socket.write('GET /status HT');
  while (closed() < 100 && performance.now() - begin < 15_000) await new Promise((resolve) => { setTimeout(resolve, 50); });
  t.equal(closed(), 100, 'none of them is kept for long');
  t.equal((await get('/status', 'Host: localhost')).status, 200);
});

t.test('M12: a configuration beyond loopback without a token is refused', (t) => {
  const faults = (more: object): string[] => {
    try {
      parseConfig(stringify({ domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { '+447700900001': { password: 'x' } }, ...more }), { env: {}, path: 'test' });
      return [];
    } catch (error) {
      return (error as ConfigFaults).faults.map(({ path }) => path);
    }
  };
  for (const listen of ['0.0.0.0:8080', '10.0.0.4:8080', '[::]:8080', 'sbc.example.net:8080', '[::ffff:10.0.0.4]:8080']) {
    t.same(faults({ http: { listen } }), ['http.listen'], listen);
    t.same(faults({ http: { listen }, api: { tokens: [{ name: 'crm', token, scopes: ['calls'] }] } }), ['http.listen'], `${listen}, no scope read`);
    t.same(faults({ http: { listen }, api: { tokens: [{ name: 'crm', token }] } }), [], `${listen} with a token`);
  }
  for (const listen of ['127.0.0.1:8080', '127.0.0.9:8080', '[::1]:8080', 'localhost:8080', '[::ffff:127.0.0.1]:8080', null]) t.same(faults({ http: { listen } }), [], String(listen));
  t.same(faults({ api: { tokens: [{ name: 'a', token: 'short' }] } }), ['api.tokens[0].token']);
  t.same(faults({ api: { tokens: [{ name: 'a', token }, { name: 'b', token }, { name: 'a', token: `${token}y` }] } }), ['api.tokens[1].token', 'api.tokens[2].name']);
  t.end();
});

t.test('M12: the form gives a cookie for a token, and the cookie reads and does no more; a reload that takes the token takes it', async (t) => {
  const may: ApiToken = { name: 'desk', token, scopes: ['read', 'calls'] };
  const access = { hosts: [], tokens: [{ token, mayRead: true }] };
  const { raw, get } = await pages(t, access, [may, { name: 'caller', token: `${token}c`, scopes: ['calls'] }]);
  const host = 'Host: 10.0.0.4:8080';
  const post = async (body: string, ...lines: string[]): Promise<{ status: number; text: string }> => {
    const text = await raw(`POST /session HTTP/1.1\r\n${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
  };
  const json = 'Content-Type: application/json';
  const { status, text } = await post(JSON.stringify({ token }), json);
  t.equal(status, 204);
  const [, cookie = ''] = /Set-Cookie: (wab_page=[\w-]{43}); Path=\/; HttpOnly; SameSite=Strict\r\n/.exec(text) ?? [];
  t.ok(cookie !== '' && !text.includes(token), 'not the token itself');
  t.match((await post(JSON.stringify({ token }), json, 'Origin: https://10.0.0.4')).text, /SameSite=Strict; Secure\r\n/, 'behind a proxy with TLS');
  for (const path of ['/status', '/v1/calls', '/calls']) t.equal((await get(path, host, `Cookie: other=1; ${cookie}`)).status, 200, path);
  t.equal((await get('/v1/calls', host, `Authorization: Bearer ${cookie.split('=')[1]}`)).status, 401, 'it is no token');
  for (const wrong of ['wab_page=', `${cookie}x`, cookie.toUpperCase(), `wab_page=${token}`]) t.equal((await get('/v1/calls', host, `Cookie: ${wrong}`)).status, 401, wrong);
  t.match(await raw(`DELETE /session HTTP/1.1\r\n${host}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`), /204[\s\S]*Set-Cookie: wab_page=; Max-Age=0/);

  for (const [body, ...lines] of [[JSON.stringify({ token: 'wrong' }), json], ['{}', json], ['[', json], ['null', json], [JSON.stringify({ token: 7 }), json]] as [string, ...string[]][]) t.equal((await post(body, ...lines)).status, 401, body);
  t.equal((await post(JSON.stringify({ token: `${token}c` }), json)).status, 403, 'without the scope read');
  t.equal((await post(`token=${token}`, 'Content-Type: application/x-www-form-urlencoded')).status, 415, 'a form of another site');
  t.equal((await post(JSON.stringify({ token, more: 'a'.repeat(2000) }), json)).status, 413);
  t.equal((await post(JSON.stringify({ token }), json, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors')).status, 403);
  t.equal((await get('/session', host)).status, 405);
  access.tokens = [];
  t.equal((await get('/v1/calls', host, `Cookie: ${cookie}`)).status, 401, 'after a reload without it');
});

t.test('M12: what the live page reads cannot be asked for by another site, has Meta asked nothing, and changes nothing', async (t) => {
  const { get, raw } = await pages(t);
  const ours = 'Host: 127.0.0.1:8080';
  for (const site of ['cross-site', 'same-site']) for (const path of ['/v1/calls', '/v1/events', '/status']) t.equal((await get(path, ours, `Sec-Fetch-Site: ${site}`, 'Sec-Fetch-Mode: no-cors')).status, 403, `${site} ${path}`);
  t.equal((await get('/', ours, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate')).status, 200, 'a link to it is followed');
  t.equal((await get('/v1/calls', 'Host: evil.example')).status, 421);
  t.equal((await get('/v1/numbers/+447700900001/permissions/+447700900101', ours)).status, 404);
  for (const method of ['POST', 'DELETE', 'PUT']) t.match(await raw(`${method} /v1/calls/${id} HTTP/1.1\r\n${ours}\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 405/, method);
  const document = JSON.parse((await get('/v1/openapi.json', ours)).text.split('\r\n\r\n')[1]!.replace(/^[0-9a-f]+\r\n/, '')) as { paths: Record<string, object> };
  t.ok('/v1/calls' in document.paths && Object.values(document.paths).every((path) => Object.keys(path).join() === 'get'));
  for (const path of ['/page/..%2fserver.js', '/page/nothing.js', '/page/index.html', '/page/../server.ts']) t.equal((await get(path, ours)).status, 404, path);
  const first = (await get('/', ours)).text;
  const nonce = /script-src 'nonce-([^']+)'/.exec(first)?.[1] ?? '';
  t.ok(nonce.length > 20 && first.includes(`<script type="module" nonce="${nonce}"`) && first.match(/<script/g)?.length === 1);
  t.notMatch(first, /unsafe-inline|\son\w+=|style="/);
  t.notMatch((await get('/', ours)).text, nonce, 'another word each time');
});
