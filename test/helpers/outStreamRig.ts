import { OutStream, type StreamFormat } from '../../lib/media/relay/outStream.js';

export const META: StreamFormat = { codec: 'opus', audioType: 111, eventType: 126, eventUnit: 8000 };
export const SILENCE = 'f8fffe';

export interface Sent { at: number; type: number; marker: boolean; seq: number; ts: number; ssrc: number; payload: string }

/** A stream with a clock of its own: everything is driven by `advance`. */
export class Rig {
  now = 1000;
  readonly sent: Sent[] = [];
  readonly stream: OutStream;
  constructor(format: StreamFormat = META, seq = 65_530, ts = 0xffff_f000) {
    this.stream = new OutStream(format, 77, seq, ts, (packet) => this.sent.push({
      at: this.now, type: (packet[1] as number) & 0x7f, marker: (packet[1] as number) > 127, seq: packet.readUInt16BE(2), ts: packet.readUInt32BE(4),
      ssrc: packet.readUInt32BE(8), payload: packet.subarray(12).toString('hex'),
    }));
  }

  advance(ms: number): void {
    for (let i = 0; i < ms; i += 5) {
      this.now += 5;
      this.stream.tick(this.now);
    }
  }

  audio(seq: number, ts: number, ssrc = 1, payload = '78aa', marker = false): void {
    this.stream.audio(rtp(111, seq, ts, ssrc, payload, marker), 960, this.now);
  }

  event(seq: number, ts: number, event: number, duration: number, end: boolean, unit = 8000, ssrc = 1): void {
    const payload = Buffer.from([event, end ? 0x8a : 0x0a, duration >> 8 & 0xff, duration & 0xff]).toString('hex');
    this.stream.event(rtp(101, seq, ts, ssrc, payload, false), 12, unit, this.now);
  }

  /** Speaks `count` packets at 20 ms from these numbers. */
  speak(count: number, seq: number, ts: number, ssrc = 1): void {
    for (let i = 0; i < count; i += 1) {
      this.audio(seq + i, ts + i * 960, ssrc);
      this.advance(20);
    }
  }

  get faults(): string[] {
    return this.sent.flatMap((b, i) => {
      const a = this.sent[i - 1];
      if (!a) return [];
      const found: string[] = [];
      if (((b.seq - a.seq) & 0xffff) !== 1) found.push(`${i}: seq ${a.seq} to ${b.seq}`);
      if (((b.ts - a.ts) >>> 0) !== 960) found.push(`${i}: ts step ${(b.ts - a.ts) >>> 0}`);
      if (b.at - a.at > 80) found.push(`${i}: ${b.at - a.at} ms`);
      return found;
    });
  }
}

function rtp(type: number, seq: number, ts: number, ssrc: number, payload: string, marker: boolean): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(payload, 'hex')]);
  packet[0] = 0x80;
  packet[1] = type | (marker ? 0x80 : 0);
  packet.writeUInt16BE(seq & 0xffff, 2);
  packet.writeUInt32BE(ts >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}
