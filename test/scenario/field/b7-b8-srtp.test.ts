// SRTP with peers: left to them (RFC 8643), every suite that the engine has, several lines, MKI (RFC 4568).
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import t, { type Test } from 'tap';
import type { MediaCall, PeerMediaProfile } from '../../../lib/media/index.js';
import { keysOf, SrtpReceiver, SrtpSender, SUITES } from '../../../lib/media/srtp/index.js';
import { metaCalls, PCMU, peerSdp, startEngine } from '../media/bench.js';
import { Endpoint, pace, SILENCE, type Seen } from '../media/endpoint.js';

const { engine } = await startEngine();
t.teardown(() => engine.close());

const optional: PeerMediaProfile = { ...PCMU, srtp: 'optional' };
const sdes: PeerMediaProfile = { ...PCMU, srtp: 'sdes' };
const SUITE_80 = 'AES_CM_128_HMAC_SHA1_80';
const SUITE_32 = 'AES_CM_128_HMAC_SHA1_32';
const key = (bytes = 30): string => randomBytes(bytes).toString('base64');
const portOf = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);
const linesOf = (sdp: string): string[] => [...sdp.matchAll(/^a=crypto:(\d+ \S+) inline:\S+\r$/gm)].map((match) => match[1] ?? '');
const keyOf = (sdp: string, tag: number): string => new RegExp(`a=crypto:${tag} \\S+ inline:(\\S+)`).exec(sdp)?.[1] ?? '';
const sound = (seen: readonly Seen[]): number => seen.filter(({ payload }) => !payload.equals(SILENCE)).length;

interface Rig { readonly call: MediaCall; readonly meta: Endpoint; readonly peer: Endpoint }
let count = 0;

async function rig(t: Test): Promise<Rig> {
  const { call, meta } = await metaCalls(engine, `srtp-${(count += 1)}`);
  call.start();
  const peer = await Endpoint.open();
  t.teardown(async () => {
    await call.close();
    await Promise.all([meta.close(), peer.close()]);
  });
  return { call, meta, peer };
}

/** Both hear each other; what cannot be decrypted is not heard. */
async function bothHear(t: Test, { meta, peer }: Rig): Promise<void> {
  const [m, p] = [meta.seen.length, peer.seen.length];
  const talk = [pace(() => meta.send(111, Buffer.from([0x78, 1, 2, 3]), 960)), pace(() => peer.send(0, Buffer.alloc(160, 0x23), 160))];
  t.teardown(() => { for (const one of talk) one.stop(); });
  await meta.until((seen) => sound(seen.slice(m)) > 20);
  await peer.until((seen) => seen.length > p + 20);
  for (const one of talk) one.stop();
  t.ok(peer.seen.slice(p + 3).every(({ payload }) => payload.length === 160), 'readable');
}

t.test('srtp: optional, the peer offers: a key in either profile is SRTP, none is plain RTP', async (t) => {
  for (const [protocol, keyed] of [['RTP/AVP', true], ['RTP/SAVP', true], ['RTP/AVP', false]] as const) {
    const all = await rig(t);
    const [leg, own] = [all.call.addPeerLeg(optional), key()];
    const answer = await leg.answer(peerSdp(all.peer.port, ['0 PCMU/8000'], keyed ? [`a=crypto:3 ${SUITE_80} inline:${own}`] : [], protocol));
    t.match(answer, new RegExp(`m=audio \\d+ ${protocol} 0\r\n`), 'the profile of the offer');
    t.same(linesOf(answer), keyed ? [`3 ${SUITE_80}`] : [], 'tag and suite of the offer');
    if (keyed) all.peer.secure(own, keyOf(answer, 3));
    all.peer.aim('127.0.0.1', portOf(answer));
    all.call.connect(leg);
    await bothHear(t, all);
    t.match(await all.call.stats(), { peer: { keying: keyed ? 'sdes' : 'none' } });
  }
});

t.test('srtp: optional, we offer: RTP/AVP with a=crypto; the answer says which', async (t) => {
  for (const [protocol, keyed] of [['RTP/AVP', true], ['RTP/AVP', false], ['RTP/SAVP', true]] as const) {
    const all = await rig(t);
    const [leg, own] = [all.call.addPeerLeg(optional), key()];
    const offer = await leg.offer();
    t.match(offer, /m=audio \d+ RTP\/AVP 0/);
    t.same(linesOf(offer), [`1 ${SUITE_80}`, `2 ${SUITE_32}`]);
    await leg.takeAnswer(peerSdp(all.peer.port, ['0 PCMU/8000'], keyed ? [`a=crypto:1 ${SUITE_80} inline:${own}`] : [], protocol));
    if (keyed) all.peer.secure(own, keyOf(offer, 1));
    all.peer.aim('127.0.0.1', portOf(offer));
    all.call.connect(leg);
    await bothHear(t, all);
    t.match(await all.call.stats(), { peer: { keying: keyed ? 'sdes' : 'none' } });
  }
  const all = await rig(t);
  const leg = all.call.addPeerLeg(optional);
  await leg.offer();
  await t.rejects(leg.takeAnswer(peerSdp(all.peer.port, ['0 PCMU/8000'], [`a=crypto:7 ${SUITE_80} inline:${key()}`])), { code: 'SDP_UNACCEPTABLE', message: /answers none of our lines/ });
  await t.rejects(leg.takeAnswer(peerSdp(all.peer.port, ['0 PCMU/8000'], [`a=crypto:1 NULL_HMAC_SHA1_80 inline:${key()}`])), { message: /names NULL_HMAC_SHA1_80/ });
});

t.test('srtp: sdes, several lines and MKI: the first that can be used', async (t) => {
  for (const lines of [
    [`a=crypto:1 NULL_HMAC_SHA1_80 inline:${key()}`, `a=crypto:5 ${SUITE_80} inline:KEY`, `a=crypto:6 ${SUITE_32} inline:${key()}`],
    [`a=crypto:5 ${SUITE_80} inline:KEY|2^31`], [`a=crypto:5 ${SUITE_80} inline:KEY|2^20 WSH=64`, `a=crypto:9 ${SUITE_32} inline:${key()}|1:4`],
  ]) {
    const all = await rig(t);
    const [leg, own] = [all.call.addPeerLeg(sdes), key()];
    const answer = await leg.answer(peerSdp(all.peer.port, ['0 PCMU/8000'], lines.map((line) => line.replace('KEY', own)), 'RTP/SAVP'));
    t.same(linesOf(answer), [`5 ${SUITE_80}`]);
    all.peer.secure(own, keyOf(answer, 5));
    all.peer.aim('127.0.0.1', portOf(answer));
    all.call.connect(leg);
    await bothHear(t, all);
  }
});

t.test('every suite offered alone, with and without an MKI, both ways with the SRTP of our own engine', async (t) => {
  for (const [suite, { keyBytes, saltBytes, tagBytes }] of SUITES) {
    for (const mki of [undefined, '1:4']) {
      const all = await rig(t);
      const [leg, own, seen] = [all.call.addPeerLeg(sdes), key(keyBytes + saltBytes), [] as Buffer[]];
      const socket = createSocket('udp4').on('message', (datagram) => seen.push(datagram));
      t.teardown(() => socket.close());
      await new Promise<void>((resolve) => { socket.bind(0, '127.0.0.1', resolve); });
      const answer = await leg.answer(peerSdp(socket.address().port, ['0 PCMU/8000'], [`a=crypto:2 ${suite} inline:${own}${mki === undefined ? '' : `|${mki}`}`], 'RTP/SAVP'));
      t.same(linesOf(answer), [`2 ${suite}`]);
      const [sender, receiver] = [new SrtpSender(keysOf(suite, own, mki)), new SrtpReceiver(keysOf(suite, keyOf(answer, 2)))];
      all.call.connect(leg);
      const header = Buffer.from('800000000000000007070707', 'hex');
      const talk = pace(() => {
        header.writeUInt16BE(header.readUInt16BE(2) + 1, 2);
        header.writeUInt32BE(header.readUInt32BE(4) + 160, 4);
        socket.send(sender.protect(Buffer.concat([header, Buffer.alloc(160, 0x23)])), portOf(answer), '127.0.0.1');
      });
      t.teardown(() => talk.stop());
      await all.meta.until((heard) => sound(heard) > 20 && seen.length > 20);
      talk.stop();
      const opened = seen.map((datagram) => [datagram.length - tagBytes, receiver.unprotect(datagram)?.length]);
      t.ok(opened.length > 20 && opened.every(([clear, length]) => clear === 172 && length === 172), `${suite} ${mki}: ${JSON.stringify(opened.slice(0, 5))}`);
      t.same(receiver.refused, { auth: 0, replayed: 0 });
    }
  }
});

t.test('a peer that has the second suite of our offer only', async (t) => {
  const all = await rig(t);
  const [leg, own] = [all.call.addPeerLeg(sdes), key()];
  const offer = await leg.offer();
  t.match(offer, /m=audio \d+ RTP\/SAVP 0/);
  await leg.takeAnswer(peerSdp(all.peer.port, ['0 PCMU/8000'], [`a=crypto:2 ${SUITE_32} inline:${own}`], 'RTP/SAVP'));
  all.call.connect(leg);
  await all.peer.until((seen) => seen.length > 10);
  t.equal(all.peer.seen[5]?.payload.length, 164);
  await t.rejects(leg.takeAnswer(peerSdp(all.peer.port, ['0 PCMU/8000'], [`a=crypto:1 ${SUITE_32} inline:${own}`], 'RTP/SAVP')), { message: /answers none of our lines/ });
});

t.test('what is refused is refused in true words, with a Warning of RFC 3261 §20.43', async (t) => {
  const all = await rig(t);
  for (const [profile, protocol, lines, warning, message] of [
    [sdes, 'RTP/AVP', [], 304, /wants plain RTP where srtp: sdes/], [sdes, 'RTP/AVP', [`a=crypto:1 ${SUITE_80} inline:${key()}`], 304, /RTP\/AVP with a=crypto, RFC 8643/],
    [PCMU, 'RTP/SAVP', [`a=crypto:1 ${SUITE_80} inline:${key()}`], 304, /wants SRTP where srtp: none/], [sdes, 'RTP/SAVP', [], 305, /no usable a=crypto line: there is none/],
    [sdes, 'RTP/SAVP', [`a=crypto:1 NULL_HMAC_SHA1_80 inline:${key()}`], 305, /names NULL_HMAC_SHA1_80/],
    [optional, 'RTP/SAVP', [`a=crypto:1 SOME_NEW_SUITE inline:${key()}`], 305, /names SOME_NEW_SUITE/],
  ] as const) {
    const leg = all.call.addPeerLeg(profile);
    await t.rejects(leg.answer(peerSdp(all.peer.port, ['0 PCMU/8000'], lines, protocol)), { code: 'SDP_UNACCEPTABLE', warning, message }, message.source);
    await leg.close();
  }
});
