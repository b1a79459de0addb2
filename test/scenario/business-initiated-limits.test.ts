import t, { type Test } from 'tap';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage, type StageOptions } from './harness.js';

const user = (n: number): string => `+447700900${String(n).padStart(3, '0')}`;
type Calls = Awaited<ReturnType<Stage['peers'][string]['call']>>;

/** A stage for signalling alone; `limits` are laid over the number, `peer` over the PBX. */
async function quiet(t: Test, limits: object, peer: object = {}, overlay: StageOptions['overlay'] = {}): Promise<Stage> {
  const stage = await openStage({
    peers: { pbx: { media: 'none', config: { mayCall: [number], maxConcurrentCalls: 1000, ...peer } } },
    overlay: { numbers: { [number]: limits }, meta: { mediaTimeout: 0 }, ...overlay },
  });
  t.teardown(() => stage.close());
  return stage;
}

function dial(stage: Stage, to: string): Promise<Calls> {
  return stage.peers.pbx!.call(`sip:${to}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
}

/** Every call is over, and nothing is counted any more. */
async function atZero(t: Test, stage: Stage, users: readonly string[]): Promise<void> {
  const { table } = stage.running.service;
  await Promise.all(table.all().map((call) => call.ended));
  // The pair is given back when Meta has let go of the call, a turn after that.
  await pause(50);
  t.same({ calls: table.size, number: table.onNumber(number), peer: table.onPeer('pbx'), pairs: users.filter((u) => table.onPair(number, u) > 0) },
    { calls: 0, number: 0, peer: 0, pairs: [] }, 'every place was given back');
}

t.test('200 calls at once against a limit of 50: 50 reach Meta, 150 are told why, counters end at zero', async (t) => {
  const stage = await quiet(t, { maxConcurrentCalls: 50 });
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'ring=0.2' });
  const users = Array.from({ length: 200 }, (_, i) => user(100 + i));
  const calls = await Promise.all(users.map((to) => dial(stage, to)));
  const statuses = await Promise.all(calls.map((call) => call.final));
  t.equal(statuses.filter((status) => status === 200).length, 50);
  t.equal(statuses.filter((status) => status === 503).length, 150);
  t.equal(meta.liveCalls.length, 50, 'at Meta');
  t.equal(meta.attempts.length, 0, 'Meta had nothing to refuse');
  const refused = calls.filter((_, i) => statuses[i] === 503).map((call) => call.report().message);
  t.ok(refused.every((text) => /\r\nRetry-After: \d+\r\n/i.test(text)), 'each is told when to come again');
  t.ok(refused.every((text) => /\r\nReason: SIP;cause=503;text="\+447700900001 carries its 50 calls already"\r\n/i.test(text)), 'and why');
  t.equal(stage.running.service.table.onNumber(number), 50);

  t.equal(await (await dial(stage, user(900))).final, 503, 'still full');
  await calls.find((_, i) => statuses[i] === 200)!.bye();
  await stage.running.records(152);
  const next = await dial(stage, user(901));
  t.equal(await next.final, 200, 'one place was given back');
  await Promise.all([...calls, next].map((call) => call.bye()));
  const records = await stage.running.records(202);
  t.equal(records.filter(({ termination }) => termination.reason === 'limit.number').length, 151);
  t.ok(records.filter(({ termination }) => termination.reason === 'limit.number').every(({ rule }) => rule === `numbers."${number}".maxConcurrentCalls`));
  await atZero(t, stage, users);
  t.equal(meta.liveCalls.length, 0);
  t.equal(meta.reports.length, 51);
  t.same(meta.reports.flatMap((r) => r.violations), []);
});

t.test('calls that end in every way give their places back', async (t) => {
  const stage = await quiet(t, {});
  const ends = ['noring', 'noPermission', 'declined', 'sdp', 'ring', 'hangup=0.1', 'slow=0.2', 'ring=0.05', 'error', 'unreachable'];
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: (u) => ends[Number(u.slice(-1))]! });
  const users = Array.from({ length: 60 }, (_, i) => user(100 + i));
  await Promise.all(users.map(async (to, i) => {
    const call = await dial(stage, to);
    if (i % 10 === 4 || i % 3 === 0) setTimeout(() => call.cancel(), 10 * (i % 7));
    if (await call.final === 200) await call.bye();
  }));
  await stage.running.records(60);
  await atZero(t, stage, users);
  t.equal(meta.liveCalls.length, 0);
});

t.test('one live call for each pair, whoever called', async (t) => {
  const stage = await quiet(t, {});
  const meta = await stage.answerAsMeta({ media: 'none' });
  const calls = await Promise.all([1, 2, 3, 4].map(() => dial(stage, user(101))));
  const statuses = await Promise.all(calls.map((call) => call.final));
  t.same(statuses.sort(), [200, 503, 503, 503]);
  t.equal(meta.attempts.length, 0, 'Meta had no duplicate to refuse');
  t.equal(await (await dial(stage, user(102))).final, 200, 'another user');
  await Promise.all(stage.peers.pbx!.liveCalls.map((call) => call.bye()));
  const records = await stage.running.records(5);
  t.match(records.find(({ termination }) => termination.status === 503), { termination: { by: 'policy', reason: 'limit.pair' }, user: '+4477******01' });
  await atZero(t, stage, [user(101), user(102)]);

  const caller = stage.user({ from: user(103), media: 'none' });
  t.equal(await caller.place(), 200, 'the user calls the business');
  t.equal(await (await dial(stage, user(103))).final, 503, 'and is not called meanwhile');
  await caller.hangUp();
  caller.close();
  await stage.running.records(7);
  await pause(50);
  const call = await dial(stage, user(103));
  t.equal(await call.final, 200);
  await call.bye();
});

t.test('connected calls of a pair in 24 h, by programme; refused and unanswered ones do not count', async (t) => {
  const stage = await quiet(t, { pairLimit: 'launch' });
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'declined,ring=0' });
  for (let i = 0; i < 3; i++) t.equal(await (await dial(stage, user(101))).final, 486);
  meta.behaviour = 'noring';
  for (let i = 0; i < 6; i++) {
    const call = await dial(stage, user(101));
    const status = await call.final;
    t.equal(status, i < 5 ? 200 : 403, `call ${i + 1}`);
    if (status === 200) await call.bye();
    else t.match(call.report().message, /\r\nReason: SIP;cause=403;text="5 connected calls to this user in 24 h; the next after 20\d\d-\d\d-\d\dT\d\d:\d\dZ"\r\n/i);
    await stage.running.records(4 + i);
    await pause(20);
  }
  t.match((await stage.running.records(9))[8]!.termination, { by: 'policy', reason: 'limit.pairDaily', rule: `numbers."${number}".pairLimit` });
  const other = await dial(stage, user(102));
  t.equal(await other.final, 200, 'another user may still be called');
  await other.bye();
});

t.test('new calls of a number in 24 h; those that never reached Meta do not count', async (t) => {
  const stage = await quiet(t, { newCallsPerDay: 20 });
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
  const calls = await Promise.all(Array.from({ length: 60 }, (_, i) => dial(stage, user(100 + i))));
  await Promise.all(calls.map((call) => call.final));
  t.equal(meta.attempts.length + meta.reports.length, 20);
  t.equal(calls.filter((call) => /Reason: .*"20 new calls in 24 h; the next after /i.test(call.report().message)).length, 40);

  const broken = await quiet(t, { newCallsPerDay: 2 });
  await broken.meta.close();
  for (let i = 0; i < 4; i++) t.equal(await (await dial(broken, user(100 + i))).final, 503, 'Meta is not there');
  t.equal((await broken.running.records(4)).filter(({ termination }) => termination.reason === 'metaUnreachable').length, 4);
});

t.test('calls a second of a number and of a peer, and calls at once of a peer', async (t) => {
  const count = (statuses: readonly number[], status: number): number => statuses.filter((s) => s === status).length;
  for (const [limits, peer, reason] of [[{ callsPerSecond: 5 }, {}, 'limit.numberRate'], [{}, { callsPerSecond: 5 }, 'limit.peerRate'], [{}, { maxConcurrentCalls: 5 }, 'limit.peer']] as const) {
    const stage = await quiet(t, limits, peer);
    await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
    const burst = async (from: number): Promise<number[]> => {
      const calls = await Promise.all(Array.from({ length: 20 }, (_, i) => dial(stage, user(from + i))));
      return Promise.all(calls.map((call) => call.final));
    };
    const first = await burst(100);
    t.same([count(first, 200), count(first, 503)], [5, 15], reason);
    t.equal((await stage.running.records(15)).filter(({ termination }) => termination.reason === reason).length, 15);
    if (reason !== 'limit.peer') {
      await pause(1000);
      const second = await burst(200);
      t.same([count(second, 200), count(second, 503)], [5, 15], 'the next second');
    }
    await Promise.all(stage.peers.pbx!.liveCalls.map((call) => call.bye()));
    await atZero(t, stage, []);
  }
});
