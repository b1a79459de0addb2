// What becomes of the connection when the Redis behind it is not the one that it was: real redis-servers behind an address that moves.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { SharedNews } from '../../../../lib/app/sharedNews.js';
import { connectRedis } from '../../../../lib/state/shared/connect.js';
import { judgeRedis } from '../../../../lib/state/shared/judge.js';
import { readRedisUrl, type RedisPlace } from '../../../../lib/util/redisUrl.js';
import { makeCertificates } from '../../../helpers/certificates.js';
import { freePort } from '../../../helpers/ports.js';
import { startRedis } from '../../../helpers/redis.js';
import { nodeOptions, runnable } from '../../../helpers/runnable.js';

const place = (url: string): RedisPlace => {
  const read = readRedisUrl(url);
  if (read === null) throw new Error(`cannot be read: ${url}`);
  return read;
};

/** An address whose new connections go to `to`; with `hang` those that stand say nothing any more, as when a host has lost its power. */
async function movingAddress(t: Test, first: number): Promise<{ readonly port: number; to: number; hang(): void }> {
  const sockets = new Set<Socket>();
  const address = { port: 0, to: first, hang: () => { for (const socket of sockets) socket.unpipe(); } };
  const server = createServer((inside) => {
    const outside = connect(address.to, '127.0.0.1');
    for (const [one, other] of [[inside, outside], [outside, inside]] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => { other.destroy(); sockets.delete(one); });
      one.pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  address.port = (server.address() as AddressInfo).port;
  return address;
}

/** A connection to `old` by an address that can lead to `next`. */
async function connected(t: Test) {
  const [old, next] = [await startRedis(t), await startRedis(t)];
  const address = await movingAddress(t, old.port);
  const redis = connectRedis(place(`redis://127.0.0.1:${address.port}`));
  redis.on('error', () => undefined);
  t.teardown(() => redis.disconnect());
  await redis.connect();
  return { old, next, address, redis };
}

t.test('a primary that has become a replica and keeps its clients: the next connection finds the new one', async (t) => {
  const { old, next, address, redis } = await connected(t);
  t.equal(await redis.set('key', '1'), 'OK');
  const operator = connectRedis(place(old.url));
  await operator.connect();
  await operator.call('REPLICAOF', '127.0.0.1', String(next.port));
  operator.disconnect();
  t.match(await judgeRedis(place(old.url)), { kind: 'away', why: /replica/ }, 'and nobody calls it good');
  address.to = next.port;
  const ready = new Promise((resolve) => { redis.once('ready', resolve); });
  await t.rejects(redis.set('key', '2'), { message: /READONLY/ });
  await ready;
  t.equal(await redis.set('key', '3'), 'OK');
});

t.test('a host without power: its connection is given up in seconds', async (t) => {
  const { next, address, redis } = await connected(t);
  address.to = next.port;
  address.hang();
  const [ready, begun] = [new Promise((resolve) => { redis.once('ready', resolve); }), performance.now()];
  await t.rejects(redis.set('key', '1'));
  await ready;
  t.ok(performance.now() - begun < 10_000);
  t.equal(await redis.set('key', '2'), 'OK');
});

t.test('rediss+sentinel: Sentinels and primary have TLS alone, and are verified', async (t) => {
  const dir = t.testdir();
  const { ca, cert, key } = await makeCertificates(dir, { domain: 'redis.example' });
  const [port, sentinelPort] = [await freePort(), await freePort()];
  const tls = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca, '--tls-auth-clients', 'no'];
  await startRedis(t, ['--port', '0', '--tls-port', String(port), '--requirepass', 'right', ...tls]);
  const file = `${dir}/sentinel.conf`;
  await writeFile(file, `port 0\ntls-port ${sentinelPort}\nbind 127.0.0.1\ndir ${dir}\ntls-replication yes\ntls-cert-file ${cert}\ntls-key-file ${key}\ntls-ca-cert-file ${ca}\ntls-auth-clients no\nsentinel monitor main 127.0.0.1 ${port} 1\nsentinel auth-pass main right\n`);
  await startRedis(t, [], { file, ready: /\+monitor master main/ });
  const judged = async (url: string, more: NodeJS.ProcessEnv): Promise<unknown> => {
    const code = `const { judgeRedis } = await import('./${runnable('lib/state/shared/judge.ts')}'); const { readRedisUrl } = await import('./${runnable('lib/util/redisUrl.ts')}'); console.log(JSON.stringify(await judgeRedis(readRedisUrl('${url}')))); process.exit();`;
    const { stdout } = await promisify(execFile)(process.execPath, [...nodeOptions, '--input-type=module', '-e', code], { env: { ...process.env, ...more } });
    return JSON.parse(stdout);
  };
  const url = `rediss+sentinel://:right@127.0.0.1:${sentinelPort}/main`;
  t.match(await judged(url, { NODE_EXTRA_CA_CERTS: ca }), { kind: 'good' });
  t.match(await judged(url, {}), { kind: 'away' }, 'an authority that nobody named');
  t.match(await judged(url.replace('rediss', 'redis'), { NODE_EXTRA_CA_CERTS: ca }), { kind: 'away' }, 'nothing in clear');
  t.match(await judged(url.replace(':right', ':wrong'), { NODE_EXTRA_CA_CERTS: ca }), { kind: 'unusable' });
});

t.test('the log says why Redis is not there, once, and again when the reason is another', (t) => {
  const lines: string[] = [];
  let now = 0;
  const line = (level: string) => (fields: object, message: string): void => { lines.push(`${level} ${message} ${'err' in fields ? String(fields.err) : ''}`.trim()); };
  const news = new SharedNews({ log: { info: line('info'), warn: line('warn'), error: line('error') }, place: 'redis://r:6379', node: 'a', gone: 'refuse', nodes: () => ['a'], now: () => now });
  news.failed(new Error('connect ECONNREFUSED'));
  for (let i = 0; i < 200; i += 1) news.tell('starting', "Stream isn't writeable and enableOfflineQueue options is false");
  t.same(lines.splice(0), ['error Redis is not reached: no call is taken before it is connect ECONNREFUSED']);
  news.failed(new Error('WRONGPASS invalid username-password pair'));
  news.tell('starting', 'x');
  t.same(lines.splice(0), [], 'not each second');
  now = 60_000;
  news.tell('starting', 'x');
  t.same(lines.splice(0), ['error Redis is not reached: no call is taken before it is WRONGPASS invalid username-password pair']);
  news.connected();
  news.tell('up', '');
  news.tell('up', '');
  news.tell('gone', 'no answer within 500 ms');
  t.same(lines.splice(0), ['info Redis keeps the limits of all nodes', 'error Redis is gone: new calls are refused no answer within 500 ms']);
  t.end();
});
