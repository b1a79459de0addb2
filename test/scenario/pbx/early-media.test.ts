import t from 'tap';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf, until } from './steps.js';

const users: Record<string, string> = { '6001': 'tone,early,delay=1.5', '6002': 'tone,early,delay=1,busy', '6003': 'tone,delay=1', '6004': 'busy,delay=1', '6005': 'tone,early,fork,delay=0.7', '6006': 'ring', '6007': 'tone,early,delay=9' };
const to = (...targets: string[]): object[] => targets.map((user) => ({ peer: 'pbx', user }));
const stage = await openStage({
  peers: { pbx: { answer: (user: string) => users[user] ?? 'tone', tones: tonesOf.pbx, expect: tonesOf.user } },
  overlay: { routes: [
    { name: 'early', number, payload: '^early', to: to('6001'), answerOnEarlyMedia: true },
    { name: 'announced', number, payload: '^announced', to: to('6002', '6003'), answerOnEarlyMedia: true, stopOn: ['busy', 'declined'] },
    { name: 'queue', number, payload: '^queue', to: to('6003'), answerFirst: true },
    { name: 'full', number, payload: '^full', to: to('6004'), answerFirst: true },
    { name: 'all', number, payload: '^all', to: to('6005', '6006', '6001'), strategy: 'ring-all' },
    { name: 'both', number, payload: '^both', to: to('6001', '6007'), strategy: 'ring-all', answerOnEarlyMedia: true },
    { name: 'main', number, to: to('6001') },
  ] },
});
t.teardown(() => stage.close());

t.test('early media is kept from Meta: 180, and nothing before the 200', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'plain' });
  t.equal(await user.place(), 200);
  const report = user.report();
  t.ok(report.setup.answeredMs! - report.setup.ringingMs! > 1000, 'answered when the peer was');
  await hears(user, 'tone');
  await user.hangUp();
  assertQuietLeg(t, user.report());
});

t.test('answerOnEarlyMedia: Meta is answered with the announcement, which is heard before the PBX answers', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'early' });
  const incoming = stage.peers.pbx!.nextCall();
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  const call = await incoming;
  t.equal(call.report().status, 0, 'the peer has not answered yet');
  await new Promise<void>((resolve) => { call.once('confirmed', () => resolve()); });
  await Promise.all([hears(user, 'tone'), hears(call, 'tone')]);
  await user.hangUp();
  assertQuietLeg(t, user.report());
});

t.test('an announcement, then busy: music until the next target answers', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'announced' });
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await until(() => user.ended, 'a busy user has answered the question');
  t.match(await recordOf(stage, user), { termination: { by: 'peer', reason: 'busy', status: 486 }, setupMs: Number });
  assertQuietLeg(t, user.report());

  users['6002'] = 'tone,early,delay=1,unavailable';
  const again = stage.user({ expect: tonesOf.pbx, payload: 'announced' });
  t.equal(await again.place(), 200);
  await hears(again, 'tone');
  await hears(again, 'music', 20);
  await hears(again, 'tone');
  await again.hangUp();
  t.match(await recordOf(stage, again), { target: '6003' });
  assertQuietLeg(t, again.report());
});

t.test('two targets with announcements: the one that is cancelled takes nothing from the one that has answered', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'both' });
  const incoming = stage.peers.pbx!.nextCall();
  t.equal(await user.place(), 200);
  const first = await incoming;
  await until(() => first.ended || first.report().status === 200, 'an answer');
  await hears(user, 'tone', 60);
  await user.hangUp();
  assertQuietLeg(t, user.report());
});

t.test('answerFirst: answered at once, music while the PBX rings, then the PBX user', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'queue' });
  t.equal(await user.place(), 200);
  t.ok(user.report().setup.answeredMs! < 1000, `answered after ${user.report().setup.answeredMs} ms`);
  await hears(user, 'music', 20);
  await hears(user, 'tone');
  await user.hangUp();
  assertQuietLeg(t, user.report());
});

t.test('answerFirst and nobody takes it: BYE with the reason, and the CDR says who', async (t) => {
  const user = stage.user({ expect: tonesOf.pbx, payload: 'full' });
  t.equal(await user.place(), 200);
  await until(() => user.ended, 'the call ends');
  t.match(user.report().byeReason, /SIP;cause=486/);
  t.match(await recordOf(stage, user), { termination: { by: 'peer', reason: 'busy', status: 486 } });
  assertQuietLeg(t, user.report());
});

t.test('answerFirst and the user hangs up in the queue: the ringing PBX user is cancelled', async (t) => {
  users['6003'] = 'ring';
  t.teardown(() => { users['6003'] = 'tone,delay=1'; });
  const user = stage.user({ expect: tonesOf.pbx, payload: 'queue' });
  const incoming = stage.peers.pbx!.nextCall();
  t.equal(await user.place(), 200);
  const ringing = await incoming;
  await hears(user, 'music');
  await user.hangUp();
  await until(() => ringing.ended, 'CANCEL');
  t.match(ringing.report().endedBy, 'far');
  t.match(await recordOf(stage, user), { termination: { by: 'user', reason: 'hangup' } });
  assertQuietLeg(t, user.report());
});

t.test('ring-all with early media and a fork: the first 200 wins, the losers get CANCEL or BYE, cause 200', async (t) => {
  const before = stage.peers.pbx!.reports.length;
  const user = stage.user({ expect: tonesOf.pbx, payload: 'all' });
  t.equal(await user.place(), 200);
  await hears(user, 'tone');
  await until(() => stage.peers.pbx!.reports.length >= before + 2, 'the two that lost');
  for (const report of stage.peers.pbx!.reports.slice(before)) t.match(report.endReason, /SIP;cause=200/);
  t.equal(stage.peers.pbx!.liveCalls.length, 1);
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6005' });
  assertQuietLeg(t, user.report());
});
