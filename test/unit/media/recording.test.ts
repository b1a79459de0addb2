import { Decoder, Encoder } from '@evan/opus';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { encodeFrames } from '../../../lib/media/prompts/encode.js';
import { readOggOpus } from '../../../lib/media/prompts/ogg.js';
import { readWav } from '../../../lib/media/prompts/pcm.js';
import { RecordingShelf, SHIPPED_MUSIC } from '../../../lib/media/prompts/shelf.js';

function wav(samples: Int16Array, rate: number, channels = 1): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2 * channels, 28);
  head.writeUInt16LE(2 * channels, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]);
}

/** Ogg pages of one stream; packets longer than a page's 255 segments are not needed here. */
function ogg(packets: readonly Buffer[]): Buffer {
  return Buffer.concat(packets.map((packet, i) => {
    const lacing = [...Array.from({ length: Math.floor(packet.length / 255) }, () => 255), packet.length % 255];
    const head = Buffer.alloc(27);
    head.write('OggS', 0, 'latin1');
    head.writeUInt32LE(7, 14);
    head.writeUInt32LE(i, 18);
    head[26] = lacing.length;
    return Buffer.concat([head, Buffer.from(lacing), packet]);
  }));
}

const tone = (rate: number, seconds: number, hertz = 440): Int16Array => Int16Array.from({ length: rate * seconds }, (_, i) => 8000 * Math.sin((2 * Math.PI * hertz * i) / rate));

/** Energy of one frequency against all of it, 0 to 1 (Goertzel). */
function purity(samples: Int16Array, rate: number, hertz: number): number {
  const c = 2 * Math.cos((2 * Math.PI * hertz) / rate);
  let [a, b, all] = [0, 0, 0];
  for (const s of samples) { [a, b] = [s + c * a - b, a]; all += s * s; }
  return (2 * (a * a + b * b - c * a * b)) / (samples.length * all);
}

function decode(frames: readonly Buffer[]): Int16Array {
  const decoder = new Decoder({ channels: 1, sample_rate: 16_000 });
  return Int16Array.from(frames.flatMap((frame) => { const bytes = decoder.decode(frame); return [...new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1)]; }));
}

t.test('the shipped music is twelve seconds of sound, encoded once', async (t) => {
  const shelf = new RecordingShelf();
  const frames = await shelf.frames(SHIPPED_MUSIC, 'opus');
  t.equal(frames.length, 600);
  t.equal(await shelf.frames(SHIPPED_MUSIC, 'opus'), frames);
  const pcm = decode(frames);
  const peak = pcm.reduce((most, s) => Math.max(most, Math.abs(s)), 0);
  t.ok(peak > 1500 && peak < 12_000, `peak ${peak}`);
  for (let at = 16_000; at + 16_000 <= pcm.length; at += 16_000) {
    t.ok(Math.sqrt(pcm.subarray(at, at + 16_000).reduce((sum, s) => sum + s * s, 0) / 16_000) > 200, `sound in second ${at / 16_000}`);
  }
  t.equal((await shelf.frames(SHIPPED_MUSIC, 'PCMU')).length, 600);
});

t.test('WAV at any rate, mono or stereo, keeps its tone', async (t) => {
  for (const rate of [8000, 16_000, 44_100, 48_000]) {
    const pcm = decode(await encodeFrames(readWav(wav(tone(rate, 1), rate)), 'opus')).subarray(3200, 12_800);
    t.ok(purity(pcm, 16_000, 440) > 0.9, `${rate} Hz: ${purity(pcm, 16_000, 440).toFixed(2)}`);
  }
  const mono = tone(16_000, 1);
  const stereo = Int16Array.from({ length: mono.length * 2 }, (_, i) => mono[i >> 1] as number);
  t.same(readWav(wav(stereo, 16_000, 2)).samples, mono);
});

t.test('G.711 frames decode to the tone again', async (t) => {
  const samples = tone(8000, 1);
  for (const [law, decodeOne] of [
    ['PCMU', (code: number): number => { const u = ~code & 0xff; const v = ((((u & 15) << 3) + 132) << ((u >> 4) & 7)) - 132; return u & 0x80 ? -v : v; }],
    ['PCMA', (code: number): number => { const a = code ^ 0x55; const e = (a >> 4) & 7; const v = e ? (((a & 15) << 4) + 264) << (e - 1) : ((a & 15) << 4) + 8; return a & 0x80 ? v : -v; }],
  ] as const) {
    const pcm = Int16Array.from((await encodeFrames({ samples, rate: 8000 }, law)).flatMap((frame) => [...frame].map(decodeOne)));
    const worst = pcm.reduce((most, s, i) => Math.max(most, Math.abs(s - (samples[i] as number)) - Math.abs(samples[i] as number) / 16), 0);
    t.ok(worst <= 16, `${law}: off by ${worst.toFixed(1)} beyond a sixteenth`);
  }
});

t.test('Ogg Opus: 20 ms packets pass as they are, others are re-encoded, tags and long packets are handled', async (t) => {
  const make = (ms: 20 | 60): Buffer[] => {
    const encoder = new Encoder({ channels: 1, sample_rate: 16_000, application: 'voip' });
    const size = 16 * ms;
    encoder.expert_frame_duration = ms;
    return Array.from({ length: Math.floor(1000 / ms) }, (_, i) => Buffer.from(encoder.encode(tone(16_000, 1).slice(i * size, (i + 1) * size))));
  };
  const head = Buffer.from('OpusHead\x01\x01\x38\x01\x80\x3e\0\0\0\0\0', 'latin1');
  const tags = Buffer.concat([Buffer.from('OpusTags', 'latin1'), Buffer.alloc(700, 0x61)]);
  const dir = t.testdir();
  const short = make(20);
  const file = join(dir, 'a.opus');
  await writeFile(file, ogg([head, tags, ...short]));
  const shelf = new RecordingShelf();
  t.same(await shelf.frames(file, 'opus'), short);
  const long = join(dir, 'b.opus');
  await writeFile(long, ogg([head, tags, ...make(60)]));
  const frames = await shelf.frames(long, 'opus');
  t.equal(frames.length, 48);
  t.ok(purity(decode(frames).subarray(3200, 12_800), 16_000, 440) > 0.9);

  await appendFile(file, ogg([short[0] as Buffer]));
  t.equal((await shelf.frames(file, 'opus')).length, short.length + 1, 'a changed file is read again');
});

t.test('what cannot be read is refused by name', async (t) => {
  const shelf = new RecordingShelf();
  await t.rejects(shelf.frames('/nowhere/x.wav', 'opus'), { code: 'FILE_UNREADABLE', message: /\/nowhere\/x\.wav/ });
  const dir = t.testdir({ 'x.mp3': 'ID3 something', 'y.opus': 'OggS' + '\0'.repeat(40), 'z.wav': 'RIFF\0\0\0\0WAVEdata' });
  for (const name of ['x.mp3', 'y.opus', 'z.wav']) await t.rejects(shelf.frames(join(dir, name), 'opus'), { code: 'FILE_UNREADABLE' }, name);
  t.throws(() => readOggOpus(Buffer.from('OggSjunk'.repeat(10))), { code: 'FILE_UNREADABLE' });
});
