// Two whole services, one Redis, one Meta: limits are kept together.
import t from 'tap';
import { MetaSide, startMeta, startPeer, type SimulatedPeer } from '../../../lib/simulator/index.js';
import { freePort } from '../../helpers/ports.js';
import { startRedis } from '../../helpers/redis.js';
import { domain, number, password, runService, type Running } from '../../helpers/service.js';

const user = (n: number): string => `+447700900${String(n).padStart(3, '0')}`;

function dial(peer: SimulatedPeer, node: Running, to: string): ReturnType<SimulatedPeer['call']> {
  return peer.call(`sip:${to}@127.0.0.1:${node.udp.port}`, { from: `<sip:${number}@pbx.example>` });
}

t.test('200 calls through two nodes against a limit of 50; the pair; Redis gone and back', async (t) => {
  const redis = await startRedis(t);
  const peer = await startPeer({ media: 'none' });
  t.teardown(() => peer.close());
  const metaPort = await freePort();
  const start = async (name: string): Promise<Running> => {
    const node = await runService({
      metaPort, peers: { pbx: { port: peer.port, mayCall: [number], maxConcurrentCalls: 1000 } },
      overlay: { state: { url: redis.url, gone: 'refuse' }, node: { name }, meta: { mediaTimeout: 0 }, numbers: { [number]: { maxConcurrentCalls: 50, newCallsPerDay: 1000 } } },
    });
    t.teardown(() => node.close());
    return node;
  };
  const nodes = [await start('a'), await start('b')];
  const [a, b] = nodes as [Running, Running];
  const side = await MetaSide.open({ listen: `127.0.0.1:${metaPort}`, cert: a.certificates.metaCert, key: a.certificates.metaKey });
  t.teardown(() => side.close());
  const meta = await startMeta({ side, numbers: [{ number, password, hostname: domain }], byeVia: 'same', media: 'none', behaviour: 'ring=0.2' });
  t.teardown(() => meta.close());
  const status = async (node: Running): Promise<{ state: { state: string; nodes: string[] } }> => (await fetch(`http://${node.service.http ?? ''}/status`)).json() as never;

  const calls = await Promise.all(Array.from({ length: 200 }, (_, i) => dial(peer, nodes[i % 2]!, user(100 + i))));
  const finals = await Promise.all(calls.map((call) => call.final));
  t.equal(finals.filter((final) => final === 200).length, 50);
  t.equal(finals.filter((final) => final === 503).length, 150);
  t.equal(meta.liveCalls.length, 50, 'at Meta');
  t.ok(a.service.table.onNumber(number) < 50 && b.service.table.onNumber(number) < 50, 'each has some');

  // One of each node is over: another node may have its place.
  const up = calls.filter((_, i) => finals[i] === 200);
  await up[0]!.bye();
  const again = await dial(peer, b, user(500));
  t.equal(await again.final, 200, 'a place that was given back is taken by the other node');
  const twice = await dial(peer, a, user(500));
  t.equal(await twice.final, 503, 'one call for each pair, on whatever node');
  await Promise.all([...up.slice(1), again].map((call) => call.bye()));

  const before = await dial(peer, a, user(600));
  t.equal(await before.final, 200);
  await redis.kill();
  const gone = await dial(peer, b, user(601));
  t.equal(await gone.final, 503);
  t.match(gone.report().message, /Retry-After: 5\r\n/i);
  t.match(gone.report().message, /Redis is gone/);
  t.equal((await fetch(`http://${b.service.http ?? ''}/ready`)).status, 200);
  t.equal((await status(b)).state.state, 'gone');
  await redis.start();
  const back = performance.now();
  for (;;) {
    const next = await dial(peer, b, user(602));
    if (await next.final !== 200) continue;
    await next.bye();
    break;
  }
  t.ok(performance.now() - back < 5000, `${Math.round(performance.now() - back)} ms until calls are taken`);
  t.equal(await (await dial(peer, b, user(600))).final, 503, 'Redis was empty, and knows the call of the other node');
  t.equal(meta.liveCalls.length, 1, 'which was not touched');
  await before.bye();
  t.ok((await b.records(1)).some(({ termination }) => termination.reason === 'stateGone'));
});
