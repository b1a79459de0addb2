// Where an endpoint's outgoing audio comes from: each source gives one encoded frame for each 20 ms.
import { CODECS, makeCodec } from './codec.js';
import type { Codec, CodecName } from './codec.js';
import { ToneGenerator } from './tone.js';

export interface AudioSource {
  /** Payload of the next frame, or undefined to send nothing. */
  next(): Buffer | undefined;
}

/** Payload that decodes to silence. */
export function silenceOf(codec: CodecName): Buffer {
  // One 20 ms CELT frame of digital silence (RFC 6716 §3.1 for the TOC 0xf8); G.711's codes for zero.
  if (codec === 'opus') return Buffer.from([0xf8, 0xff, 0xfe]);
  if (codec === 'G722') return makeCodec('G722').encode(new Int16Array(320));
  return Buffer.alloc(160, codec === 'PCMU' ? 0xff : 0xd5);
}

/** A tone, encoded frame by frame. `tone` may be changed at any time. */
export class ToneSource implements AudioSource {
  private readonly generator: ToneGenerator;

  constructor(private readonly codec: Codec, frequency: number) {
    this.generator = new ToneGenerator(frequency, codec.sampleRate);
  }

  get tone(): number {
    return this.generator.frequency;
  }

  set tone(frequency: number) {
    this.generator.frequency = frequency;
  }

  next(): Buffer {
    return this.codec.encode(this.generator.next(this.codec.sampleRate / 50));
  }
}

/** Frames of tones encoded once and shared by many calls. */
export class FrameBank {
  private readonly loops = new Map<string, Buffer[]>();

  /** One second of a tone; frequencies are taken to a multiple of 50 Hz so that the loop closes without a click. */
  loop(codecName: CodecName, frequency: number): Buffer[] {
    const rounded = Math.round(frequency / 50) * 50;
    const key = `${codecName} ${rounded}`;
    let frames = this.loops.get(key);
    if (frames === undefined) {
      const codec = makeCodec(codecName);
      const source = new ToneSource(codec, rounded);
      // The first frames carry the coder's start-up and are left out.
      for (let i = 0; i < 10; i++) source.next();
      frames = Array.from({ length: 50 }, () => source.next());
      this.loops.set(key, frames);
    }
    return frames;
  }
}

/** A tone out of a bank: no encoding while the call is up. */
export class LoopSource implements AudioSource {
  private at = 0;

  constructor(private readonly bank: FrameBank, private readonly codec: CodecName, public tone: number) {}

  next(): Buffer | undefined {
    const frames = this.bank.loop(this.codec, this.tone);
    return frames[this.at++ % frames.length];
  }
}

export class SilenceSource implements AudioSource {
  private readonly frame: Buffer;

  constructor(codec: CodecName) {
    this.frame = silenceOf(codec);
  }

  next(): Buffer {
    return this.frame;
  }
}

/** Frames between two looks at an echo's depth: half a second. */
const TRIM_EVERY = 25;

/** Sends back payloads that were pushed, in order; silence until the first and while there is none. Holds at most 100 ms, and what a burst left over only for half a second. */
export class EchoSource implements AudioSource {
  private readonly queue: Buffer[] = [];
  private primed = false;
  /** Least that was waiting over the last frames: what is never needed is delay. */
  private least = Infinity;
  private looked = 0;
  private readonly silence: Buffer;

  constructor(codec: CodecName) {
    this.silence = silenceOf(codec);
  }

  push(payload: Buffer): void {
    this.queue.push(payload);
    if (this.queue.length > 5) this.queue.shift();
  }

  next(): Buffer {
    // Two frames are gathered first, so that ordinary jitter does not punch holes.
    if (!this.primed && this.queue.length < 2) return this.silence;
    const frame = this.queue.shift();
    this.primed = frame !== undefined;
    this.least = Math.min(this.least, this.queue.length);
    if (++this.looked === TRIM_EVERY) {
      if (this.least > 1) this.queue.splice(0, this.least - 1);
      this.least = Infinity;
      this.looked = 0;
    }
    return frame ?? this.silence;
  }
}

/** Timestamp step of one frame of 20 ms. */
export function frameTicks(codec: CodecName): number {
  return CODECS[codec].clockRate / 50;
}
