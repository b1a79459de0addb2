// Whole calls of a number with permission: check, while whatever answers for the Graph API lies in every way that HTTP and JSON have: each call is ruled as graph.whenDown says, in
// bounded time, the log tells of it for that user, no permission is made of it, and the service goes on.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';

const id = '100000000000001';
const user = (n: number): string => `+4477009001${String(n).padStart(2, '0')}`;
const yes = JSON.stringify({ messaging_product: 'whatsapp', permission: { status: 'permanent' }, actions: [{ action_name: 'start_call', can_perform_action: true, limits: [] }] });
const no = yes.replace('permanent', 'no_permission').replace('true', 'false');

type Lie = (response: ServerResponse) => void;
const says = (body: string | Buffer, { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {}): Lie => (response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
const raw = (text: string | Buffer): Lie => (response) => { response.socket?.end(text); };
/** Bytes without end, as fast as they are taken. */
const endless = (piece: string, headers: Record<string, string> = {}): Lie => (response) => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  const more = (): void => { while (!response.destroyed && response.write(piece)) { /* goes on */ } };
  response.on('drain', more).on('error', () => undefined);
  more();
};
const error = (more: object): string => JSON.stringify({ error: { message: '(#1) x', type: 'OAuthException', code: 1, fbtrace_id: 'A', ...more } });
const nested = (text: string): string => `${'['.repeat(200_000)}${text}${']'.repeat(200_000)}`;

/** What does not permit a call, whatever it looks like. */
const lies: readonly (readonly [what: string, lie: Lie])[] = [
  ['garbage', says(Buffer.from([0, 255, 254, 1, 2, 3]))], ['nothing', says('')], ['a page', says('<!DOCTYPE html><html>permission permanent</html>')], ['null', says('null')], ['text', says('"permanent"')], ['a list around it', says(`[${yes}]`)],
  ['half', says(yes.slice(0, -10))], ['more behind it', says(`${yes}${yes}`)], ['yes with an error beside', says(yes.replace('{', `${error({ code: 190 }).slice(0, -1)},`))], ['an error with 200', says(error({ code: 138006 }))],
  ['yes with 500', says(yes, { status: 500 })], ['yes with 404', says(yes, { status: 404 })], ['yes with 304', raw('HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n')], ['success: false', says(yes.replace('{', '{"success":false,'))],
  ['a permission that is a list', says('{"permission":[{"status":"permanent"}]}')], ['a status that is a list', says('{"permission":{"status":["permanent"]}}')], ['a status of an object', says('{"permission":{"status":{"permanent":true}}}')],
  ['a prototype', says('{"__proto__":{"permission":{"status":"permanent"}},"constructor":{"permission":{"status":"permanent"}}}')],
  ['an end long ago', says(yes.replace('"permanent"', '"temporary","expiration_time":1000000000'))], ['a status of tomorrow', says('{"permission":{"status":"PERMANENTLY"}}')], ['nested without end', says('['.repeat(1_000_000))],
  ['nested deeply', says(nested(yes))], ['a body without end', endless('x'.repeat(65_536))], ['blanks without end', endless(' '.repeat(65_536))], ['a header without end', (response) => { response.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1_000_000)}`); }],
  ['a million headers', (response) => { response.socket?.write('HTTP/1.1 200 OK\r\n'); response.socket?.write('x: y\r\n'.repeat(200_000)); }], ['a chunk without end', raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nx')],
  ['a bomb', says(gzipSync(Buffer.alloc(100_000_000, ' ')), { headers: { 'content-encoding': 'gzip' } })], ['a bomb in a bomb', says(gzipSync(gzipSync(Buffer.alloc(50_000_000, ' '))), { headers: { 'content-encoding': 'gzip, gzip' } })],
  ['gzip that is none', says(yes, { headers: { 'content-encoding': 'gzip' } })], ['a length that is not so', raw(`HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n${yes}`)], ['two lengths', raw(`HTTP/1.1 200 OK\r\nContent-Length: ${yes.length}\r\nContent-Length: 3\r\n\r\n${yes}`)],
  ['another protocol', raw('220 mail.example ESMTP\r\n')], ['early hints and nothing', (response) => { for (let i = 0; i < 50; i += 1) response.socket?.write('HTTP/1.1 103 Early Hints\r\n\r\n'); }],
  ['a drop at a time', (response) => { response.writeHead(200, { 'content-type': 'application/json' }); const timer = setInterval(() => response.write(' '), 50); response.on('close', () => clearInterval(timer)); }],
];

t.test('lies', { timeout: 200_000 }, async (t) => {
  /** By the user who is asked about. */
  const lieOf = new Map<string, Lie>();
  let forged = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.on('error', () => undefined);
    request.socket.on('error', () => undefined);
    if (request.url?.startsWith('/forged') === true) {
      forged += 1;
      return void response.end(yes);
    }
    (lieOf.get(`+${/user_wa_id=(\d+)/.exec(request.url ?? '')?.[1] ?? ''}`) ?? says(no))(response);
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const redirects = [301, 302, 303, 307, 308].map((status) => [`redirect ${status}`, says('', { status, headers: { location: `${url}/forged` } })] as const);

  for (const whenDown of ['refuse', 'allow'] as const) {
    const stage = await openStage({
      peers: { pbx: { media: 'none', config: { mayCall: [number] } } },
      overlay: { meta: { mediaTimeout: 0 }, graph: { url, token: 'EAAtoken', timeout: 1, whenDown, verifyEvery: 0 }, numbers: { [number]: { id, permission: 'check' } }, cdr: { fullNumbers: true } },
    });
    try {
      const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
      const { log } = stage.running;
      const dial = async (to: string) => {
        const begun = performance.now();
        const call = await stage.peers['pbx']!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
        const status = await call.final ?? 0;
        const ms = performance.now() - begun;
        if (status === 200) await call.bye();
        return { status, ms };
      };
      // Twelve say enough where the other way is the same code.
      const some = [...lies, ...redirects].filter((_, index) => whenDown === 'refuse' || index % 4 === 0);
      for (const [index, [, is]] of some.entries()) lieOf.set(user(index), is);
      const outcomes: { status: number; ms: number }[] = [];
      while (outcomes.length < some.length) outcomes.push(...await Promise.all(some.slice(outcomes.length, outcomes.length + 6).map((_, index) => dial(user(outcomes.length + index)))));
      const records = await stage.running.records(some.length);
      for (const [index, [what]] of some.entries()) {
        const { status, ms } = outcomes[index]!;
        const record = records.find((one) => one.user === user(index));
        // These are answers of Meta's that are no: nothing is wrong with the Graph API.
        const isNo = ['an end long ago', 'a status of tomorrow'].includes(what);
        t.equal(status, isNo ? 403 : whenDown === 'refuse' ? 503 : 200, `${whenDown}: ${what}: ${status} after ${Math.round(ms)} ms`);
        t.ok(ms < 5000, `${what}: bounded`);
        t.equal(record?.permission?.status, isNo ? 'none' : 'unknown', what);
        if (!isNo) t.ok(log.some((line) => line.includes('Meta could not be asked') && line.includes(user(index).slice(-4))), `${what}: the log tells`);
      }
      t.equal(forged, 0, 'no redirect was followed');
      t.notOk(log.some((line) => line.includes('EAAtoken')), 'the token is not in the log');
      t.notOk(log.some((line) => line.includes('"level":"error"') || /"level":[56]0/.test(line)), 'no fault of ours');
      const reached = meta.reports.length + meta.attempts.length;
      t.equal((await dial(user(95))).status, 403, 'an honest no');
      t.equal(meta.reports.length + meta.attempts.length, reached);
      lieOf.set(user(96), says(yes));
      t.equal((await dial(user(96))).status, 200, 'an honest yes: all is as before');
    } finally {
      await stage.close();
    }
  }
});
