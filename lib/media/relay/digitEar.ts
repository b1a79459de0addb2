import { digitOf, EVENT_LOST_MS, EventReader } from './events.js';

/** Hears the digits of one side, each once: at its first end packet (RFC 4733 §2.5.2.2), or when nothing more of it comes. */
export class DigitEar {
  readonly #reader = new EventReader();
  readonly #heard: (digit: string, durationMs: number) => void;
  #unit = 8000;

  constructor(heard: (digit: string, durationMs: number) => void) {
    this.#heard = heard;
  }

  /** No digit is under way. */
  get quiet(): boolean {
    return this.#reader.ended;
  }

  /** A packet of an event; `unit`: of its duration in Hz. */
  take(packet: Buffer, offset: number, unit: number, now: number): void {
    if (packet.length < offset + 4) return;
    this.#unit = unit;
    const timestamp = packet.readUInt32BE(4);
    if (timestamp !== this.#reader.timestamp && !this.#reader.ended) this.#ends();
    this.#reader.take(packet, offset, timestamp, now);
    if (((packet[offset + 1] as number) & 0x80) !== 0 && !this.#reader.ended) this.#ends();
  }

  tick(now: number): void {
    if (!this.#reader.ended && now - this.#reader.lastAt > EVENT_LOST_MS) this.#ends();
  }

  #ends(): void {
    this.#reader.ended = true;
    const digit = digitOf(this.#reader.event);
    if (digit !== null) this.#heard(digit, Math.round((this.#reader.duration * 1000) / this.#unit));
  }
}
