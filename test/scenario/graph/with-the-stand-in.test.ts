// The service between a PBX and both stand-ins of Meta, Graph and SIP, which share one ledger: a permission's whole life, and a day of calls on which both must agree.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { Command } from '../../helpers/command.js';
import { domain, number, password } from '../../helpers/service.js';
import { pause } from '../harness.js';
import { id, scene, user, type Scene } from './standInScene.js';

const logged = ({ stage }: Scene, text: string): number => stage.running.log.filter((line) => line.includes(text)).length;

t.test('no permission, a request, the user accepts, the call; its wacid by webhook; webhooks twice and out of order', async (t) => {
  const made = await scene(t, 'request', 'duplicate,disorder');
  const { stage, graph, meta, dial, until } = made;
  t.equal(await dial(user(1)), 480, 'the user is asked');
  t.equal(await dial(user(1)), 480, 'and not asked twice');
  t.equal(graph.requests.filter(({ path }) => path.endsWith('/messages')).length, 1);
  graph.answer(number, user(1), 'accept');
  await until(() => logged(made, 'the user may be called') > 0, 'the permission comes by webhook');
  const asked = graph.requests.length;
  t.equal(await dial(user(1)), 200);
  t.equal(graph.requests.length, asked, 'the ledger knows');
  const records = await stage.running.records(3);
  t.match(records[2], { wacid: /^wacid\./, permission: { status: 'temporary', from: 'ledger' } });
  t.equal(meta.attempts.length, 0, 'Meta had no call to refuse');
  graph.behave('duplicate');
  graph.answer(number, user(1), 'reject', true);
  await until(() => logged(made, 'the user does not permit calls') > 0, 'so does a no');
  t.equal(await dial(user(1)), 403);
  t.equal(meta.attempts.length, 0);
});

t.test('a user who was asked by hand is not asked again by a call, and the answer is known', async (t) => {
  const made = await scene(t, 'request');
  const { graph, dial, until } = made;
  const config = join(t.testdir(), 'c.yaml');
  writeFileSync(config, stringify({ domain, sip: { listen: ['udp:127.0.0.1:5060'] }, graph: { url: graph.url, token: 'EAAtoken' }, numbers: { [number]: { password, id } }, peers: {}, routes: [] }));
  const command = new Command('permission', 'request', '-c', config, '--number', number, '--user', user(1));
  t.equal(await command.exit, 0, command.err.join());
  t.equal(await dial(user(1)), 403, 'Meta says that there is no permission and that the user may not be asked');
  t.equal(graph.requests.filter(({ path }) => path.endsWith('/messages')).length, 1);
  graph.answer(number, user(1), 'accept');
  await until(() => logged(made, 'the user may be called') > 0, 'the permission comes by webhook');
  t.equal(await dial(user(1)), 200);
});

t.test('callers without end against users of every kind: Meta has no call and no request to refuse', { timeout: 120_000 }, async (t) => {
  const made = await scene(t, 'request');
  const { graph, meta, dial } = made;
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const statuses: number[] = [];
  for (let i = 0; i < 120; i += 1) {
    const to = user(random(8));
    const what = random(10);
    if (what === 0) graph.answer(number, to, 'permanent', true);
    else if (what === 1) graph.answer(number, to, 'reject', true);
    else if (what === 2) graph.answer(number, to, 'accept', true);
    else if (what === 3) {
      meta.behaviour = 'unreachable,ring=0';
      statuses.push(await dial(to));
      meta.behaviour = 'noring';
    } else statuses.push(await dial(to));
    // A webhook is on its way for a moment: what a call does meanwhile nobody can know.
    if (what < 4) await pause(150);
  }
  t.same(meta.attempts.filter(({ status }) => status === 403), [], 'no call too many');
  t.same(graph.requests.filter(({ path, status }) => path.endsWith('/messages') && status !== 200), [], 'no request too many');
  for (const status of [200, 480]) t.ok(statuses.includes(status), `${statuses.filter((one) => one === status).length} times ${status}`);
});
