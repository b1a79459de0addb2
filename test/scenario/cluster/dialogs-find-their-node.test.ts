// A balancer gives a request of a call to another node than the one that has it: that node hands it on, and the answer finds back.
import t from 'tap';
import { SimulatedUser } from '../../../lib/simulator/index.js';
import { number, password } from '../../helpers/service.js';
import { openCluster } from './twoNodes.js';

t.test('the balancer is killed in the middle of calls: each BYE comes by a new connection, to either node, and ends its call', async (t) => {
  const { nodes, haproxy, side } = await openCluster(t);
  const sides = [await side(), await side(), await side(), await side()];
  const users = sides.map((one) => new SimulatedUser(one, { number, password }));
  for (const user of users) t.equal(await user.place(), 200);
  await haproxy.kill();
  await haproxy.begin();
  // One more connection between each, so that they come out at the other node.
  for (const user of users) {
    await (await side()).connection();
    await user.hangUp();
    t.same(user.report().violations, []);
  }
  const handed = await Promise.all([nodes.a, nodes.b].map(async ({ http }) => Number(/event="handedOn"\} (\d+)/.exec(await (await fetch(`http://${http}/metrics`)).text())?.[1])));
  t.ok(handed.reduce((sum, one) => sum + one, 0) > 0, `some came out at the other node: ${handed.join(' and ')}`);
  const [a, b] = [await nodes.a.records(2), await nodes.b.records(2)];
  t.same([...a, ...b].map(({ termination: { by, reason } }) => `${by} ${reason}`), Array(4).fill('user hangup'));
});
