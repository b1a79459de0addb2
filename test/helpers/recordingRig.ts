import { readFileSync } from 'node:fs';
import { makeDecoder, makeEncoder, type AudioEncoder } from '../../lib/media/codec/index.js';
import type { RecordingEnd, RecordingResult } from '../../lib/media/types.js';
import { OutStream, type StreamFormat } from '../../lib/media/relay/outStream.js';
import type { RelayCodec } from '../../lib/media/relay/rtp.js';
import { Take, type TakeOptions } from '../../lib/media/recording/take.js';
import { Taps } from '../../lib/media/recording/taps.js';

export interface Ended { readonly why: RecordingEnd; readonly detail: string | null; readonly result: RecordingResult }

/** A stream towards Meta, its tap and its recorder in one thread, on a clock that the test moves. */
export class RecordingRig {
  now = 50_000;
  readonly taps = new Taps();
  readonly meta: { readonly speaks: RelayCodec; readonly format: StreamFormat; readonly outgoing: OutStream };
  readonly take: Take;
  readonly ended: Promise<Ended>;
  readonly pending = new Int32Array(new SharedArrayBuffer(8));
  readonly marks: string[] = [];
  listened = true;
  /** The recorder takes nothing while it is false. */
  awake = true;
  readonly #held: Uint8Array[] = [];

  constructor(options: Partial<TakeOptions> & Pick<TakeOptions, 'file'>, codec: RelayCodec = 'opus', private readonly sent: (packet: Buffer, now: number) => void = () => undefined) {
    const format: StreamFormat = { codec, audioType: codec === 'opus' ? 111 : 0, eventType: 126, eventUnit: 8000 };
    const outgoing = new OutStream(format, 77, 65_530, 0xffff_f000, (packet) => {
      this.taps.sent(packet, this.meta);
      this.sent(packet, this.now);
    });
    this.meta = { speaks: codec, format, outgoing };
    let end: (ended: Ended) => void = () => undefined;
    this.ended = new Promise((resolve) => { end = resolve; });
    const whole: TakeOptions = { format: 'ogg', channels: 'both', rate: codec === 'opus' ? 16_000 : 8000, maxSeconds: null, silenceSeconds: null, ...options };
    this.take = new Take(whole, { marked: (mark, seconds) => this.marks.push(`${mark} ${seconds}`), ended: (why, detail, result) => end({ why, detail, result }) });
    this.take.begin();
    const hand = (bytes: Uint8Array): void => {
      Atomics.add(this.pending, 1, 1);
      this.take.take(bytes);
    };
    this.taps.add(1, {
      both: whole.channels === 'both', pending: this.pending,
      port: {
        close: () => undefined,
        postMessage: (bytes: Uint8Array) => {
          if (!this.awake) return void this.#held.push(bytes);
          for (const one of this.#held.splice(0)) hand(one);
          hand(bytes);
        },
      },
    });
    this.taps.now = this.now;
    outgoing.start(this.now);
  }

  advance(ms: number): void {
    for (let i = 0; i < ms; i += 5) {
      this.taps.now = this.now += 5;
      this.meta.outgoing.tick(this.now);
      this.taps.tick(this.listened);
    }
  }

  user(packet: Buffer): void {
    this.taps.heard(packet, this.meta);
  }
}

export function rtp(type: number, { seq, ts, ssrc }: { readonly seq: number; readonly ts: number; readonly ssrc: number }, payload: Uint8Array): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), payload]);
  packet[0] = 0x80;
  packet[1] = type;
  packet.writeUInt16BE(seq & 0xffff, 2);
  packet.writeUInt32BE(ts >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** Frames of soft noise, and of a click at their beginning. */
export class Clicker {
  readonly #encoder: AudioEncoder;
  readonly #made = new Map<boolean, Buffer>();
  constructor(readonly codec: RelayCodec, readonly rate: 8000 | 16_000, bitrate = 32_000) {
    this.#encoder = makeEncoder(codec, rate, { bitrate, fec: false });
  }

  /** The third of its kind, so that what the coder has to begin with is over; made once. */
  frame(click: boolean): Buffer {
    const made = this.#made.get(click);
    if (made !== undefined) return made;
    this.coded(false);
    this.coded(false);
    const frame = this.coded(click);
    this.#made.set(click, frame);
    return frame;
  }

  coded(click: boolean, ms = 20): Buffer {
    const pcm = Int16Array.from({ length: (this.rate * ms) / 1000 }, (_, i) => (click && i < this.rate / 100 ? 20_000 * Math.sin((2 * Math.PI * 1000 * i) / this.rate) : 20 * Math.sin(i)));
    return this.#encoder.encode(pcm);
  }
}

/** Samples of each channel of a recording of ours, at 16 kHz or as WAV has them: read and decoded here, by none of what wrote it but libopus. */
export function readRecording(file: string): { readonly rate: number; readonly channels: readonly Int16Array[]; readonly ended: boolean } {
  const bytes = readFileSync(file);
  return bytes.toString('latin1', 0, 4) === 'RIFF' ? readWave(bytes) : readOgg(bytes);
}

function readWave(bytes: Buffer): ReturnType<typeof readRecording> {
  const [count, rate, size] = [bytes.readUInt16LE(22), bytes.readUInt32LE(24), bytes.readUInt32LE(40)];
  const frames = Math.floor(size / (2 * count));
  const channels = Array.from({ length: count }, (_, channel) => Int16Array.from({ length: frames }, (_, i) => bytes.readInt16LE(44 + 2 * (i * count + channel))));
  return { rate, channels, ended: bytes.length === 44 + size };
}

function readOgg(bytes: Buffer): ReturnType<typeof readRecording> {
  const packets: Buffer[] = [];
  let [granule, flags, number] = [0n, 0, 0];
  for (let at = 0; at + 27 <= bytes.length;) {
    if (bytes.toString('latin1', at, at + 4) !== 'OggS') throw new Error(`no page at ${at}`);
    const segments = [...bytes.subarray(at + 27, at + 27 + (bytes[at + 26] as number))];
    const end = at + 27 + segments.length + segments.reduce((sum, one) => sum + one, 0);
    if (end > bytes.length) break;
    const page = Buffer.from(bytes.subarray(at, end));
    const crc = page.readUInt32LE(22);
    page.writeUInt32LE(0, 22);
    if (crc !== slowCrc(page)) throw new Error(`page ${number} has a wrong CRC`);
    if (page.readUInt32LE(18) !== number) throw new Error(`page ${number} is missing`);
    [granule, flags, number] = [page.readBigUInt64LE(6), page[5] as number, number + 1];
    let body = 27 + segments.length;
    let length = 0;
    for (const segment of segments) {
      length += segment;
      if (segment === 255) continue;
      packets.push(page.subarray(body, body + length));
      body += length;
      length = 0;
    }
    at = end;
  }
  const [head, , ...audio] = packets;
  if (head?.toString('latin1', 0, 8) !== 'OpusHead') throw new Error('no OpusHead');
  const count = head[9] as number;
  const preSkip = head.readUInt16LE(10);
  if (BigInt(audio.length * 960) !== granule) throw new Error(`${audio.length} packets end at ${granule}`);
  if (count === 2 && head.subarray(18).toString('hex') !== '0102000001') throw new Error('not two streams of one channel');
  const decoders = Array.from({ length: count }, () => makeDecoder('opus', 16_000));
  const parts: Int16Array[][] = decoders.map(() => []);
  for (const packet of audio) {
    const streams = count === 1 ? [packet] : undelimit(packet);
    streams.forEach((stream, i) => {
      const pcm = decoders[i]?.decode(stream);
      if (pcm?.length !== 320) throw new Error(`a packet of ${pcm?.length} samples`);
      parts[i]?.push(Int16Array.from(pcm));
    });
  }
  for (const decoder of decoders) decoder.close();
  const channels = parts.map((list) => {
    const all = new Int16Array(list.length * 320);
    list.forEach((part, i) => all.set(part, i * 320));
    return all.subarray((preSkip * 16) / 48);
  });
  return { rate: 16_000, channels, ended: (flags & 4) !== 0 };
}

/** The first packet, which says how long it is (RFC 6716 appendix B), made a plain one, and what is behind it. */
function undelimit(packet: Buffer): [Buffer, Buffer] {
  const code = (packet[0] as number) & 3;
  let at = 1;
  const length = (): number => {
    const first = packet[at++] as number;
    return first < 252 ? first : (packet[at++] as number) * 4 + first;
  };
  if (code === 0) {
    const size = length();
    return [Buffer.concat([packet.subarray(0, 1), packet.subarray(at, at + size)]), packet.subarray(at + size)];
  }
  const count = code === 3 ? (packet[at++] as number) & 0x3f : 2;
  const start = at;
  const lengths: number[] = [];
  let before = at;
  for (let i = 0; i < count; i += 1) {
    before = at;
    lengths.push(length());
  }
  const size = lengths.reduce((sum, one) => sum + one, 0);
  return [Buffer.concat([packet.subarray(0, start), packet.subarray(start, before), packet.subarray(at, at + size)]), packet.subarray(at + size)];
}

function slowCrc(page: Buffer): number {
  let crc = 0;
  for (const octet of page) {
    crc ^= octet << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000_0000) !== 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

/** Where clicks begin, in milliseconds: the first sample of each burst that is louder than `level`. */
export function clicksIn(samples: Int16Array, rate: number, level = 5000): number[] {
  const found: number[] = [];
  let last = -Infinity;
  samples.forEach((sample, i) => {
    if (Math.abs(sample) < level) return;
    if (i - last > rate / 5) found.push((i * 1000) / rate);
    last = i;
  });
  return found;
}

/** When clicks begin, in milliseconds of performance.now(), in Opus packets with the times at which they came or went. */
export function clicksOfPackets(packets: readonly { readonly at: number; readonly payload: Uint8Array }[]): number[] {
  const decoder = makeDecoder('opus', 16_000);
  const found: number[] = [];
  for (const { at, payload } of packets) {
    const pcm = decoder.decode(payload);
    const first = pcm.findIndex((sample) => Math.abs(sample) >= 3000);
    if (first >= 0 && at - (found.at(-1) ?? -Infinity) > 200) found.push(at + first / 16);
  }
  decoder.close();
  return found;
}
