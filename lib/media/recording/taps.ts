import type { Side } from '../relay/side.js';
import { Tap, type TapOptions } from './tap.js';

type MetaSide = Pick<Side, 'speaks' | 'outgoing' | 'format'>;

/** What a recording in progress is told. */
export type TapAction = 'pause' | 'resume' | 'stop';

/** The recordings of one call. */
export class Taps {
  readonly #taps = new Map<number, Tap>();
  /** Of the packet or tick that is dealt with, in milliseconds of performance.now(). */
  now = 0;
  /** By order, whoever records or does not. */
  private = false;

  /** What is said now is for nobody but the two who talk: so it was ordered, or one of them is paused. */
  get paused(): boolean {
    if (this.private) return true;
    for (const tap of this.#taps.values()) if (tap.paused) return true;
    return false;
  }

  add(id: number, options: TapOptions): void {
    this.#taps.set(id, new Tap(options));
  }

  act(id: number, action: TapAction, now: number): void {
    const tap = this.#taps.get(id);
    if (action === 'pause') tap?.pause(now);
    else if (action === 'resume') tap?.resume(now);
    else tap?.end('stopped', now);
    if (action === 'stop') this.#taps.delete(id);
  }

  /** A packet of audio came from the user. */
  heard(packet: Buffer, { speaks }: MetaSide): void {
    for (const tap of this.#taps.values()) tap.user(packet, speaks, this.now);
  }

  /** A packet goes to the user. */
  sent(packet: Buffer, { format, outgoing: stream }: MetaSide): void {
    if (this.#taps.size === 0 || ((packet[1] as number) & 0x7f) !== format.audioType) return;
    for (const tap of this.#taps.values()) tap.business(packet, format.codec, { stream, now: this.now });
  }

  /** `listened`: a peer that listens is connected. */
  tick(listened: boolean): void {
    for (const tap of this.#taps.values()) tap.tick(listened, this.now);
  }

  close(): void {
    for (const tap of this.#taps.values()) tap.end('closed', this.now);
    this.#taps.clear();
  }
}
