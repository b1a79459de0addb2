// A balancer gives a request of a call to another node than the one that has it: that node hands it on, and the answer finds back.
import t from 'tap';
import { SimulatedUser, startMeta } from '../../../lib/simulator/index.js';
import { domain, number, password } from '../../helpers/service.js';
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

t.test('calls that the business has placed: Meta hangs up by a new connection, to either node', async (t) => {
  const { nodes, peer, side } = await openCluster(t);
  const meta = await startMeta({ side: await side(), numbers: [{ number, password, hostname: domain }], byeVia: 'fresh', media: 'none' });
  t.teardown(() => meta.close());
  const calls = await Promise.all([nodes.a, nodes.b, nodes.a, nodes.b].map(({ tcp }, i) => peer.call(`sip:+44770090011${i}@${tcp};transport=tcp`, { from: `<sip:${number}@pbx.example>` })));
  t.same(await Promise.all(calls.map(({ final }) => final)), Array(4).fill(200));
  const over = calls.map((call) => new Promise((resolve) => { call.once('ended', resolve); }));
  for (const call of meta.liveCalls) {
    // One more connection between each, so that they come out at the other node.
    await (await side()).connection();
    await call.hangUp({ fresh: true });
    t.same(call.report().violations, []);
  }
  t.same(await Promise.all(over), Array(4).fill('far'));
  const [a, b] = [await nodes.a.records(2), await nodes.b.records(2)];
  t.same([...a, ...b].map(({ termination: { by, reason } }) => `${by} ${reason}`), Array(4).fill('user hangup'));
});
