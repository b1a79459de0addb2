import { randomBytes } from 'node:crypto';
import t from 'tap';
import { metaCalls, PCMU, peerAnswers, peerSdp, startEngine } from './bench.js';
import { Endpoint, eventFields, faultsOfStream, pace, SILENCE, type Seen } from './endpoint.js';

const sound = (seen: readonly Seen[]): number => seen.filter((one) => !one.payload.equals(SILENCE)).length;
const ULAW = Buffer.alloc(160, 0x23);
const port = (sdp: string): number => Number(/m=audio (\d+)/.exec(sdp)?.[1]);

t.test('an answer that names several codecs: whichever the peer sends is heard', async (t) => {
  const { engine } = await startEngine({}, 'embedded');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'several-codecs');
  const { leg, peer } = await peerAnswers(call, { ...PCMU, codecs: ['PCMU', 'PCMA', 'G722', 'opus'] }, ['0 PCMU/8000', '8 PCMA/8000', '9 G722/8000', '96 opus/48000/2', 'EVENTS telephone-event/8000']);
  call.connect(leg);
  call.start();
  for (const [type, payload, step] of [[8, Buffer.alloc(160, 0x11), 160], [0, ULAW, 160], [9, Buffer.alloc(160, 0x5a), 160], [96, Buffer.from([0x78, 1, 2, 3]), 960], [111, Buffer.from([0x78, 1, 2, 3]), 960]] as const) {
    const at = meta.seen.length;
    const talk = pace(() => peer.send(type, payload, step));
    await meta.until((seen) => sound(seen.slice(at)) > 15);
    talk.stop();
  }
  t.same(faultsOfStream(meta.seen), []);
  t.equal(engine.faults, 0);
  await call.close();
  await Promise.all([meta.close(), peer.close()]);
});

t.test('plain, SRTP, another key, the first key again, plain, hold, other codecs: one stream towards Meta, each digit once', async (t) => {
  const { engine, logger } = await startEngine({}, 'embedded');
  t.teardown(() => engine.close());
  const { call, meta } = await metaCalls(engine, 'rekeyed');
  const profile = { codecs: ['PCMU', 'opus', 'G722'], srtp: 'optional', dtmf: 'rfc4733' } as const;
  const { leg, peer, offer } = await peerAnswers(call, profile, ['0 PCMU/8000', '101 telephone-event/8000']);
  call.connect(leg);
  call.start();
  const user = pace(() => meta.send(111, SILENCE, 960));
  t.teardown(() => user.stop());
  const to = port(offer);
  const digits: number[] = [];
  const talks = async (end: Endpoint, type: number, payload: Buffer, step: number): Promise<void> => {
    end.aim('127.0.0.1', to);
    const [at, mine, event] = [meta.seen.length, end.seen.length, digits.length % 16];
    const talk = pace((i) => {
      if (i < 12 || i > 16) return end.send(type, payload, step);
      // A digit amid it: four updates and an end, under one timestamp.
      const ts = end.ts - (i - 12) * step;
      end.send(101, Buffer.from([event, i === 16 ? 0x8a : 10, ((i - 11) * 160) >> 8, ((i - 11) * 160) & 0xff]), step, { ts, marker: i === 12 });
    });
    digits.push(event);
    await meta.until((seen) => sound(seen.slice(at)) > 40);
    await end.until((seen) => seen.length > mine + 15);
    talk.stop();
  };
  const ends: Endpoint[] = [];
  const keys = [randomBytes(30).toString('base64'), randomBytes(30).toString('base64')];
  /** A new end at a new port, as a media server that takes over is; `key`: which of the peer's keys. */
  const reinvites = async (formats: readonly string[], key: number | null, protocol = 'RTP/AVP'): Promise<Endpoint> => {
    const end = await Endpoint.open();
    ends.push(end);
    end.ssrc = 0x4000 + ends.length;
    const inline = key === null ? null : keys[key] ?? '';
    const crypto = inline === null ? [] : [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${inline}`];
    const answer = await leg.answer(peerSdp(end.port, [...formats, '101 telephone-event/8000'], ['a=ptime:20', ...crypto], protocol));
    t.equal(port(answer), to, 'our port stays');
    t.equal(/a=crypto/.test(answer), key !== null);
    if (inline !== null) end.secure(inline, /inline:(\S+)/.exec(answer)?.[1] ?? '');
    return end;
  };
  await talks(peer, 0, ULAW, 160);
  await talks(await reinvites(['0 PCMU/8000'], 0), 0, ULAW, 160);
  await talks(await reinvites(['0 PCMU/8000'], 1, 'RTP/SAVP'), 0, ULAW, 160);
  await talks(await reinvites(['96 opus/48000/2'], 0, 'RTP/SAVP'), 96, Buffer.from([0x78, 1, 2, 3]), 960);
  const held = await Endpoint.open();
  ends.push(held);
  await leg.answer(peerSdp(held.port, ['9 G722/8000', '101 telephone-event/8000'], ['a=ptime:20', 'a=inactive']).replace('c=IN IP4 127.0.0.1', 'c=IN IP4 0.0.0.0'));
  const at = meta.seen.length;
  await meta.until((seen) => seen.length > at + 30);
  t.equal(held.seen.length, 0);
  await talks(await reinvites(['9 G722/8000'], null), 9, Buffer.alloc(160, 0x5a), 160);
  user.stop();
  const events = meta.seen.filter((one) => one.type === 126);
  const heard = [...new Set(events.map((one) => one.ts))].map((ts) => events.filter((one) => one.ts === ts).map(eventFields));
  t.same(heard.map((one) => one[0]?.event), digits, 'each digit once, in order');
  t.ok(heard.every((one) => one.filter(({ end }) => end).length === 3), 'with its three ends');
  t.same(faultsOfStream(meta.seen), []);
  t.equal(engine.faults, 0);
  t.same(logger.lines.filter((line) => /^error/.test(line)), []);
  await call.close();
  await Promise.all([meta, peer, ...ends].map((end) => end.close()));
});
