import t from 'tap';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import { number } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';
import { assertQuietLeg, dial, hears, recordOf, tonesOf, until } from './steps.js';

/** A PBX whose users differ by what they do: 6001 is silent, 6002 answers with the tone after a second of ringing, and so on. */
const users: Record<string, string> = { '6001': 'silence', '6002': 'tone,delay=1', '6003': 'busy,delay=0.5', '6004': 'ring', '6005': 'tone' };
const pbx = { answer: (user: string) => users[user] ?? 'notfound', tones: tonesOf.pbx, expect: tonesOf.user, config: { mayCall: [number] } };

// One service for all of these: what one call leaves behind, the next would notice.
const stage = await openStage({ peers: { pbx }, overlay: { routes: [
  { name: 'ringing', number, payload: '^ringing', to: [{ peer: 'pbx', user: '6001' }], transferSound: 'ringback' },
  { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 3 },
] } });
t.teardown(() => stage.close());
const target = (user: string): string => `sip:${user}@127.0.0.1:${stage.peers.pbx!.port}`;

/** An answered user-initiated call with 6001. */
async function talk(): Promise<{ user: ReturnType<Stage['user']>; call: PeerCall }> {
  const user = stage.user({ expect: tonesOf.pbx });
  if (await user.place() !== 200) throw new Error('the call was not answered');
  return { user, call: stage.peers.pbx!.lastCall! };
}

const statuses = (call: PeerCall): string[] => call.report().notified.map((line) => line.replace('SIP/2.0 ', '').split(' ')[0]!);

t.test('blind, the transferor waits: music, then the target; NOTIFYs tell the real outcome; we end the transferor', async (t) => {
  const { user, call } = await talk();
  const next = stage.peers.pbx!.nextCall();
  t.equal(await call.refer(target('6002')), 202);
  const second = await next;
  await hears(user, 'music', 20);
  await hears(user, 'tone');
  await hears(second, 'tone');
  await until(() => call.ended, 'the transferor is let go');
  t.same(statuses(call), ['100', '180', '200']);
  t.match(call.report(), { endedBy: 'far', endReason: /SIP;cause=200/ });
  t.same(call.report().faults, []);
  t.match(second.report().headers, { 'x-wa-number': number });
  await user.hangUp();
  assertQuietLeg(t, user.report());
  const cdr = await recordOf(stage, user);
  t.match(cdr, { peer: 'pbx', target: '6002', callIds: { peer: second.callId }, transfers: [{ kind: 'blind', by: 'pbx', to: '6002@pbx', status: 200 }], termination: { by: 'user' } });
  await until(() => stage.running.service.table.onPeer('pbx') === 0, 'every place is given back');
});

t.test('transferSound: ringback: the user hears it ring until the target answers', async (t) => {
  // ITU-T E.180: 425 Hz counts as the tone here, what the PBX says as something else.
  const user = stage.user({ expect: [425], payload: 'ringing' });
  t.equal(await user.place(), 200);
  const call = stage.peers.pbx!.lastCall!;
  await hears(user, 'silence');
  t.equal(await call.refer(target('6002')), 202);
  await hears(user, 'tone', 20);
  await until(() => statuses(call).at(-1) === '200', 'the target answers');
  await hears(user, 'music', 20);
  const { heard } = user.report().audio!.detail.tone;
  await hears(user, 'music', 20);
  t.equal(user.report().audio!.detail.tone.heard, heard, 'it rings no more');
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6002', transfers: [{ kind: 'blind', status: 200 }] });
  assertQuietLeg(t, user.report());
});

t.test('blind, the transferor leaves at once; later the target transfers on', async (t) => {
  const { user, call } = await talk();
  const next = stage.peers.pbx!.nextCall();
  t.equal(await call.refer(target('6002')), 202);
  await call.bye();
  const second = await next;
  await hears(user, 'tone');
  const then = stage.peers.pbx!.nextCall();
  t.equal(await second.refer(target('6005')), 202);
  const third = await then;
  await until(() => second.ended, 'the second leaves');
  await hears(user, 'tone');
  await third.bye();
  const cdr = await recordOf(stage, user);
  t.match(cdr, { target: '6005', termination: { by: 'peer', reason: 'hangup' }, transfers: [{ status: 200 }, { status: 200, to: '6005@pbx' }] });
  await until(() => user.ended, 'Meta gets the BYE');
  assertQuietLeg(t, user.report());
});

t.test('blind, the transferor leaves while the engine still takes their last answer', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const { user, call } = await talk();
    t.equal(await call.reinviteOfferless('silence'), 200);
    t.equal(await call.refer(target('6005')), 202);
    await call.bye();
    await hears(user, 'tone');
    await user.hangUp();
    t.match(await recordOf(stage, user), { target: '6005', termination: { by: 'user', reason: 'hangup' }, transfers: [{ status: 200 }] });
    assertQuietLeg(t, user.report());
  }
});

for (const [name, status] of [['6003', 486], ['6004', 480]] as const) {
  t.test(`blind to one who does not take it (${status}): back with the transferor`, async (t) => {
    const { user, call } = await talk();
    call.say('tone');
    await hears(user, 'tone');
    t.equal(await call.refer(target(name)), 202);
    await hears(user, 'music', 20);
    await until(() => statuses(call).at(-1) === String(status), `NOTIFY ${status}`);
    await hears(user, 'tone');
    await hears(call, 'tone');
    t.equal(await call.refer(target('6005')), 202, 'and may try another');
    await until(() => call.ended, 'the transferor leaves');
    await user.hangUp();
    t.match(await recordOf(stage, user), { target: '6005', transfers: [{ status }, { status: 200 }] });
    assertQuietLeg(t, user.report());
  });
}

t.test('blind, nobody answers and the transferor has left: they are called back', async (t) => {
  const { user, call } = await talk();
  t.equal(await call.refer(target('6003')), 202);
  await call.bye();
  users['6001'] = 'tone,delay=0.3';
  t.teardown(() => { users['6001'] = 'silence'; });
  await hears(user, 'music', 20);
  await hears(user, 'tone');
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6001', transfers: [{ to: '6003@pbx', status: 486 }] });
  assertQuietLeg(t, user.report());
});

t.test('what policy refuses is refused on the REFER, and nothing is sent', async (t) => {
  const { user, call } = await talk();
  const { port } = stage.peers.pbx!;
  for (const [to, status] of [
    [target('+447700900555'), 403], ['tel:+447700900555', 403], ['sip:6002@203.0.113.9', 403], [`sip:7001@127.0.0.1:${port}`, 403],
    [`<sip:6002@127.0.0.1:${port};user=phone>`, 403], [`<sip:6002@127.0.0.1:${port}?Route=%3Csip:1.2.3.4%3E>`, 403], ['sip:+447700900102@wa.meta.vc', 403],
    ['nonsense', 400], [`<sip:6002@127.0.0.1:${port}>, <sip:6003@127.0.0.1:${port}>`, 400],
  ] as const) t.equal(await call.refer(to), status, to);
  t.equal(stage.peers.pbx!.liveCalls.length, 1);
  t.same(call.report().notified, []);
  await user.hangUp();
  const cdr = await recordOf(stage, user);
  t.equal(cdr!.transfers.length, 7);
  t.ok(cdr!.transfers.every(({ to, status }) => to === null && status === 403));
  assertQuietLeg(t, user.report());
});

t.test('attended: the target gets the Replaces of the consultation, after the hold', async (t) => {
  const { user, call } = await talk();
  t.equal(await call.hold(), 200);
  await hears(user, 'music');
  const next = stage.peers.pbx!.nextCall();
  t.equal(await call.refer(`${target('6005')}?Replaces=consult-1%40pbx%3Bto-tag%3Dabc%3Bfrom-tag%3Ddef&Require=replaces`, { 'Referred-By': `<${target('6001')}>` }), 202);
  const second = await next;
  await hears(user, 'tone');
  const { message } = second.report();
  t.match(message, /\r\nReplaces: consult-1@pbx;to-tag=abc;from-tag=def\r\n/);
  t.match(message, /\r\nRequire: replaces\r\n/);
  t.match(message, /\r\nReferred-By: <sip:6001@/);
  await call.bye();
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6005', transfers: [{ kind: 'attended', status: 200 }] });
  assertQuietLeg(t, user.report());
});

t.test('attended to a dialog of ours would join two WhatsApp users: 403', async (t) => {
  const first = await talk();
  const second = stage.user({ from: '+447700900102', expect: tonesOf.pbx });
  t.equal(await second.place(), 200);
  const other = stage.peers.pbx!.lastCall!;
  const { callId, remote, local } = other.ids();
  t.equal(await first.call.refer(`${target('6001')}?Replaces=${encodeURIComponent(`${callId};to-tag=${remote};from-tag=${local}`)}`), 403);
  t.notOk(other.ended);
  await first.user.hangUp();
  await second.hangUp();
});

t.test('a redirection of the target is followed and judged', async (t) => {
  users['6006'] = `redirect=${target('6005')}`;
  users['6007'] = 'redirect=sip:+447700900555@203.0.113.9';
  users['6008'] = `redirect=${target('6008')}`;
  const { user, call } = await talk();
  t.equal(await call.refer(target('6007')), 202);
  await until(() => statuses(call).at(-1) === '403', 'a forbidden Contact');
  t.equal(await call.refer(target('6008')), 202);
  await until(() => statuses(call).at(-1) === '480', 'a loop of redirections');
  t.equal(await call.refer(target('6006')), 202);
  await hears(user, 'tone');
  await user.hangUp();
  t.match(await recordOf(stage, user), { target: '6005', transfers: [{ status: 403 }, { status: 480 }, { to: '6006@pbx', status: 200 }] });
  assertQuietLeg(t, user.report());
});

t.test('business-initiated: the caller gives the user to a colleague, from hold; the user hangs up', async (t) => {
  const meta = await stage.answerAsMeta({ behaviour: 'tone', expect: tonesOf.pbx, tones: tonesOf.user });
  const call = await dial(stage, { source: 'silence' });
  t.equal(await call.final, 200);
  const [metaCall] = meta.liveCalls;
  await hears(call, 'tone');
  t.equal(await call.hold('inactive'), 200);
  await hears(metaCall!, 'music');
  t.equal(await call.refer(target('6002')), 202);
  await hears(metaCall!, 'tone');
  await until(() => call.ended, 'the transferor leaves');
  t.same(statuses(call), ['100', '180', '200']);
  const colleague = stage.peers.pbx!.lastCall!;
  t.match(colleague.from, '+447700900101');
  await metaCall!.hangUp();
  await until(() => colleague.ended, 'the colleague gets the BYE');
  t.match(await recordOf(stage, metaCall!), { direction: 'business-initiated', target: '6002', termination: { by: 'user' }, transfers: [{ status: 200 }] });
  assertQuietLeg(t, meta.reports[0]!);
});
