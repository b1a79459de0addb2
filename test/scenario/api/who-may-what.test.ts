// Who may use the API, and what it refuses, as somebody tries who means no good.
import t from 'tap';
import { request } from 'node:http';
import { connect } from 'node:net';
import { Validator } from '@seriousme/openapi-schema-validator';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { parseConfig } from '../../../lib/config/load.js';
import { stringify } from 'yaml';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

let stage: Stage;
let all: ApiClient;
let reader: ApiClient;
let caller: ApiClient;
t.before(async () => {
  stage = await openStage({ overlay: { api: apiKeys } });
  const { api } = stage.running.service;
  [all, reader, caller] = [new ApiClient(api, tokens.all), new ApiClient(api, tokens.reader), new ApiClient(api, tokens.caller)];
});
t.teardown(() => stage.close());

const none = '00000000-0000-4000-8000-000000000000';

/** A request as it stands in `text`, over a connection of its own: what came back. */
function raw(text: string): Promise<string> {
  const [host = '', port = ''] = stage.running.service.api!.split(':');
  return new Promise((resolve) => {
    let back = '';
    const socket = connect(Number(port), host, () => socket.write(text));
    socket.on('data', (data) => { back += data.toString('latin1'); });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(back));
    setTimeout(() => socket.destroy(), 1500);
  });
}

t.test('without a token, with a wrong one and without the scope: refused before anything is looked at', async (t) => {
  const url = `http://${stage.running.service.api}`;
  for (const path of ['/v1/calls', '/v1/openapi.json', '/v1/nothing', '/', `/v1/calls/${none}`, '/v1/events']) {
    const response = await fetch(`${url}${path}`);
    t.equal(response.status, 401, path);
    t.match(await response.json(), { error: { code: 'token.missing' } });
    t.match(response.headers.get('www-authenticate'), /^Bearer /);
    t.equal(response.headers.get('cache-control'), 'no-store');
    t.equal(response.headers.get('x-content-type-options'), 'nosniff');
  }
  for (const token of ['x', tokens.all.slice(0, -1), `${tokens.all}x`, tokens.all.toUpperCase(), '']) {
    const response = await fetch(`${url}/v1/calls`, { headers: { authorization: `Bearer ${token}` } });
    t.equal(response.status, 401, token);
  }
  for (const value of [`Basic ${Buffer.from(`x:${tokens.all}`).toString('base64')}`, tokens.all, `Bearer ${tokens.all} ${tokens.all}`]) {
    t.equal((await fetch(`${url}/v1/calls`, { headers: { authorization: value } })).status, 401, value);
  }
  t.equal((await fetch(`${url}/v1/calls?token=${tokens.all}`)).status, 401, 'a token in the URL is none: it would stand in logs');
  for (const [method, path] of [['DELETE', `/v1/calls/${none}`], ['POST', `/v1/calls/${none}/hold`], ['POST', `/v1/calls/${none}/transfer`], ['POST', `/v1/numbers/${number}/permissions/+447700900101/request`]] as const) {
    const answer = await reader.ask(method, path, method === 'POST' ? {} : undefined);
    t.match([answer.status, answer.body], [403, { error: { code: 'token.scope' } }], `${method} ${path}`);
  }
  t.equal((await caller.get('/v1/calls')).status, 403, 'who may call may not read');
  t.equal((await caller.get('/v1/openapi.json')).status, 200, 'the description is for any token');
  t.notOk(stage.running.log.some((line) => Object.values(tokens).some((token) => line.includes(token))), 'no token is in the log');
});

t.test('bodies that are too large, broken or say more than is asked; methods and paths that are none', async (t) => {
  const path = `/v1/calls/${none}/transfer`;
  const refused = async (body: unknown, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await all.post(path, body, headers);
    return `${answer.status} ${answer.body.error.code}`;
  };
  t.equal(await refused({ peer: 'pbx', user: '6001' }), '404 call.unknown', 'a good one gets as far as that');
  t.equal(await refused({ peer: 'pbx', user: '6001', more: 1 }), '400 request.invalid');
  t.equal(await refused({ peer: 'pbx' }), '400 request.invalid');
  t.equal(await refused({ peer: 'pbx', user: 6001 }), '400 request.invalid', 'a number is no text');
  t.equal(await refused({ peer: ['pbx'], user: '6001' }), '400 request.invalid');
  t.equal(await refused('{"peer":"pbx","user":'), '400 request.invalid');
  t.equal(await refused('{"__proto__":{"x":1},"peer":"pbx","user":"6001"}'), '400 request.invalid');
  t.equal(await refused('peer=pbx', { 'content-type': 'application/x-www-form-urlencoded' }), '415 body.type');
  t.equal(await refused(JSON.stringify({ peer: 'pbx', user: 'x'.repeat(70_000) })), '413 body.tooLarge');
  for (const user of ['6001\r\nX-Evil: 1', '6001;phone-context=+44', '6001?Replaces=1', '6001@evil.example', '<sip:6001>', '6001 ', '', 'é', 'x'.repeat(129)]) {
    t.equal(await refused({ peer: 'pbx', user }), '400 request.invalid', JSON.stringify(user));
  }
  for (const peer of ['constructor', '__proto__', 'toString']) t.match(await refused({ peer, user: '6001' }), /^4/, peer);
  for (const [method, at] of [['PUT', '/v1/nothing'], ['PATCH', '/v1/calls/'], ['GET', '/v1/calls/1'], ['GET', '/v1/calls/%00'], ['GET', '/v1/calls/..%2f..%2fetc%2fpasswd'], ['GET', `/v1/calls/${none}/ladder/x`], ['GET', '/v2/calls'], ['OPTIONS', '/v1']] as const) {
    const answer = await all.ask(method, at);
    t.ok(answer.status === 404 || answer.status === 400, `${method} ${at}: ${answer.status}`);
    t.equal(typeof answer.body.error.code, 'string');
  }
  for (const [method, at, allow] of [['PUT', '/v1/calls', 'POST, GET'], ['OPTIONS', '/v1/calls?x=1', 'POST, GET'], ['PATCH', `/v1/calls/${none}`, 'GET, DELETE'], ['GET', `/v1/calls/${none}/hold`, 'POST'], ['DELETE', '/v1/recent', 'GET']] as const) {
    const answer = await all.ask(method, at);
    t.match([answer.status, answer.headers.get('allow'), answer.body], [405, allow, { error: { code: 'method.unknown' } }], `${method} ${at}`);
  }
  for (const at of ['/v1/calls/%zz', `/v1/calls/${'a'.repeat(300)}`, `/v1/numbers/${'%2B'.repeat(200)}/permissions/x`]) {
    const response = await fetch(`http://${stage.running.service.api}${at}`);
    const body = await response.text();
    t.ok(response.status === 400 || response.status === 414 || response.status === 401, `${at}: ${response.status}`);
    t.match(JSON.parse(body), { error: { code: /^(request\.invalid|token\.missing)$/, message: /^(?!.*(?:zz|aaa|%2B))/ } }, 'in the form of all refusals, and not said back');
    t.equal(response.headers.get('x-content-type-options'), 'nosniff');
  }
  // Programs say JSON of everything they send.
  const json = { 'content-type': 'application/json' };
  t.match([(await all.ask('DELETE', `/v1/calls/${none}`, undefined, json)).body, (await all.post(`/v1/calls/${none}/hold`, undefined, json)).body, (await all.post(`/v1/calls/${none}/hold`, {})).body], Array(3).fill({ error: { code: 'call.unknown' } }));
  t.match((await all.post('/v1/calls', undefined, json)).body, { error: { code: 'request.invalid' } });
  t.match((await all.post(`/v1/calls/${none}/hold`, { more: 1 })).body, { error: { code: 'request.invalid' } });
  t.match((await all.post(`/v1/calls/${none}/hold`, 'hello', { 'content-type': 'text/plain' })).body, { error: { code: 'body.type' } });
  t.match((await all.get('/v1/events?types=evil')).body, { error: { code: 'types.unknown' } });
  t.match((await all.get('/v1/events?other=1')).body, { error: { code: 'request.invalid' } });
  const auth = `Authorization: Bearer ${tokens.all}`;
  t.match(await raw(`POST ${path} HTTP/1.1\r\nHost: x\r\n${auth}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`), /^HTTP\/1\.1 413 /, 'a length that is too much is not waited for');
  t.match(await raw(`GET /v1/calls HTTP/1.1\r\nHost: x\r\n${auth}\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  t.match(await raw(`GET /v1/calls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n${auth}\r\n\r\n0\r\n\r\nGET /v1/numbers HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 400 /, 'smuggling');
  t.equal((await all.get('/v1/calls')).status, 200, 'and it serves on');
  t.equal(stage.running.service.table.size, 0);
});

t.test('what is wrong with a request is named, and what is wanted is said', async (t) => {
  const good = { number, user: '+447700900101', peer: 'pbx', peerUser: '6001' };
  const e164 = 'E.164 with +, such as +447700900001';
  for (const [method, at, body, wanted] of [
    ['POST', '/v1/calls', { ...good, from: 1 }, 'body has a key that is not described: from'],
    ['POST', '/v1/calls', { number, user: good.user, peer: 'pbx' }, 'body must have peerUser'],
    ['POST', '/v1/calls', { ...good, number: '447700900001' }, `number of body is not as described: ${e164}`],
    ['POST', '/v1/calls', { ...good, user: '0447700900101' }, 'user of body is not as described: WhatsApp user: E.164 with +, or a BSUID, such as +447700900101'],
    ['POST', '/v1/calls', { ...good, first: 'agent' }, 'first of body must be "peer" or "user"'],
    ['POST', '/v1/calls', { ...good, record: 1 }, 'record of body must be boolean'],
    ['POST', '/v1/calls', undefined, 'the body must be a JSON object'],
    ['POST', `/v1/calls/${none}/dtmf`, { digits: 'abc' }, 'digits of body is not as described: up to 32 of 0-9, *, #, A-D, such as 12#'],
    ['GET', '/v1/calls/4711', undefined, 'id of the path is not as described: id of a call, as in its record and in every log line, such as 4e6a3f1c-0d7e-4f0e-9b38-8c1f6f2a7d10'],
    ['GET', '/v1/numbers/447700900001/permissions/x', undefined, `number of the path is not as described: ${e164}`],
    ['GET', '/v1/events?kind=x', undefined, 'the query has a key that is not described: kind'],
  ] as const) {
    const answer = await all.ask(method, at, body);
    t.match([answer.status, answer.body], [400, { error: { code: 'request.invalid' } }], `${method} ${at}`);
    t.equal(answer.body.error.message, wanted);
  }
});

t.test('who guesses is slowed, and on this machine, where a proxy may be, nobody else is kept out', async (t) => {
  const url = `http://${stage.running.service.api}/v1/calls`;
  const guess = async (i: number): Promise<number> => (await fetch(url, { headers: { authorization: `Bearer guess-${i}-0123456789` } })).status;
  for (let i = 0; i < 25; i += 1) await guess(i);
  const began = Date.now();
  t.equal(await guess(99), 401);
  t.ok(Date.now() - began >= 900, 'a second later');
  const then = Date.now();
  t.equal((await all.get('/v1/calls')).status, 200);
  t.ok(Date.now() - then < 500, 'a good token is served at once');
});

t.test('the description is OpenAPI 3.1, names every path that is served, and what is answered is as it says', async (t) => {
  const { body: document, status } = await all.get('/v1/openapi.json');
  t.equal(status, 200);
  const validator = new Validator();
  t.match(await validator.validate(document), { valid: true });
  t.equal(validator.version, '3.1');
  for (const [path, operations] of Object.entries<Record<string, { summary: string; responses: Record<string, unknown>; parameters: { name: string; in: string; required: boolean }[] }>>(document.paths)) {
    for (const [method, { summary, responses, parameters }] of Object.entries(operations)) {
      t.ok(summary.endsWith('.') && responses['401'] !== undefined, `${method} ${path}`);
      t.same(parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name), [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name), path);
      const tried = path.replace('{id}', none).replace('{number}', number).replace('{user}', '+447700900101');
      if (path === '/v1/events') continue;
      const answer = await all.ask(method.toUpperCase(), tried);
      t.not(answer.body?.error?.code, 'path.unknown', `${method} ${path} is served`);
      t.ok(Object.keys(responses).includes(String(answer.status)), `${method} ${path}: ${answer.status} is described`);
    }
  }
});

t.test('numbers and permissions: what is known, and what cannot be asked', async (t) => {
  t.match((await reader.get('/v1/numbers')).body, { numbers: [{ number, environment: 'production', keying: 'sdes', permission: 'off', calls: { now: 0, most: 1000 }, newCalls: { used: 0, most: 10_000 }, settings: null }] });
  const { body } = await reader.get(`/v1/numbers/${number}/permissions/+447700900101`);
  t.match(body, { number, user: '+4477******01', status: 'unknown', from: null, fault: /graph/ });
  t.equal((await reader.get('/v1/numbers/+447700900009/permissions/+447700900101')).status, 404);
  t.equal((await reader.get(`/v1/numbers/${number}/permissions/constructor`)).status, 400);
});

t.test('a head that is never finished, and a hundred idle connections, keep nobody out', async (t) => {
  const [host, port] = stage.running.service.api!.split(':');
  const idle = Array.from({ length: 100 }, () => connect(Number(port), host, function (this: { write(text: string): void }) { this.write('GET /v1/calls HTTP/1.1\r\n'); }));
  for (const socket of idle) socket.on('error', () => undefined);
  t.equal((await all.get('/v1/calls')).status, 200);
  for (const socket of idle) socket.destroy();
  // A HEAD is no GET here.
  const head = await new Promise<number>((resolve) => { request({ host, port, path: '/v1/calls', method: 'HEAD', headers: { authorization: `Bearer ${tokens.all}` } }, (response) => resolve(response.statusCode ?? 0)).end(); });
  t.equal(head, 405);
});

t.test('beyond loopback the configuration must have TLS, and tokens everywhere', async (t) => {
  const base = { domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, numbers: { [number]: { password: 'n0t-a-secret' } } };
  const faults = (api: object): string => {
    try {
      parseConfig(stringify({ ...base, api }), { env: {}, path: 'test' });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.equal(faults(apiKeys), '');
  t.match(faults({ ...apiKeys, listen: '0.0.0.0:8081' }), /api\.listen.*TLS/s);
  t.equal(faults({ ...apiKeys, listen: '0.0.0.0:8081', tls: { cert: 'a.pem', key: 'b.pem' } }), '');
  t.match(faults({ listen: '127.0.0.1:0' }), /api\.listen.*token/s);
});
