// The user's voice goes to nobody who does not listen, and who sends is heard, whatever made the connection (RFC 3264 §5.1, §6.1, §8.4).
import t, { type Test } from 'tap';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { assertQuietLeg, dial, hears, recordOf, tonesOf, until, user as whatsAppUser } from '../pbx/steps.js';

/** PBX users by what they do; 6002 to 6006 are targets of transfers and ring-all. */
const users: Record<string, string> = {
  '6001': 'tone,first=sendonly', '6002': 'tone,first=inactive', '6003': 'tone,early,first=sendonly,delay=1.2', '6004': 'tone', '6005': 'mute,first=sendonly',
  '6006': 'tone,first=recvonly', '6007': 'tone,early,first=inactive,delay=1', '6008': 'busy,delay=0.3', '6009': 'ring',
};
const to = (...targets: string[]): object[] => targets.map((user) => ({ peer: 'pbx', user }));
const stage = await openStage({
  peers: { pbx: { answer: (user: string) => users[user] ?? 'tone', tones: tonesOf.pbx, expect: tonesOf.user, config: { mayCall: [number] } } },
  overlay: { routes: [
    ...['6001', '6002', '6003', '6004', '6005', '6006'].map((user) => ({ name: `to-${user}`, number, payload: `^${user}$`, to: to(user) })),
    { name: 'none', number, payload: '^none', to: to('6001'), music: 'none' },
    { name: 'early', number, payload: '^early', to: to('6003'), answerOnEarlyMedia: true },
    { name: 'silent', number, payload: '^silent', to: to('6007'), answerOnEarlyMedia: true },
    { name: 'queue', number, payload: '^queue', to: to('6001'), answerFirst: true },
    { name: 'all', number, payload: '^all', to: to('6009', '6001'), strategy: 'ring-all' },
    { name: 'main', number, to: to('6004') },
  ] },
});
t.teardown(() => stage.close());
const pbx = stage.peers.pbx!;

const heardBy = (call: PeerCall): number => call.report().media!.received.packets;

/** Nothing at all reaches this one for a while. */
async function hearsNothing(t: Test, call: PeerCall, ms = 700): Promise<void> {
  // What was under way as it stopped listening.
  await pause(100);
  const before = heardBy(call);
  await pause(ms);
  t.equal(heardBy(call) - before, 0, 'no packet to who does not listen');
}

for (const [payload, what, kind] of [
  ['6001', 'a 200 with sendonly: its announcement', 'tone'], ['none', 'the same with music: none', 'tone'], ['queue', 'the same behind a queue', 'tone'],
  ['all', 'the same as the winner of ring-all', 'tone'], ['6002', 'a 200 with inactive: our music', 'music'], ['6005', 'sendonly, and sends nothing: our music', 'music'],
] as const) {
  t.test(`user-initiated, ${what}, and no packet to the PBX; then both ways, then on hold`, async (t) => {
    const caller = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user, payload });
    const incoming = payload === 'all' ? null : pbx.nextCall();
    t.equal(await caller.place(), 200);
    await hears(caller, kind, 50);
    const call = await incoming ?? pbx.lastCall!;
    await hearsNothing(t, call);
    await hears(caller, kind, 50);
    t.equal(await call.resume('tone'), 200);
    await Promise.all([hears(caller, 'tone'), hears(call, 'tone')]);
    t.equal(await call.hold('inactive'), 200);
    await hears(caller, payload === 'none' ? 'silence' : 'music', 30);
    await hearsNothing(t, call, 300);
    await caller.hangUp();
    assertQuietLeg(t, caller.report());
    t.same(call.report().faults, []);
    await recordOf(stage, caller);
  });
}

t.test('user-initiated, a 200 with recvonly: it hears the user, who hears no music', async (t) => {
  const caller = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user, payload: '6006' });
  t.equal(await caller.place(), 200);
  await hears(pbx.lastCall!, 'tone', 30);
  await hears(caller, 'silence', 50);
  await caller.hangUp();
  assertQuietLeg(t, caller.report());
});

t.test('early media of who does not listen, heard; early media of who does not send, not waited for', async (t) => {
  const caller = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user, payload: 'early' });
  const incoming = pbx.nextCall();
  t.equal(await caller.place(), 200);
  const call = await incoming;
  await hears(caller, 'tone');
  t.equal(call.report().status, 0, 'not answered yet');
  t.equal(heardBy(call), 0);
  await until(() => call.report().status === 200, 'the answer');
  await hears(caller, 'tone', 30);
  t.equal(heardBy(call), 0, 'nor behind the answer');
  await caller.hangUp();
  assertQuietLeg(t, caller.report());

  const other = stage.user({ expect: tonesOf.pbx, payload: 'silent' });
  t.equal(await other.place(), 200);
  t.ok(other.report().setup.answeredMs! > 900, 'answered when the PBX was');
  await hears(other, 'music');
  await other.hangUp();
  assertQuietLeg(t, other.report());
});

for (const [first, delayedOffer] of [['sendonly', false], ['inactive', false], ['sendonly', true], ['inactive', true]] as const) {
  t.test(`business-initiated, ${first} in the ${delayedOffer ? 'ACK' : 'INVITE'}`, async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.3', tones: tonesOf.user, expect: tonesOf.pbx });
    t.teardown(() => meta.close());
    const call = await dial(stage, { first, delayedOffer }, whatsAppUser);
    t.equal(await call.final, 200);
    const whatsapp = meta.liveCalls[0]!;
    await hears(whatsapp, first === 'sendonly' ? 'tone' : 'music', 50);
    await hearsNothing(t, call);
    t.equal(call.report().theirDirections.at(-1), delayedOffer ? 'sendrecv' : { sendonly: 'recvonly', inactive: 'inactive' }[first], 'ours');
    t.equal(await call.resume('tone'), 200);
    await Promise.all([hears(whatsapp, 'tone'), hears(call, 'tone')]);
    await call.bye();
    await until(() => whatsapp.ended, 'the end');
    assertQuietLeg(t, whatsapp.report());
    await meta.close();
  });
}

t.test('transfer to an announcement; a transfer that fails comes back to who holds; pick-up by who does not listen', async (t) => {
  const uriOf = (user: string): string => `sip:${user}@127.0.0.1:${pbx.port}`;
  const caller = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user, payload: 'main' });
  t.equal(await caller.place(), 200);
  const first = pbx.lastCall!;
  await hears(caller, 'tone');
  t.equal(await first.hold('sendonly'), 200);
  await hears(caller, 'music', 20);
  t.equal(await first.refer(uriOf('6008')), 202);
  await until(() => first.report().notified.some((line) => line.includes('486')), 'NOTIFY 486');
  await hearsNothing(t, first);
  await hears(caller, 'music', 20);
  const incoming = pbx.nextCall();
  t.equal(await first.refer(uriOf('6001')), 202);
  const second = await incoming;
  await until(() => first.ended, 'the transferor leaves');
  await hears(caller, 'tone', 50);
  await hearsNothing(t, second);
  const { callId, local, remote } = second.ids();
  const third = await pbx.call(`sip:pickup@127.0.0.1:${stage.running.udp.port}`, {
    from: '<sip:6005@pbx.example>', headers: { Replaces: `${callId};to-tag=${remote};from-tag=${local}` }, first: 'inactive',
  });
  t.equal(await third.final, 200);
  await until(() => second.ended, 'the announcement ends');
  await hears(caller, 'music', 50);
  await hearsNothing(t, third);
  t.equal(await third.resume('tone'), 200);
  await Promise.all([hears(caller, 'tone'), hears(third, 'tone')]);
  await caller.hangUp();
  assertQuietLeg(t, caller.report());
});
