// Both nodes are drained, stopped and started anew, one after the other, under calls through HAProxy, at most ten a second (fewer where the machine is slow): no call fails, none is cut.
import t from 'tap';
import { SimulatedUser } from '../../../lib/simulator/index.js';
import { Command } from '../../helpers/command.js';
import { number, password } from '../../helpers/service.js';
import { openCluster } from './twoNodes.js';

/** Calls at once at most: where the machine is slow fewer begin, and no call is judged by that. */
const mostAtOnce = 40;
const talkMs = 1500;

t.test('a rolling upgrade under traffic', async (t) => {
  const { nodes, side } = await openCluster(t, { drainDelay: 2, drain: 60 });
  // Plays wa.meta.vc too.
  await side();
  const found = { begun: 0, refused: [] as number[], wrong: [] as string[] };
  const running = new Set<Promise<void>>();
  let on = true;
  const began = performance.now();
  const call = async (): Promise<void> => {
    // A connection of its own for each call, as a far end with many proxies has.
    const one = await side();
    const user = new SimulatedUser(one, { number, password });
    const status = await user.place();
    if (status !== 200) found.refused.push(status);
    else {
      const cut = new Promise<'cut'>((resolve) => user.once('ended', () => resolve('cut')));
      const talked = await Promise.race([cut, new Promise<'talked'>((resolve) => { setTimeout(resolve, talkMs, 'talked'); })]);
      if (talked === 'cut') found.wrong.push('cut');
      else await user.hangUp();
      found.wrong.push(...user.report().violations.map((violation) => JSON.stringify(violation)));
    }
    await one.close();
  };
  const traffic = (async () => {
    while (on) {
      if (running.size < mostAtOnce) {
        found.begun += 1;
        const going: Promise<void> = call().catch((error: unknown) => { found.wrong.push(String(error)); }).finally(() => running.delete(going));
        running.add(going);
      }
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
    await Promise.all(running);
  })();
  for (const node of [nodes.a, nodes.b]) {
    const before = found.begun;
    while (found.begun < before + 20) await new Promise((resolve) => { setTimeout(resolve, 100); });
    const drain = new Command('drain', '-c', node.file, '--exit');
    t.equal(await drain.exit, 0, `${node.name} is drained`);
    t.equal(await node.command.exit, 0, 'and ends');
    node.command = new Command('run', '-c', node.file);
    await node.command.line(/"ready":true/);
    // The balancer has seen it by the time a call comes to it.
    const calls = async (): Promise<number> => Number(/wab_calls_begun_total\{[^}]*user-initiated[^}]*\} (\d+)/.exec(await (await fetch(`http://${node.http}/metrics`)).text())?.[1] ?? 0);
    while (await calls() === 0) await new Promise((resolve) => { setTimeout(resolve, 200); });
  }
  on = false;
  await traffic;
  t.comment(`${found.begun} calls in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  t.same(found.refused, [], 'none is refused');
  t.same(found.wrong, [], 'none is cut, and each keeps to the rules');
});
