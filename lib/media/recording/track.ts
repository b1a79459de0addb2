import type { RelayCodec } from '../relay/rtp.js';
import { makeDecoder, makeEncoder, type AudioDecoder, type AudioEncoder, type SampleRate } from '../codec/index.js';
import { concealedPacket, filledUp, joined, readOpus, slotsOf, writeOpus, type OpusPacket } from './opusPacket.js';

/** What fills one slot of one channel. */
export type Frame = { readonly codec: 'opus'; readonly packet: OpusPacket } | { readonly codec: Exclude<RelayCodec, 'opus'>; readonly octets: Uint8Array };

/** Octets of 20 ms of G.711 and G.722. */
const OCTETS = 160;
/** A hole of no more slots is concealed, as a receiver would; a longer one is silence. */
const MOST_CONCEALED = 5;

/** Packets of one channel on their way into slots of 20 ms, out of order as the network brings them. */
export class Track {
  readonly #frames = new Map<number, Frame>();
  #next = 0;
  #last: Frame | null = null;
  #divider: Divider | null = null;
  /** Packets that came for a slot that has been written. */
  late = 0;

  take(slot: number, codec: RelayCodec, payload: Uint8Array): void {
    if (slot < this.#next) {
      this.late += 1;
      return;
    }
    if (codec !== 'opus') return this.#octets(slot, codec, payload);
    const packet = readOpus(payload);
    if (packet === null) return;
    const before = this.#frames.get(slot);
    if (before !== undefined && before.codec === 'opus') {
      const both = joined(before.packet, packet);
      if (both !== null) this.#frames.set(slot, { codec, packet: both });
      return;
    }
    const short = packet.frames.length * packet.samples < 960;
    const parts = short ? [packet] : slotsOf(packet) ?? (this.#divider ??= new Divider()).divide(packet);
    parts.forEach((part, i) => this.#frames.set(slot + i, { codec, packet: part }));
  }

  #octets(slot: number, codec: Exclude<RelayCodec, 'opus'>, payload: Uint8Array): void {
    const before = this.#frames.get(slot);
    if (before !== undefined && before.codec === codec && before.octets.length + payload.length <= OCTETS) {
      this.#frames.set(slot, { codec, octets: Buffer.concat([before.octets, payload]) });
      return;
    }
    for (let at = 0, i = slot; at < payload.length; at += OCTETS, i += 1) this.#frames.set(i, { codec, octets: payload.subarray(at, at + OCTETS) });
  }

  /** What stands in the next slot; null: nothing, and it is silent. */
  next(): Frame | null {
    const slot = this.#next;
    this.#next += 1;
    const frame = this.#frames.get(slot);
    if (frame !== undefined) {
      this.#frames.delete(slot);
      const whole = frame.codec === 'opus' ? { codec: frame.codec, packet: filledUp(frame.packet) } : frame;
      this.#last = whole;
      return whole;
    }
    const last = this.#last;
    if (last === null || last.codec !== 'opus' || !this.#resumes(slot)) return this.#last = null;
    return { codec: 'opus', packet: concealedPacket(last.packet) };
  }

  /** Whether a packet stands soon behind this slot: what is missing was lost, and no pause. */
  #resumes(slot: number): boolean {
    for (let i = slot + 1; i <= slot + MOST_CONCEALED; i += 1) if (this.#frames.has(i)) return true;
    return false;
  }

  close(): void {
    this.#divider?.close();
  }
}

/** Makes packets of 20 ms out of those whose frames are longer. */
class Divider {
  readonly #decoder = makeDecoder('opus', 16_000);
  readonly #encoder = makeEncoder('opus', 16_000, { bitrate: 32_000, fec: false });

  divide(packet: OpusPacket): OpusPacket[] {
    const pcm = Int16Array.from(this.#decoder.decode(writeOpus(packet, false)));
    return Array.from({ length: Math.floor(pcm.length / 320) }, (_, i) => readOpus(this.#encoder.encode(pcm.subarray(i * 320, (i + 1) * 320)))).filter((part) => part !== null);
  }

  close(): void {
    this.#decoder.close();
    this.#encoder.close();
  }
}

/** Linear audio of the frames of one channel, at one rate. */
export class Listener {
  readonly #rate: SampleRate;
  readonly #decoders = new Map<RelayCodec, AudioDecoder>();
  readonly #silence: Int16Array;

  constructor(rate: SampleRate) {
    this.#rate = rate;
    this.#silence = new Int16Array(rate / 50);
  }

  /** 20 ms, valid until the next call; null as `frame`: silence. */
  hear(frame: Frame | null): Int16Array {
    if (frame === null) return this.#silence.fill(0);
    const { codec } = frame;
    let decoder = this.#decoders.get(codec);
    if (decoder === undefined) this.#decoders.set(codec, decoder = makeDecoder(codec, this.#rate));
    try {
      const pcm = decoder.decode(frame.codec === 'opus' ? writeOpus(frame.packet, false) : frame.octets);
      if (pcm.length === this.#silence.length) return pcm;
      this.#silence.fill(0).set(pcm.subarray(0, this.#silence.length));
    } catch {
      // A payload that the decoder throws at is silence.
      this.#silence.fill(0);
    }
    return this.#silence;
  }

  close(): void {
    for (const decoder of this.#decoders.values()) decoder.close();
    this.#decoders.clear();
  }
}

/** Makes Opus of what is none. */
export class Speaker {
  #encoder: AudioEncoder | null = null;
  readonly #listener = new Listener(8000);

  packet(frame: Frame): OpusPacket | null {
    if (frame.codec === 'opus') return frame.packet;
    this.#encoder ??= makeEncoder('opus', 8000, { fec: false });
    return readOpus(this.#encoder.encode(this.#listener.hear(frame)));
  }

  close(): void {
    this.#encoder?.close();
    this.#listener.close();
  }
}
