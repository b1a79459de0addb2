// Whole calls with a peer whose answers number codec and events otherwise than the offer.
import t, { type Test } from 'tap';
import type { CodecName } from '../../../lib/simulator/media/codec.js';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import { engines } from '../../helpers/engines.js';
import { RawPeer } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause } from '../harness.js';
import { assertQuietLeg, dial, hears, tonesOf, until } from '../pbx/steps.js';

const skip = engines.media === 'freeswitch' && 'FreeSWITCH 1.10.12 hangs a channel up whose far end answers with another number: see below';

// They wait for digits most of the time.
t.jobs = 3;

interface WhatsApp { press(digits: string, ms?: number): Promise<unknown>; report(): { audio?: { digits: string; detail: { dtmf: { durationMs: number }[] } } | undefined } }

/** Both hear each other, and each digit once and as long as it was. */
async function converse(t: Test, whatsapp: WhatsApp & Parameters<typeof hears>[0], call: PeerCall): Promise<void> {
  await Promise.all([hears(whatsapp, 'tone'), hears(call, 'tone')]);
  const [to, from] = [call.report().digits.length, whatsapp.report().audio!.digits.length];
  await whatsapp.press('17#', 120);
  t.ok(call.press('92', 120), 'events are negotiated');
  await until(() => call.report().digits.length >= to + 3 && whatsapp.report().audio!.digits.length >= from + 2, 'the digits');
  await pause(500);
  t.equal(call.report().digits.slice(to), '17#');
  t.equal(whatsapp.report().audio!.digits.slice(from), '92');
  for (const { durationMs } of [...call.report().media!.dtmf, ...whatsapp.report().audio!.detail.dtmf]) t.ok(durationMs >= 80 && durationMs <= 160, `${durationMs} ms`);
}

for (const [codec, renumber] of [['PCMU', 'offered'], ['PCMU', 'own'], ['PCMA', 'own'], ['opus', 'offered'], ['opus', 'own'], ['G722', 'own']] as const) {
  t.test(`${codec}, sending under ${renumber} numbers: answer, re-INVITE, ACK, transfer; and a call the other way`, { skip, buffered: true }, async (t) => {
    const codecs: CodecName[] = [codec];
    const answer = { source: 'tone', renumber, digits: false } as const;
    const stage = await openStage({
      peers: { pbx: { codecs, answer: () => answer, tones: tonesOf.pbx, expect: tonesOf.user, config: { codecs, mayCall: [number] } } },
    });
    t.teardown(() => stage.close());
    const user = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user });
    t.equal(await user.place(), 200);
    const call = stage.peers.pbx!.lastCall!;
    await converse(t, user, call);
    const types = Object.keys(call.report().media!.received.payloadTypes);
    t.strictSame(types.sort(), ['115', '117'], 'what the peer gets has its own numbers');
    t.equal(await call.reinvite('sendrecv', false), 200);
    await converse(t, user, call);
    t.equal(await call.reinviteOfferless('tone'), 200);
    await converse(t, user, call);
    const incoming = stage.peers.pbx!.nextCall();
    t.equal(await call.refer(`sip:6002@127.0.0.1:${stage.peers.pbx!.port}`), 202);
    const target = await incoming;
    await until(() => call.ended, 'the transferor leaves');
    await converse(t, user, target);
    await user.hangUp();
    assertQuietLeg(t, user.report());
    t.same(call.report().faults, []);

    const meta = await stage.answerAsMeta({ behaviour: 'tone', tones: tonesOf.user, expect: tonesOf.pbx });
    const out = await dial(stage, { delayedOffer: true, renumber });
    t.equal(await out.final, 200);
    await converse(t, meta.liveCalls[0]!, out);
    await out.bye();
    await stage.close();
  });
}

t.test('FreeSWITCH cannot: the answer is refused in words that say so, and the next target rings', { skip: engines.media === 'freeswitch' ? false : 'rtpengine can' }, async (t) => {
  for (const codec of ['PCMU', 'opus'] as const) {
    const stage = await openStage({
      peers: {
        pbx: { codecs: [codec], answer: () => ({ source: 'tone', renumber: 'offered', digits: false }), config: { codecs: [codec] } },
        next: { codecs: [codec], answer: () => 'tone', tones: tonesOf.pbx, config: { codecs: [codec] } },
      },
      overlay: { routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }, { peer: 'next', user: '6001' }] }] },
    });
    t.teardown(() => stage.close());
    const user = stage.user({ expect: tonesOf.pbx });
    t.equal(await user.place(), 200);
    await hears(user, 'tone');
    await user.hangUp();
    const [record] = await stage.running.records(1);
    t.match(record?.tries, [{ peer: 'pbx', reason: 'badSdp' }, { peer: 'next' }]);
    t.ok(stage.running.log.some((line) => line.includes('FreeSWITCH does not take that, rtpengine does')));
    await stage.close();
  }
});

t.test('a hold that numbers Opus anew, resumed without an offer: the answer in the ACK is taken', async (t) => {
  const raw = await RawPeer.open();
  t.teardown(() => raw.close());
  const opus = (type: number, direction: string): string => [
    'v=0', 'o=raw 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio 9 RTP/AVP ${type}`, `a=rtpmap:${type} opus/48000/2`, 'a=ptime:20', `a=${direction}`, '',
  ].join('\r\n');
  const invites: Parameters<Parameters<typeof raw.script>[0]>[0][] = [];
  raw.script((invite, peer) => {
    invites.push(invite);
    const offered = Number(/a=rtpmap:(\d+) opus/i.exec(invite.body)?.[1]);
    peer.answer(invite, 200, { body: opus(offered, 'sendrecv') });
  });
  const stage = await openStage({ external: { pbx: { port: raw.port, codecs: ['opus'], mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  const user = stage.user({ expect: [] });
  t.equal(await user.place(), 200);
  // RFC 3264 §8.3.2: a later offer may number what stands anew.
  t.equal((await raw.ask(invites[0]!, 'INVITE', { body: opus(96, 'sendonly') })).status, 200);
  const resumed = await raw.ask(invites[0]!, 'INVITE', { ackBody: opus(96, 'sendrecv') });
  t.equal(resumed.status, 200);
  t.match(resumed.body, /a=rtpmap:96 opus/, 'our offer has the number that stands');
  await pause(1000);
  t.notOk(stage.running.log.find((line) => line.includes('cannot be used')));
  t.notOk(user.ended);
  await user.hangUp();
});
