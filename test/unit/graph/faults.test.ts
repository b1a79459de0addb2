// The client against the stand-in where things go wrong: bounded, told, and never a message too many.
import t from 'tap';
import { parseGraphBehaviour } from '../../../lib/simulator/index.js';
import { app, calling, failure, id, number, otherApp, stage, user, waba } from './rig.js';

const numbers = [{ number, id, calling, servers: { [otherApp]: { hostname: 'other.example.net', port: 5061 }, [app]: { hostname: 'sbc.example.net', port: 5061 } } }];
const ask = { text: null };

t.test('each fault: what a question comes to, and what a message', async (t) => {
  const rows: readonly [words: string, fault: string, code: number | null, requests: number][] = [
    ['down', 'temporary', 2, 3], ['token', 'token', 190, 1], ['rate', 'rate', 4, 1], ['html', 'nonsense', null, 3], ['truncated', 'nonsense', null, 3], ['slow=20', 'late', null, 1],
  ];
  for (const [words, fault, code, requests] of rows) {
    const { client, graph } = await stage(t, { numbers, behaviour: words });
    const from = performance.now();
    t.match(await failure(client.callPermissions(id, user)), { fault, metaCode: code }, words);
    t.ok(performance.now() - from < 3500, `${words}: bounded`);
    t.equal(graph.requests.length, requests, `${words}: asked so often`);
    graph.behave(words);
    const before = graph.requests.length;
    if (fault !== 'rate') await failure(client.requestPermission(id, user, ask));
    t.equal(graph.requests.length - before, fault === 'rate' ? 0 : 1, `${words}: one message at most`);
  }
  const { client, graph } = await stage(t, { numbers, behaviour: 'hangup' });
  t.equal((await failure(client.settings(id))).fault, 'late');
  graph.behave('false');
  t.equal((await failure(client.changeSettings(id, { audio: { additional_codecs: [] } }))).message.includes('not done'), true);
});

t.test('one bad answer is got over', async (t) => {
  for (const words of ['down,times=1', 'truncated,times=2', 'html,times=1', 'hangup,times=1', 'rate,times=1,only=settings']) {
    const { client } = await stage(t, { numbers, behaviour: words });
    t.equal((await client.settings(id)).srtp, 'SDES', words);
  }
});

t.test('ids as numbers, numbers as text, keys of tomorrow: read all the same', async (t) => {
  for (const words of ['loose', 'unknown', 'loose,unknown']) {
    const { client, graph } = await stage(t, { numbers, behaviour: words });
    t.match(await client.settings(id), { status: 'ENABLED', servers: [{ appId: otherApp, port: 5061 }, { appId: app, port: 5061 }] }, words);
    graph.answer(number, user, 'accept', true);
    const permissions = await client.callPermissions(id, user);
    t.equal(permissions.status, 'temporary');
    t.ok((permissions.expiresAt ?? 0) > Date.now());
    t.same(permissions.actions[1]?.limits, [{ period: 'PT24H', allowed: 100, used: 0, until: null }]);
    t.ok((await client.health(id)).some(({ type, id: app1 }) => type === 'APP' && app1 === app));
    t.same(await client.subscribedApps(waba), [app, otherApp]);
    t.match((await client.requestPermission(id, user, ask)).id, /^wamid\./);
  }
});

t.test('words that nobody knows are refused', (t) => {
  for (const words of ['what', 'slow', 'slow=x', 'down=1', 'only', 'constructor']) t.throws(() => parseGraphBehaviour(words), new RegExp(words.replace('=', '.')));
  t.same(parseGraphBehaviour('rate,times=1,only=settings,duplicate,late=2,permanent,after=3'), {
    ...parseGraphBehaviour(''), fault: 'rate', times: 1, only: 'settings', duplicate: true, lateMs: 2000, answer: 'permanent', answerMs: 3000,
  });
  t.end();
});
