import { opusSamples } from '../relay/rtp.js';

/** Samples at 48 kHz in the 20 ms that a recording counts in. */
const SLOT = 960;
/** The longest frame, in octets (RFC 6716 §3.4 R2), and so many of them a packet has at most (R5: 120 ms). */
const LONGEST = 1275;
const MOST_FRAMES = 48;

/** One packet of Opus taken apart (RFC 6716 §3): its TOC octet without the code, and its frames. A frame of no octets asks for concealment. */
export interface OpusPacket {
  readonly toc: number;
  readonly frames: readonly Uint8Array[];
  /** Samples of one frame at 48 kHz. */
  readonly samples: number;
}

/** What decodes to nothing at all: 20 ms of CELT. */
const SILENT: OpusPacket = { toc: 0xf8, frames: [Uint8Array.of(0xff, 0xfe)], samples: SLOT };

/** 20 ms of silence. */
export function silentPacket(): OpusPacket {
  return SILENT;
}

/** 20 ms that a decoder makes up from what came before (RFC 7845 §4.1), in the mode of the packet before. */
export function concealedPacket({ toc, samples }: OpusPacket): OpusPacket {
  return { toc, samples, frames: Array.from({ length: Math.max(1, Math.round(SLOT / samples)) }, () => new Uint8Array(0)) };
}

/** Takes a packet apart; null: it is malformed. */
export function readOpus(packet: Uint8Array): OpusPacket | null {
  const toc = packet[0];
  if (toc === undefined) return null;
  const samples = opusSamples(Buffer.of(toc & 0xfc), 0);
  const reader = new Reader(packet);
  const frames = reader.frames(toc & 3);
  return frames === null || frames.length === 0 || frames.length * samples > 6 * SLOT ? null : { toc: toc & 0xfc, frames, samples };
}

class Reader {
  readonly #packet: Uint8Array;
  #at = 1;

  constructor(packet: Uint8Array) {
    this.#packet = packet;
  }

  frames(code: number): Uint8Array[] | null {
    const rest = this.#packet.length - 1;
    if (code === 0) return this.#cut([rest]);
    if (code === 1) return rest % 2 === 0 ? this.#cut([rest / 2, rest / 2]) : null;
    if (code === 2) {
      const first = this.#length();
      return first === null ? null : this.#cut([first, this.#packet.length - this.#at - first]);
    }
    return this.#many();
  }

  /** RFC 6716 §3.2.5: so many frames as the second octet says, with padding at the end. */
  #many(): Uint8Array[] | null {
    const second = this.#octet();
    const count = (second ?? 0) & 0x3f;
    if (second === null || count === 0 || count > MOST_FRAMES) return null;
    let padding = 0;
    if ((second & 0x40) !== 0) {
      for (let more = this.#octet(); ; more = this.#octet()) {
        if (more === null) return null;
        padding += more === 255 ? 254 : more;
        if (more !== 255) break;
      }
    }
    const lengths: number[] = [];
    if ((second & 0x80) !== 0) {
      for (let i = 1; i < count; i += 1) {
        const length = this.#length();
        if (length === null) return null;
        lengths.push(length);
      }
      lengths.push(this.#packet.length - this.#at - padding - lengths.reduce((sum, one) => sum + one, 0));
    } else {
      const all = this.#packet.length - this.#at - padding;
      if (all < 0 || all % count !== 0) return null;
      lengths.push(...Array.from({ length: count }, () => all / count));
    }
    return this.#cut(lengths);
  }

  #octet(): number | null {
    const octet = this.#packet[this.#at] ?? null;
    this.#at += 1;
    return octet;
  }

  /** RFC 6716 §3.2.1. */
  #length(): number | null {
    const first = this.#octet();
    if (first === null || first < 252) return first;
    const second = this.#octet();
    return second === null ? null : second * 4 + first;
  }

  #cut(lengths: readonly number[]): Uint8Array[] | null {
    const frames: Uint8Array[] = [];
    for (const length of lengths) {
      if (length < 0 || length > LONGEST || this.#at + length > this.#packet.length) return null;
      frames.push(this.#packet.subarray(this.#at, this.#at + length));
      this.#at += length;
    }
    return frames;
  }
}

/** A packet of one or more frames; `delimited`: it says how long it is (RFC 6716 appendix B), so that another can stand behind it. */
export function writeOpus({ toc, frames }: OpusPacket, delimited: boolean): Buffer {
  const head: number[] = frames.length === 1 ? [toc] : frames.length === 2 ? [toc | 2] : [toc | 3, 0x80 | frames.length];
  const told = delimited ? frames : frames.slice(0, -1);
  for (const { length } of told) {
    if (length < 252) head.push(length);
    else head.push(252 + (length & 3), (length - (252 + (length & 3))) >> 2);
  }
  return Buffer.concat([Buffer.from(head), ...frames]);
}

/** The same audio in packets of 20 ms; null: its frames are longer than that, and cannot be divided (RFC 6716 table 2: SILK of 40 and 60 ms), or no 20 ms are filled. */
export function slotsOf(packet: OpusPacket): OpusPacket[] | null {
  const { toc, frames, samples } = packet;
  if (samples > SLOT || (frames.length * samples) % SLOT !== 0) return null;
  const each = SLOT / samples;
  return Array.from({ length: frames.length / each }, (_, i) => ({ toc, samples, frames: frames.slice(i * each, (i + 1) * each) }));
}

/** Two pieces of less than 20 ms, one behind the other; null: they are of different kinds, or too long together. */
export function joined(first: OpusPacket, second: OpusPacket): OpusPacket | null {
  const frames = [...first.frames, ...second.frames];
  return first.toc === second.toc && frames.length * first.samples <= SLOT ? { toc: first.toc, samples: first.samples, frames } : null;
}

/** A piece of less than 20 ms, the rest of which is concealed. */
export function filledUp(packet: OpusPacket): OpusPacket {
  const lacking = Math.max(0, Math.round(SLOT / packet.samples) - packet.frames.length);
  return { ...packet, frames: [...packet.frames, ...Array.from({ length: lacking }, () => new Uint8Array(0))] };
}
