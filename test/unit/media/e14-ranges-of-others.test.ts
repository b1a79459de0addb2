import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { overlapping } from '../../../lib/media/rtpengine/others.js';

/** A process that looks like an rtpengine with these options. */
async function engine(t: Test, ...options: string[]): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'process.stdout.write("up"); setTimeout(() => {}, 60000)', '--', ...options], { argv0: 'rtpengine', stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  return child.pid ?? 0;
}

t.test('E14: another rtpengine with ports of ours on an address of ours is seen', async (t) => {
  const look = async (first: number, last: number, meta = '127.7.7.7', peers = meta): Promise<number[]> => (await overlapping({ interface: { meta, peers }, ports: { first, last } }, null)).map(({ pid }) => pid);
  const other = await engine(t, '--port-min=2000', '--port-max=2999', '--interface=meta/127.7.7.7!203.0.113.4', '--interface=anchor/127.0.0.1');
  t.same(await look(2500, 3500), [other]);
  t.same(await look(1500, 2000), [other]);
  t.same(await look(2100, 2200, '127.7.7.8', '127.7.7.7'), [other], 'the other side');
  t.same(await look(3000, 3999), []);
  t.same(await look(2500, 3500, '127.7.7.8'), [], 'another address');
  t.same((await overlapping({ interface: { meta: '127.7.7.7', peers: '127.7.7.7' }, ports: { first: 2500, last: 2600 } }, other)), [], 'our own');
  const everywhere = await engine(t, '--port-min=2000', '--port-max=2999');
  t.ok((await look(2500, 2600, '127.7.7.9')).includes(everywhere), 'one without an interface takes all');
});
