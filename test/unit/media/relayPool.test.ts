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
