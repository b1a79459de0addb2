// An offer's and an answer's payload numbers are two maps (RFC 3264 §5.1, §6.1): we send under theirs, and take ours and theirs.
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { MediaCall, PeerLeg, PeerMediaProfile } from '../../../lib/media/index.js';
import { metaCalls, metaCallsDtls, metaDtlsSdp, metaSdp, PCMU, peerAnswers, peerSdp, startEngine, takeOurs } from '../media/bench.js';
import { Endpoint, faultsOfStream, pace, SILENCE, type Seen } from '../media/endpoint.js';

const { engine } = await startEngine();
t.teardown(() => engine.close());

interface Voice { readonly type: number; readonly payload: Buffer; readonly step: number }
const g711 = (type: number): Voice => ({ type, payload: Buffer.alloc(160, 0x23), step: 160 });
const opus = (type: number): Voice => ({ type, payload: Buffer.from([0x78, 1, 2, 3]), step: 960 });

/** A digit of 100 ms under this number, in 8 kHz units; the three ends are copies. */
async function press(end: Endpoint, type: number, digit: number): Promise<void> {
  const ts = end.ts;
  await pace((i) => {
    const event = Buffer.from([digit, i >= 4 ? 0x8a : 0x0a, 0, 0]);
    event.writeUInt16BE(Math.min(5, i + 1) * 160, 2);
    end.send(type, event, 0, { ts, marker: i === 0 });
  }, 7).done;
  end.ts = (ts + 960) >>> 0;
}

/** Digits in what arrived under this number, with their durations: one for each row of ends. */
const digits = (seen: readonly Seen[], type: number): string[] => {
  const ends = seen.filter((one) => one.type === type && one.payload.length === 4 && ((one.payload[1] as number) & 0x80) !== 0);
  return ends.filter((one, i) => i === 0 || one.ts !== ends[i - 1]?.ts).map(({ payload }) => `${payload[0]}:${payload.readUInt16BE(2)}`);
};
const typesOf = (seen: readonly Seen[]): number[] => [...new Set(seen.map(({ type }) => type))].sort((a, b) => a - b);
const sound = (seen: readonly Seen[]): Seen[] => seen.filter((one) => one.payload.length > 4 || (one.payload.length === 4 && one.payload[0] === 0x78));

interface Side { readonly end: Endpoint; readonly voice: Voice; readonly events: number }

/** Both speak and press; each gets what the other says under its own numbers (`hears`), and under no others. */
async function converse(t: Test, meta: Side, metaHears: [number, number], peer: Side, peerHears: [number, number]): Promise<void> {
  // What was under way as the numbers changed.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const [m, p] = [meta.end.seen.length, peer.end.seen.length];
  for (const [from, to, side, hears] of [[meta, peer.end, p, peerHears], [peer, meta.end, m, metaHears]] as const) {
    const talk = pace(() => from.end.send(from.voice.type, from.voice.payload, from.voice.step));
    await to.until((seen) => sound(seen.slice(side)).length > 20);
    talk.stop();
    await press(from.end, from.events, 7);
    await to.until((seen) => digits(seen.slice(side), hears[1]).length > 0).catch(() => undefined);
    // What would be a second digit comes within this time.
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.same(digits(to.seen.slice(side), hears[1]), ['7:800'], `one digit of 100 ms under ${hears[1]}`);
    t.same(typesOf(to.seen.slice(side)), [...hears].sort((a, b) => a - b), `nothing under another number than ${hears.join(' and ')}`);
  }
}

async function finish(t: Test, call: MediaCall, meta: Endpoint, ...peers: Endpoint[]): Promise<void> {
  // It knows events by Meta's usual number.
  t.same(faultsOfStream(meta.seen.map((one) => (one.payload.length === 4 && one.payload[0] !== 0x78 ? { ...one, type: 126 } : one))), [], 'one stream towards Meta');
  await call.close();
  await Promise.all([meta, ...peers].map((end) => end.close()));
}

// They wait for digits most of the time.
t.jobs = 3;

const all: PeerMediaProfile = { codecs: ['PCMU', 'PCMA', 'G722', 'opus'], srtp: 'none', dtmf: 'rfc4733' };
const offeredType = (offer: string, name: string): number => Number(new RegExp(`a=rtpmap:(\\d+) ${name}`).exec(offer)?.[1]);
const portOf = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);

for (const [what, profile, formats, own, voice] of [
  ['PCMU as always, events 120', PCMU, ['0 PCMU/8000', '120 telephone-event/8000'], 0, g711],
  ['PCMU as always, events 127, in SRTP', { ...PCMU, srtp: 'sdes' }, ['0 PCMU/8000', '127 telephone-event/8000'], 0, g711],
  ['PCMU as 118, events 119', PCMU, ['118 PCMU/8000', '119 telephone-event/8000'], 0, g711],
  ['PCMA of several, events 100', all, ['8 PCMA/8000', '100 telephone-event/8000'], 8, g711],
  ['G.722 as 121, events 122', all, ['121 G722/8000', '122 telephone-event/8000'], 9, g711],
  ['Opus as 107, events 110', { ...all, codecs: ['opus'] }, ['107 opus/48000/2', '110 telephone-event/8000'], 111, opus],
  ['Opus of several as 107, events 100', all, ['107 opus/48000/2', '100 telephone-event/8000'], 0, opus],
] as const) {
  for (const sends of ['ours', 'theirs'] as const) {
    t.test(`a peer answers ${what}, and sends under ${sends}`, { buffered: true }, async (t) => {
      const { call, meta } = await metaCalls(engine, `answer-${what.replace(/\W/g, '')}-${sends}`);
      const { leg, peer, offer, events } = await peerAnswers(call, profile, formats);
      call.connect(leg);
      call.start();
      const [audioType, eventType] = formats.map((format) => Number.parseInt(format)) as [number, number];
      const named = voice === opus ? offeredType(offer, 'opus') : own;
      const theirs = { end: peer, voice: voice(sends === 'ours' ? named : audioType), events: sends === 'ours' ? events : eventType };
      t.not(events, eventType, 'other numbers than we offered');
      await converse(t, { end: meta, voice: opus(111), events: 126 }, [111, 126], theirs, [audioType, eventType]);
      await finish(t, call, meta, peer);
    });
  }
}

t.test('a peer that offers: its numbers; a re-INVITE with others; none offered, and others in the ACK', async (t) => {
  const { call, meta } = await metaCalls(engine, 'reoffers');
  const [peer, leg] = [await Endpoint.open(), call.addPeerLeg(PCMU)];
  call.connect(leg);
  call.start();
  const user = { end: meta, voice: opus(111), events: 126 };
  const offer = (audio: number, events: number): string => peerSdp(peer.port, [`${audio} PCMU/8000`, `${events} telephone-event/8000`]);
  for (const [audio, events] of [[0, 96], [0, 112], [117, 96]] as const) {
    const answer = await leg.answer(offer(audio, events));
    t.match(answer, new RegExp(`m=audio \\d+ RTP/AVP ${audio} ${events}\\r\\n`));
    peer.aim('127.0.0.1', portOf(answer));
    await converse(t, user, [111, 126], { end: peer, voice: g711(audio), events }, [audio, events]);
  }
  t.match(await leg.offer(), /RTP\/AVP 117 96\r\n/);
  await leg.takeAnswer(offer(0, 101));
  await converse(t, user, [111, 126], { end: peer, voice: g711(0), events: 101 }, [0, 101]);
  await converse(t, user, [111, 126], { end: peer, voice: g711(117), events: 96 }, [0, 101]);
  await finish(t, call, meta, peer);
});

t.test('forks that answer with numbers of their own; then a leg of a transfer with others', async (t) => {
  const { call, meta } = await metaCalls(engine, 'forks');
  const first = await peerAnswers(call, PCMU, ['0 PCMU/8000', '101 telephone-event/8000']);
  call.connect(first.leg);
  call.start();
  const user = { end: meta, voice: opus(111), events: 126 };
  await converse(t, user, [111, 126], { end: first.peer, voice: g711(0), events: 101 }, [0, 101]);
  const ends: Endpoint[] = [first.peer];
  for (const [audio, events] of [[0, 99], [0, first.events], [115, 116]] as const) {
    const fork = await Endpoint.open();
    ends.push(fork);
    fork.aim('127.0.0.1', portOf(first.offer));
    fork.ssrc = 0x3000 + events;
    await first.leg.takeAnswer(peerSdp(fork.port, [`${audio} PCMU/8000`, `${events} telephone-event/8000`]));
    await converse(t, user, [111, 126], { end: fork, voice: g711(audio), events: first.events }, [audio, events]);
  }
  const second: { leg: PeerLeg; peer: Endpoint } = await peerAnswers(call, { ...PCMU, codecs: ['PCMA'] }, ['105 PCMA/8000', '106 telephone-event/8000']);
  call.connect(second.leg);
  await first.leg.close();
  await converse(t, user, [111, 126], { end: second.peer, voice: g711(105), events: 106 }, [105, 106]);
  await finish(t, call, meta, ...ends, second.peer);
});

for (const sends of ['ours', 'theirs'] as const) {
  for (const [codec, formats, hears] of [['PCMU', ['0 PCMU/8000', '101 telephone-event/8000'], [0, 101]], ['opus', ['108 opus/48000/2', '109 telephone-event/8000'], [108, 109]]] as const) {
    t.test(`Meta answers our offer with numbers of its own and sends under ${sends}; a ${codec} peer`, async (t) => {
      const [meta, peer] = [await Endpoint.open(), await Endpoint.open()];
      const key = randomBytes(30).toString('base64');
      const call = engine.openCall({ id: `meta-answers-${sends}-${codec}`, mediaTimeout: 0 });
      const leg = call.addPeerLeg({ ...PCMU, codecs: [codec] });
      const [ours, answer] = await Promise.all([call.offerMeta({ keying: 'sdes', g711: false }), leg.answer(peerSdp(peer.port, formats))]);
      meta.secure(key, /inline:(\S+)/.exec(ours)?.[1] ?? '');
      meta.aim('127.0.0.1', portOf(ours));
      peer.aim('127.0.0.1', portOf(answer));
      await call.takeMetaAnswer(metaSdp(meta.port, key, { opus: 96, events: 97 }));
      call.connect(leg);
      call.start();
      const user = { end: meta, voice: opus(sends === 'ours' ? 111 : 96), events: sends === 'ours' ? 126 : 97 };
      await converse(t, user, [96, 97], { end: peer, voice: codec === 'opus' ? opus(hears[0]) : g711(hears[0]), events: hears[1] }, [...hears]);
      await finish(t, call, meta, peer);
    });
  }
}

t.test('a number keyed with DTLS: Meta offers and answers with numbers of its own', async (t) => {
  const offered = await metaCallsDtls(engine, 'dtls-offers');
  const other = await peerAnswers(offered.call, PCMU, ['0 PCMU/8000', '101 telephone-event/8000']);
  offered.call.connect(other.leg);
  offered.call.start();
  await offered.meta.until((seen) => seen.length > 5);
  await converse(t, { end: offered.meta, voice: opus(111), events: 126 }, [111, 126], { end: other.peer, voice: g711(0), events: 101 }, [0, 101]);
  await finish(t, offered.call, offered.meta, other.peer);

  const meta = await Endpoint.open();
  await meta.webrtc();
  const call = engine.openCall({ id: 'dtls-answers', mediaTimeout: 0 });
  const ours = await call.offerMeta({ keying: 'dtls', g711: false });
  await call.takeMetaAnswer(metaDtlsSdp(meta, 'passive').replace(/\b111\b/g, '98').replace(/\b126\b/g, '99'));
  takeOurs(meta, ours.replace('a=setup:actpass', 'a=setup:active'));
  const { leg, peer } = await peerAnswers(call, PCMU, ['0 PCMU/8000', '101 telephone-event/8000']);
  call.connect(leg);
  call.start();
  await meta.until((seen) => seen.length > 5);
  await converse(t, { end: meta, voice: opus(98), events: 99 }, [98, 99], { end: peer, voice: g711(0), events: 101 }, [0, 101]);
  await finish(t, call, meta, peer);
});

t.test('silence is sent too under their numbers', async (t) => {
  const { call, meta } = await metaCalls(engine, 'silence');
  const { leg, peer } = await peerAnswers(call, { ...PCMU, codecs: ['opus'] }, ['107 opus/48000/2']);
  call.connect(leg);
  call.start();
  await peer.until((seen) => seen.length > 20);
  t.ok(peer.seen.every(({ type, payload }) => type === 107 && payload.equals(SILENCE)));
  await finish(t, call, meta, peer);
});
