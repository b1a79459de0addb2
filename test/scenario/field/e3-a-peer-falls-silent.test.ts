// A PBX that dies in a call: the user does not listen to silence for ever. Who holds, waits or suppresses silence is not taken for dead.
import t, { type Test } from 'tap';
import type { CallRecord } from '../../../lib/call/record.js';
import { engines } from '../../helpers/engines.js';
import { pairOfPorts } from '../../helpers/ports.js';
import { RawPeer } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';
import { assertQuietLeg, dial, hears, recordOf, tonesOf, until } from '../pbx/steps.js';

t.setTimeout(240_000);
const seconds = 2;
/** Long enough that a call which is to be ended would have been. */
const patience = 2 * seconds * 1000 + 500;
const users: Record<string, string> = { '6001': 'tone', '6002': `tone,delay=${2 * seconds + 1}`, '6003': `tone,early,delay=${2 * seconds + 1}` };
const stage = await openStage({
  peers: { pbx: {
    answer: (user: string) => users[user] ?? 'tone', tones: tonesOf.pbx, expect: tonesOf.user, codecs: ['PCMU', 'PCMA'],
    config: { mayCall: [number], mediaTimeout: seconds, codecs: ['PCMU', 'PCMA', 'opus'] },
  } },
  overlay: { routes: [
    { name: 'early', number, payload: '^early', to: [{ peer: 'pbx', user: '6003' }], answerOnEarlyMedia: true },
    { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] },
  ] },
});
t.teardown(() => stage.close());
const pbx = stage.peers.pbx!;

async function userCalls(t: Test, payload?: string): Promise<{ caller: ReturnType<Stage['user']>; ended: Promise<void> }> {
  const caller = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user, ...(payload === undefined ? {} : { payload }) });
  t.teardown(() => caller.close());
  const ended = new Promise<void>((resolve) => { caller.once('ended', () => resolve()); });
  t.equal(await caller.place(), 200);
  await hears(caller, 'tone');
  return { caller, ended };
}

/** It ends for silence, so long after now. */
async function endsForSilence(t: Test, ended: Promise<unknown>, ofCall: Parameters<typeof recordOf>[1]): Promise<CallRecord> {
  const from = performance.now();
  await ended;
  const took = performance.now() - from;
  t.ok(took > 0.8 * seconds * 1000 && took < 3 * seconds * 1000, `after ${Math.round(took)} ms`);
  const record = await recordOf(stage, ofCall);
  t.match(record.termination, { by: 'us', reason: 'peerSilent', status: 408, text: `no media from peer pbx for ${seconds} s` });
  const silentMs = record.media?.peer.silentMs ?? 0;
  t.ok(silentMs > 0.8 * seconds * 1000, `the record tells of ${silentMs} ms of silence`);
  return record;
}

t.test('E3: user-initiated, the PBX dies: both legs are ended, the record and a line of the log say why', async (t) => {
  const { caller, ended } = await userCalls(t);
  pbx.lastCall!.close();
  await endsForSilence(t, ended, caller);
  t.match(caller.report().byeReason, /SIP;cause=408/);
  assertQuietLeg(t, caller.report());
  t.ok(stage.running.log.some((line) => line.includes(`peer pbx has sent no media for ${seconds} s`)));
});

t.test('E3: business-initiated, the phone goes mute and still answers its signalling: it gets a BYE', async (t) => {
  const meta = await stage.answerAsMeta({ behaviour: 'tone,ring=0.05', tones: tonesOf.user, expect: tonesOf.pbx });
  t.teardown(() => meta.close());
  const call = await dial(stage);
  t.equal(await call.final, 200);
  const whatsapp = meta.liveCalls[0]!;
  await hears(whatsapp, 'tone');
  call.mute(true);
  await endsForSilence(t, until(() => whatsapp.ended && call.ended, 'the end'), whatsapp);
  t.match(call.report().endReason, /cause=408/);
});

for (const kind of ['sendonly', 'inactive', 'zero'] as const) {
  t.test(`E3: on hold (${kind}) without a packet it lives; resumed and silent it is ended`, async (t) => {
    const { caller, ended } = await userCalls(t);
    const call = pbx.lastCall!;
    t.equal(await call.hold(kind), 200);
    call.mute(true);
    await pause(patience);
    t.notOk(caller.ended, 'the hold lasts');
    t.equal(await call.resume('tone'), 200);
    await hears(caller, 'tone');
    call.mute(true);
    const { media } = await endsForSilence(t, ended, caller);
    t.ok(media!.peer.silentMs < patience, 'the hold does not count');
  });
}

t.test('E3: while a transfer rings who transferred may be silent; the target that falls silent ends the call', async (t) => {
  const { caller, ended } = await userCalls(t);
  const first = pbx.lastCall!;
  const next = pbx.nextCall();
  t.equal(await first.refer(`sip:6002@127.0.0.1:${pbx.port}`), 202);
  first.mute(true);
  const target = await next;
  await until(() => target.report().status === 200, 'the target answers');
  t.notOk(caller.ended);
  await hears(caller, 'tone');
  target.mute(true);
  await endsForSilence(t, ended, caller);
});

t.test('E3: after a re-INVITE it is watched as before, from then on', async (t) => {
  const { caller, ended } = await userCalls(t);
  const call = pbx.lastCall!;
  t.equal(await call.reinvite('sendrecv', false), 200);
  await pause(patience);
  t.notOk(caller.ended, 'who talks is not ended');
  call.mute(true);
  await pause(seconds * 700);
  t.equal(await call.reinvite('sendrecv', false), 200, 'a sign of life');
  call.mute(true);
  await endsForSilence(t, ended, caller);
});

t.test('E3: who rings with early media and pauses is not ended; from its answer on it is', async (t) => {
  const { caller, ended } = await userCalls(t, 'early');
  const call = pbx.liveCalls[0]!;
  call.mute(true);
  await until(() => call.report().status === 200, 'the answer');
  t.notOk(caller.ended);
  call.mute(true);
  await endsForSilence(t, ended, caller);
});

/** RTP of payload type 13 with one octet of noise level (RFC 3389 §4), and an empty receiver report (RFC 3550 §6.4.2). */
const comfortNoise = (n: number): Buffer => Buffer.from([0x80, 13, n >> 8, n & 0xff, 0, 0, (n * 160) >> 8, (n * 160) & 0xff, 0, 0, 0, 7, 60]);
const receiverReport = (): Buffer => Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 7]);

for (const [what, port, packet] of [['comfort noise', 0, comfortNoise], ['RTCP', 1, receiverReport]] as const) {
  // FreeSWITCH does not tell of RTCP.
  const skip = what === 'RTCP' && engines.media === 'freeswitch' ? 'FreeSWITCH does not listen to RTCP of peers' : false;
  t.test(`E3: a peer that suppresses silence and sends ${what} alone lives; when that ends too, the call does`, { skip }, async (t) => {
    const raw = await RawPeer.open();
    const media = await pairOfPorts();
    t.teardown(() => { raw.close(); for (const socket of media) socket.close(); });
    let theirs = 0;
    raw.script((invite, peer) => {
      theirs = Number(/m=audio (\d+)/.exec(invite.body)![1]);
      peer.answer(invite, 200, { body: [
        'v=0', 'o=raw 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${media[0].address().port} RTP/AVP 0 13`, 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:13 CN/8000', 'a=ptime:20', 'a=sendrecv', '',
      ].join('\r\n') });
    });
    const own = await openStage({ external: { pbx: { port: raw.port, mediaTimeout: 3 } } });
    t.teardown(() => own.close());
    const caller = own.user({ expect: [] });
    const ended = new Promise<void>((resolve) => { caller.once('ended', () => resolve()); });
    t.equal(await caller.place(), 200);
    let n = 0;
    const timer = setInterval(() => media[port].send(packet(n++), theirs + port, '127.0.0.1'), 700);
    t.teardown(() => clearInterval(timer));
    await pause(8000);
    t.notOk(caller.ended, 'it lives');
    clearInterval(timer);
    await ended;
    const [record] = await own.running.records(1);
    t.match(record!.termination, { by: 'us', reason: 'peerSilent' });
    caller.close();
  });
}

t.test('E3: mediaTimeout: 0 and a peer that sends nothing: for as long as both like', async (t) => {
  const own = await openStage({ peers: { pbx: { answer: () => 'mute', config: { mediaTimeout: 0 } } } });
  t.teardown(() => own.close());
  const caller = own.user({ expect: [] });
  t.equal(await caller.place(), 200);
  await pause(patience);
  t.notOk(caller.ended);
  await caller.hangUp();
  const [record] = await own.running.records(1);
  t.match(record!.termination, { by: 'user', reason: 'hangup' });
  t.ok(record!.media!.peer.silentMs > patience - 1000, `${record!.media!.peer.silentMs} ms of silence are in the record`);
  caller.close();
});
