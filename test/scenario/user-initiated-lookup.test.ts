// routes.*.lookup: who rings, and in which order, is asked by HTTP; Retry-After of those who refused. Policy judges all the same.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { deferred } from '../../lib/util/deferred.js';
import { RawPeer, sdp } from '../helpers/rawPeer.js';
import { number } from '../helpers/service.js';
import { openStage, type Stage } from './harness.js';

type Answer = (request: { readonly body: string; readonly headers: IncomingMessage['headers'] }, response: ServerResponse) => void;

interface Rig {
  readonly stage: Stage;
  /** What was asked, and users that were rung, in order. */
  readonly asked: string[];
  readonly rung: string[];
  /** Status and further headers by which a user is refused; who is not here answers. */
  readonly refuses: Map<string, readonly [number, string?]>;
  answer: Answer;
  call(more?: object): Promise<number>;
}

const all = ['6001', '6002', '6003'];

async function open(t: Test, lookup: object | null): Promise<Rig> {
  const [asked, rung, refuses] = [[] as string[], [] as string[], new Map<string, readonly [number, string?]>()];
  const pbx = await RawPeer.open();
  t.teardown(() => pbx.close());
  pbx.script((invite, peer) => {
    const user = /sip:([^@]+)@/.exec(invite.uri)?.[1] ?? '';
    rung.push(user);
    const [status, retryAfter] = refuses.get(user) ?? [200];
    if (status === 200) peer.answer(invite, 200, { body: sdp() });
    else peer.answer(invite, status, { headers: retryAfter === undefined ? [] : [['Retry-After', retryAfter]] });
  });
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => { body += String(chunk); });
    request.on('end', () => {
      asked.push(body);
      rig.answer({ body, headers: request.headers }, response);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/route?key=hidden`;
  const stage = await openStage({
    external: { pbx: { port: pbx.port } },
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: all.map((user) => ({ peer: 'pbx', user })), ...(lookup === null ? {} : { lookup: { url, ...lookup } }) }] },
  });
  t.teardown(() => stage.close());
  const rig: Rig = { stage, asked, rung, refuses, answer: (_, response) => response.end('{}'), call: async (more = {}) => (await stage.call({ media: 'none', ...more }, 50)).status };
  return rig;
}

const targets = (...users: string[]): string => JSON.stringify({ targets: users.map((user) => ({ peer: 'pbx', user, skill: 'ignored' })) });

t.test('whom it names is rung, in its order', async (t) => {
  const rig = await open(t, { authorization: 'Bearer of-the-crm' });
  let authorization: string | undefined;
  rig.answer = ({ headers }, response) => {
    ({ authorization } = headers);
    response.end(targets('6003', '6001'));
  };
  rig.refuses.set('6003', [480]);
  t.equal(await rig.call({ from: '+447700900105', payload: 'order-7' }), 200);
  t.same(rig.rung, ['6003', '6001']);
  t.equal(authorization, 'Bearer of-the-crm');
  t.match(JSON.parse(rig.asked[0]!), { route: 'main', number, user: '+447700900105', payload: 'order-7', wacid: /.+/, targets: all.map((user) => ({ peer: 'pbx', user })) });
  rig.answer = (_, response) => response.end(targets());
  t.equal(await rig.call(), 480, 'and nobody where it names nobody');
  t.equal(rig.rung.length, 2);
});

t.test('policy decides who may be rung: a lie rings nobody else', async (t) => {
  const rig = await open(t, {});
  rig.answer = (_, response) => response.end(JSON.stringify({ targets: [
    { peer: 'pbx', user: '+15551234567' }, { peer: 'pbx', user: '6009' }, { peer: 'carrier', user: '6001' }, { peer: 'pbx', user: '6001@evil.example' }, { peer: 'pbx', user: '6002' },
  ] }));
  t.equal(await rig.call(), 200);
  t.same(rig.rung, ['6002']);
  const [record] = await rig.stage.running.records(1);
  t.match(record!.tries, [{ user: '+15551234567', status: 403, reason: 'target.number' }, { user: '6009', status: 403, reason: 'route.target' }, { status: 403 }, { user: '6002', status: 200 }]);
});

t.test('a server that is slow, wrong or gone costs its time-out at most, then the route rings as it stands', async (t) => {
  for (const [what, asked, answer] of [
    ['never answers', 1, () => undefined], ['500', 1, (_: unknown, response: ServerResponse) => { response.writeHead(500).end(); }], ['429', 1, (_: unknown, response: ServerResponse) => { response.writeHead(429).end(); }],
    ['drips', 1, (_: unknown, response: ServerResponse) => { const drip = setInterval(() => { response.write(' '); }, 20); response.once('close', () => { clearInterval(drip); }); }],
    ['a redirection', 1, (_: unknown, response: ServerResponse) => { response.writeHead(302, { location: '/elsewhere' }).end(); }],
    // What it says to one call is no reason not to ask it for the next.
    ['404', 2, (_: unknown, response: ServerResponse) => { response.writeHead(404).end(); }], ['no JSON', 2, (_: unknown, response: ServerResponse) => { response.end('<html>'); }],
    ['another form', 2, (_: unknown, response: ServerResponse) => { response.end('{"targets":["6003"]}'); }], ['too long', 2, (_: unknown, response: ServerResponse) => { response.end(targets(...Array<string>(5000).fill('6003'))); }],
    ['half a character', 2, (_: unknown, response: ServerResponse) => { response.end('{"targets":[{"peer":"pbx","user":"\\ud800"}]}'); }],
  ] as const) {
    await t.test(what, async (t) => {
      const rig = await open(t, { timeout: 1 });
      rig.answer = answer;
      t.equal(await rig.call(), 200);
      t.equal(await rig.call(), 200);
      t.same(rig.rung, ['6001', '6001']);
      t.equal(rig.asked.length, asked, asked === 1 ? 'and is left alone for a while' : 'and is asked for the next call');
      const told = rig.stage.running.log.filter((line) => line.includes('the look-up of route main gives nothing'));
      t.equal(told.length, asked);
      t.notMatch(told[0], /hidden/);
    });
  }
});

t.test('an answer counts for as long as it is said to', async (t) => {
  const rig = await open(t, { cache: 60 });
  rig.answer = (_, response) => response.end(targets('6002'));
  await rig.call();
  await rig.call();
  t.equal(rig.asked.length, 1);
  await rig.call({ from: '+447700900106' });
  t.equal(rig.asked.length, 2, 'for the same user');
  t.same(rig.rung, ['6002', '6002', '6002']);
});

t.test('a user who hangs up ends the question', async (t) => {
  const rig = await open(t, { timeout: 10 });
  const opened = deferred<void>();
  const gone = new Promise<void>((resolve) => {
    rig.answer = (_, response) => {
      response.once('close', resolve);
      opened.resolve();
    };
  });
  const user = rig.stage.user({ media: 'none' });
  const placed = user.place();
  await opened.promise;
  await user.cancel();
  t.equal(await placed, 487);
  await gone;
  t.same(rig.rung, []);
});

t.test('who refuses with Retry-After comes last for that long; who is the only one left is rung all the same', async (t) => {
  const rig = await open(t, null);
  rig.refuses.set('6001', [480, '60 (lunch)']);
  t.equal(await rig.call(), 200);
  t.equal(await rig.call(), 200);
  t.same(rig.rung, ['6001', '6002', '6002']);
  rig.refuses.set('6002', [486, '18000;duration=3600']).set('6003', [480]);
  rig.refuses.delete('6001');
  rig.rung.length = 0;
  t.equal(await rig.call(), 200);
  t.same(rig.rung, ['6002', '6003', '6001'], 'last, and not never');
  rig.rung.length = 0;
  t.equal(await rig.call(), 200);
  t.same(rig.rung, ['6001'], 'who has taken a call is back; who was busy is not');
  const records = await rig.stage.running.records(4);
  t.match(records[1]!.tries[0], { user: '6001', callId: null, text: /has asked for \d+ s more without calls \(Retry-After\)/ });
});

t.test('a 503 with Retry-After speaks for the whole peer', async (t) => {
  const rig = await open(t, null);
  rig.refuses.set('6001', [503, '30']);
  t.equal(await rig.call(), 200);
  // All of its users rest: they are rung only because there is nobody else.
  t.same(rig.rung, ['6001', '6002']);
  const [record] = await rig.stage.running.records(1);
  t.match(record!.tries.map(({ user, callId }) => [user, callId !== null]), [['6001', true], ['6002', false], ['6003', false], ['6002', true]]);
});
