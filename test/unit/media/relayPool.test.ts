import { createSocket } from 'node:dgram';
import t from 'tap';
import { RelayPool } from '../../../lib/media/relay/relayPool.js';
const logger = { debug() { /* quiet */ }, info() { /* quiet */ }, warn() { /* quiet */ }, error() { /* quiet */ } };
t.test('a worker starts, carries a call, and ends', async (t) => {
  const pool = new RelayPool({ address: '127.0.0.1', workers: 1, lateMs: 250, key: 'media.rtpengine.anchor' }, logger);
  await pool.start();
  t.ok(pool.healthy);
  const call = pool.open();
  t.ok(call.port > 0);
  call.side('meta', { remote: { address: '127.0.0.1', port: 9 } }, { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 });
  t.match(await call.stats(), { meta: { packetsIn: 0, packetsOut: 0 } });
  await call.close();
  await pool.close();
  t.notOk(pool.healthy);
  t.throws(() => pool.open(), { code: 'MEDIA_UNAVAILABLE' });
});

t.test('calls share a thread before another one is used; beyond, the one with the fewest has the next', async (t) => {
  const pool = new RelayPool({ address: null, workers: 2, lateMs: 60_000, key: 'media.workers' }, logger);
  t.teardown(() => pool.close());
  await pool.start();
  const spread = (): number[] => pool.load.map(({ calls }) => calls);
  const first = Array.from({ length: 8 }, () => pool.open());
  t.same(spread(), [8, 0]);
  const second = Array.from({ length: 8 }, () => pool.open());
  t.same(spread(), [8, 8]);
  await Promise.all(first.slice(0, 3).map((call) => call.close()));
  for (let i = 0; i < 3; i++) pool.open();
  t.same(spread(), [8, 8], 'room on the first one is used again');
  for (let i = 0; i < 6; i++) pool.open();
  t.same(spread(), [11, 11]);
  t.same(await second[0]?.stats(), { meta: null, peers: {} });
});

t.test('a thread without calls beats seldom, and carries the next call in time', async (t) => {
  const pool = new RelayPool({ address: '127.0.0.1', workers: 1, lateMs: 60_000, key: 'media.rtpengine.anchor' }, logger);
  t.teardown(() => pool.close());
  await pool.start();
  // Longer than it takes to fall asleep: with the wrong step it would be late for ever.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.ok(pool.healthy);
  const far = createSocket('udp4');
  t.teardown(() => { far.close(); });
  await new Promise<void>((resolve) => { far.bind(0, '127.0.0.1', resolve); });
  const call = pool.open();
  call.side('meta', { remote: { address: '127.0.0.1', port: far.address().port } }, { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 });
  call.post({ op: 'start', mediaTimeoutMs: 0 });
  const began = performance.now();
  let packets = 0;
  await new Promise<void>((resolve) => { far.on('message', () => { if ((packets += 1) === 20) resolve(); }); });
  // At the step of a thread without calls 20 frames would come in bursts of five.
  t.ok(performance.now() - began >= 300, 'a frame every 20 ms');
  t.match(await call.close(), { meta: { packetsOut: Number } });
});

t.test('C1: commands that a media thread cannot carry out cost the others nothing', async (t) => {
  const told: string[] = [];
  const pool = new RelayPool({ address: '127.0.0.1', workers: 1, lateMs: 250, key: 'media.rtpengine.anchor' }, { ...logger, error: (fields: object) => { told.push((fields as { place?: string }).place ?? ''); } });
  t.teardown(() => pool.close());
  await pool.start();
  const [one, other] = [pool.open(), pool.open()];
  for (let i = 0; i < 3; i++) one.post({ op: 'side', side: 'meta', path: { remote: { address: '127.0.0.1', port: 9 } } } as Parameters<typeof one.post>[0]);
  t.same(await other.close(), { meta: null, peers: {} }, 'the thread lives');
  t.ok(pool.healthy);
  t.same(told, ['media command'], 'told once');
  t.equal(pool.faults, 3, 'each is counted');
});
