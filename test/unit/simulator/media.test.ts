import t from 'tap';
import { CODECS, durationOf, makeCodec } from '../../../lib/simulator/media/codec.js';
import type { CodecName } from '../../../lib/simulator/media/codec.js';
import { RtpEndpoint } from '../../../lib/simulator/media/endpoint.js';
import type { MediaSession, SourceKind } from '../../../lib/simulator/media/endpoint.js';
import { Pacer } from '../../../lib/simulator/media/pacer.js';
import { FrameBank, silenceOf } from '../../../lib/simulator/media/source.js';
import { newMasterKey, parseCrypto, writeCrypto } from '../../../lib/simulator/media/srtp.js';
import { levelOf, shareAt, ToneGenerator } from '../../../lib/simulator/media/tone.js';

const names: CodecName[] = ['opus', 'PCMU', 'PCMA', 'G722'];

t.test('a tone survives each codec and silence is silent', async (t) => {
  for (const name of names) {
    const codec = makeCodec(name);
    const tone = new ToneGenerator(700, codec.sampleRate);
    let share = 0;
    for (let i = 0; i < 20; i++) {
      const payload = codec.encode(tone.next(codec.sampleRate / 50));
      t.equal(durationOf(name, payload), 20);
      share = shareAt(codec.decode(payload), 700, codec.sampleRate);
    }
    t.ok(share > 0.9, `${name} keeps the tone (${share})`);
    const other = makeCodec(name);
    t.ok(levelOf(other.decode(silenceOf(name))) < -60, `${name} silence`);
  }
});

t.test('the share of a tone is near 1 at its frequency and near 0 elsewhere', async (t) => {
  const pcm = new ToneGenerator(700, 8000).next(160);
  t.ok(shareAt(pcm, 700, 8000) > 0.99);
  t.ok(shareAt(pcm, 900, 8000) < 0.01);
  t.equal(shareAt(new Int16Array(160), 700, 8000), 0);
});

t.test('a crypto line is written and read back', async (t) => {
  const master = newMasterKey();
  const line = writeCrypto(1, master);
  t.match(line, /^1 AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}$/);
  t.match(parseCrypto(line), { tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', extra: '', master });
  t.equal(parseCrypto('1 AES_CM_128_HMAC_SHA1_80 inline:AAAA')?.master, undefined);
  t.equal(parseCrypto('nonsense'), undefined);
});

interface Pair { near: RtpEndpoint; far: RtpEndpoint; close(): void }

async function pair(codec: CodecName, secured: boolean, farSource: SourceKind, bank?: FrameBank): Promise<Pair> {
  const pacer = new Pacer();
  const common = { address: '127.0.0.1', pacer, rtcpMux: true, bank };
  const near = await RtpEndpoint.open({ ...common, source: 'tone', tones: [600, 900], expect: [600, 900] });
  const far = await RtpEndpoint.open({ ...common, source: farSource, tones: [1000, 1000], expect: [] });
  const session = (remote: MediaSession['remote']): MediaSession => ({
    codec, payloadType: CODECS[codec].payloadType, dtmf: { payloadType: 126, clockRate: 8000 }, remote, rtcp: remote, secured,
  });
  const a = newMasterKey();
  const b = newMasterKey();
  near.answered(performance.now());
  far.answered(performance.now());
  near.begin(session(far.local), secured ? { local: a, remote: b } : undefined);
  far.begin(session(near.local), secured ? { local: b, remote: a } : undefined);
  near.send(true);
  far.send(true);
  return { near, far, close() { near.close(); far.close(); } };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

t.test('two endpoints hear each other', async (t) => {
  for (const codec of names) {
    const { near, far, close } = await pair(codec, codec !== 'PCMA', 'echo');
    near.press('1A', 100);
    await wait(2600);
    close();
    const n = near.report();
    const f = far.report();
    t.ok(n.tone.fraction > 0.9, `${codec} echo heard (${n.tone.fraction})`);
    t.strictSame(f.tone.frequencies.sort(), [600, 900], 'the far end heard both tones and no other');
    t.ok(n.received.packets > 110, `${n.received.packets} packets`);
    t.match(n.received, { lost: 0, duplicates: 0, outOfOrder: 0, sequenceJumps: 0, timestampJumps: 0, ptimes: { 20: Number } });
    t.strictSame(f.received.ssrcs, [near.ssrc]);
    t.equal(n.undecryptable + f.undecryptable, 0);
    t.ok((n.roundTrip.medianMs ?? 0) > 0 && (n.roundTrip.medianMs ?? 999) < 120, `round trip ${n.roundTrip.medianMs} ms`);
    t.match(f.dtmf, [{ digit: '1', duration: 800, packets: 7, endPackets: 3, faults: { length: 0 } }, { digit: 'A', faults: { length: 0 } }]);
    t.ok(f.rtcp.received > 0 && n.rtcp.received > 0, 'reports both ways');
  }
});

t.test('keys that do not match are noticed', async (t) => {
  const { near, far, close } = await pair('PCMU', true, 'tone');
  near.secure({ local: newMasterKey(), remote: newMasterKey() });
  await wait(200);
  close();
  t.ok(near.report().undecryptable > 5);
  t.equal(far.report().tone.heard, 0);
});

t.test('a bank of frames is heard as the tone it was made of', async (t) => {
  const { near, far, close } = await pair('opus', true, 'tone', new FrameBank());
  await wait(600);
  close();
  t.strictSame(far.report().tone.frequencies, [600]);
  t.equal(near.report().received.lost, 0);
});
