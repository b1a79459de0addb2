// What strangers send to the address of Meta's webhooks.
import { gzipSync } from 'node:zlib';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { startWebhooks, type WebhookOutcome } from '../../../lib/http/webhooks.js';
import { raw, secret, signature, verifyToken } from '../graph/webhookSender.js';

interface Rig { readonly address: string; readonly taken: string[]; readonly outcomes: WebhookOutcome[]; post(body: string | Buffer, ...lines: string[]): Promise<string> }

async function rig(t: Test, secrets: readonly string[] = [secret]): Promise<Rig> {
  const taken: string[] = [];
  const outcomes: WebhookOutcome[] = [];
  const server = await startWebhooks({
    listen: '127.0.0.1:0', path: '/meta', secrets, verifyToken, tls: null, onOutcome: (outcome) => { outcomes.push(outcome); },
    take: async ({ body }) => {
      if (body.toString() === 'fault') throw new Error('ours');
      taken.push(body.toString());
    },
  });
  t.teardown(() => server.close());
  return {
    address: server.address, taken, outcomes,
    post(body, ...lines) {
      const bytes = Buffer.from(body);
      const head = ['POST /meta HTTP/1.1', 'Host: x', 'Connection: close', ...lines.some((line) => /^(content-length|transfer-encoding):/i.test(line)) ? [] : [`Content-Length: ${bytes.length}`], ...lines];
      return raw(server.address, Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]));
    },
  };
}

const statusOf = (heard: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(heard)?.[1]);
const signed = (body: string | Buffer, key = secret): string => `X-Hub-Signature-256: ${signature(body, key)}`;

t.test('a signature that is not right, in every way: 401, nothing is taken', async (t) => {
  const { post, taken } = await rig(t, [secret, 'the-next-secret']);
  const body = '{"object":"whatsapp_business_account","entry":[]}';
  const good = signature(body);
  const wrong = [
    [], ['X-Hub-Signature-256: '], ['X-Hub-Signature-256: sha256='], [`X-Hub-Signature-256: ${good.slice(0, -1)}`], [`X-Hub-Signature-256: ${good}0`], [`X-Hub-Signature-256: ${good.replace('sha256', 'sha1')}`],
    [`X-Hub-Signature-256: ${good.slice(7)}`], [`X-Hub-Signature-256: ${good}, ${good}`], [`X-Hub-Signature-256: ${good}`, `X-Hub-Signature-256: ${good}`], [`X-Hub-Signature-256: sha256=${'0'.repeat(64)}`],
    [`X-Hub-Signature-256: sha256=${'g'.repeat(64)}`], [signed(body, 'another secret')], [signed(body, '')], [`X-Hub-Signature: ${good}`], [`X-Hub-Signature-256: ${good.slice(0, 20)}\u0000${good.slice(21)}`],
  ];
  for (const lines of wrong) t.ok([400, 401].includes(statusOf(await post(body, ...lines))), JSON.stringify(lines));
  t.equal(statusOf(await post(`${body} `, signed(body))), 401, 'one byte more');
  t.equal(statusOf(await post(body.replace('{', ' {'), signed(body))), 401, 'the same JSON in other bytes');
  t.same(taken, []);
  t.equal(statusOf(await post(body, signed(body))), 200);
  t.equal(statusOf(await post(body, signed(body, 'the-next-secret'))), 200, 'while one secret replaces another both are good');
  t.equal(statusOf(await post(body, `X-Hub-Signature-256: ${good.toUpperCase().replace('SHA256', 'sha256')}`)), 200);
  t.equal(taken.length, 3);
});

t.test('verification: the challenge for the right token alone, as text', async (t) => {
  const { address, outcomes } = await rig(t);
  const get = (query: string): Promise<string> => raw(address, `GET /meta?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const right = await get(`hub.mode=subscribe&hub.verify_token=${verifyToken}&hub.challenge=1158201444%3Cb%3E`);
  t.match(right, /^HTTP\/1\.1 200 [\s\S]*Content-Type: text\/plain[\s\S]*X-Content-Type-Options: nosniff[\s\S]*\r\n\r\n1158201444<b>$/);
  for (const query of ['', 'hub.mode=subscribe', 'hub.mode=subscribe&hub.verify_token=&hub.challenge=1', `hub.mode=unsubscribe&hub.verify_token=${verifyToken}&hub.challenge=1`, `hub.mode=subscribe&hub.verify_token=${verifyToken}x&hub.challenge=1`, `hub.mode=subscribe&hub.verify_token[]=${verifyToken}&hub.challenge=1`]) {
    const heard = await get(query);
    t.equal(statusOf(heard), 403, query);
    t.notMatch(heard, /\r\n\r\n1$/);
  }
  t.same(outcomes.filter((one) => one === 'verified').length, 1);
});

t.test('sizes, encodings and methods', async (t) => {
  const { post, address, taken } = await rig(t);
  const large = 'x'.repeat(5_000_001);
  t.equal(statusOf(await post('', signed(large), 'Content-Length: 5000001')), 413, 'said before it comes');
  const chunked = Buffer.concat([Buffer.from(`${large.length.toString(16)}\r\n`), Buffer.from(large), Buffer.from('\r\n0\r\n\r\n')]);
  t.equal(statusOf(await post(chunked, signed(large), 'Transfer-Encoding: chunked')), 413, 'not said');
  const allowed = 'y'.repeat(5_000_000);
  t.equal(statusOf(await post(allowed, signed(allowed))), 200);
  const packed = gzipSync('z'.repeat(1_000_000));
  t.equal(statusOf(await post(packed, signed(packed), 'Content-Encoding: gzip')), 415, 'nothing is unpacked');
  t.equal(statusOf(await raw(address, 'PUT /meta HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')), 405);
  t.equal(statusOf(await raw(address, 'POST /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')), 404);
  t.equal(statusOf(await raw(address, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)), 431);
  t.equal(statusOf(await post('fault', signed('fault'))), 500, 'a fault of ours: Meta sends it again');
  t.equal(statusOf(await post('', signed(''))), 200, 'nothing at all, signed');
  t.equal(taken.length, 2);
});

t.test('bodies that never end hold bounded memory, and nobody else waits for them', { timeout: 60_000 }, async (t) => {
  const { post, address } = await rig(t);
  const [host = '', port = ''] = address.split(':');
  const half = Buffer.alloc(1_000_000, 'x');
  const sockets = Array.from({ length: 100 }, () => {
    const socket = connect(Number(port), host, () => {
      socket.write(`POST /meta HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n${signed('x')}\r\n\r\n`);
      socket.write(half);
    });
    socket.on('error', () => { /* closed by the other side */ });
    return socket;
  });
  t.teardown(() => { for (const socket of sockets) socket.destroy(); });
  const refused = sockets.map((socket) => new Promise<boolean>((resolve) => {
    socket.once('data', (data) => resolve(data.toString('latin1').startsWith('HTTP/1.1 503')));
    setTimeout(() => resolve(false), 5000);
  }));
  const count = (await Promise.all(refused)).filter(Boolean).length;
  t.ok(count >= 30 && count < 100, `${count} of 100 were sent away: no more than 64 MB are held`);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(statusOf(await post('{}', signed('{}'))), 200, 'when they have gone all is as before');
});
