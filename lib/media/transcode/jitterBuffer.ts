import { seqDistance, tsDistance } from '../relay/rtp.js';
import { DelayTarget } from './delayTarget.js';

/** A packet of the source in order. */
export interface Held {
  readonly seq: number;
  /** Its place on the source's own clock, in milliseconds, counted without a wrap. */
  readonly mediaMs: number;
  /** 0: comfort noise, which lasts until the next packet. */
  readonly ms: number;
  readonly payload: Buffer;
}

export interface Arrival {
  readonly seq: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** Length in units of the RTP clock. */
  readonly units: number;
  readonly payload: Buffer;
}

/** What is to be played next: a packet; `ms` of a loss, the last of it with the packet behind; or nothing is there yet. */
export type Next = { readonly kind: 'packet'; readonly packet: Held } | { readonly kind: 'lost'; readonly ms: number; readonly behind: Held | null } | { readonly kind: 'wait' };

/** A timestamp that is off from the clock on the wall by more is another clock, in milliseconds. */
const JUMP_MS = 500;
/** No more packets are kept. */
const MOST_HELD = 64;
/** Played so much later than it should, packets are given up at once, in milliseconds. */
const TOO_FAR_MS = 90;
/** How often the delay is looked at, and what it may be off, in milliseconds; too long is no less than the longest that one correction takes away. */
const LOOK_MS = 200;
const TOO_LONG_MS = 10;
const TOO_SHORT_MS = 2;
/** For so long after a loss that FEC could have mended packets are kept for the one behind them, in milliseconds. */
const FEC_MS = 10_000;
const NEAR_MS = 0.5;
const EXACT_MS = 0.01;
/** Less between two packets in a row is a clock that is not exact. */
const PAUSE_MS = 5;

const WAIT: Next = { kind: 'wait' };

/**
 * Puts a source's packets in order and says what is played when. How long it keeps them follows the jitter; the clock that plays is the
 * caller's. Times are milliseconds.
 */
export class JitterBuffer {
  /** Packets that came after their time, copies included. */
  late = 0;
  /** Milliseconds of the source that never came. */
  lostMs = 0;
  /** By how much the last look found packets to wait longer than the fastest of them must, in milliseconds. */
  depthMs = 0;
  /** What is played is too far behind the source, or so near that packets come too late. */
  correction: 'shorten' | 'lengthen' | null = null;

  readonly #perMs: number;
  readonly #outMs: number;
  readonly #repeats: (payload: Buffer) => boolean;
  readonly #target = new DelayTarget();
  #held: Held[] = [];
  #ssrc = -1;
  #newest: { seq: number; timestamp: number; mediaMs: number; at: number } | null = null;
  #playing = false;
  /** Where in media time the next packet belongs, and the number of the one before. */
  #at = 0;
  #seq = 0;
  /** What stood in for packets that had not come, and may be found lost. */
  #owedMs = 0;
  #noise = false;
  #fecUntil = -Infinity;
  #slack = Infinity;
  #lookAt = 0;
  /** How much of the frame at hand was there before the piece that is asked for. */
  #filledMs = 0;

  /** `clock`: units of the source's RTP clock in a second; `outMs`: how much is played in one go; `repeats`: whether a payload has FEC. */
  constructor(clock: number, outMs: number, repeats: (payload: Buffer) => boolean) {
    this.#perMs = clock / 1000;
    this.#outMs = outMs;
    this.#repeats = repeats;
  }

  /** Milliseconds of the source that are here and not played. */
  get heldMs(): number {
    const [first, last] = [this.#held[0], this.#held.at(-1)];
    return first === undefined || last === undefined ? 0 : Math.max(0, last.mediaMs + last.ms - (this.#playing ? this.#at : first.mediaMs));
  }

  get playing(): boolean {
    return this.#playing;
  }

  push(arrival: Arrival, now: number): void {
    if (this.#ssrc !== arrival.ssrc || this.#newest === null || this.#jumps(arrival, now)) this.#restart(arrival, now);
    const newest = this.#newest;
    if (newest === null) return;
    const mediaMs = newest.mediaMs + tsDistance(arrival.timestamp, newest.timestamp) / this.#perMs;
    const ms = arrival.units / this.#perMs;
    const packet: Held = { seq: arrival.seq, mediaMs, ms, payload: arrival.payload };
    this.#target.take(mediaMs, now);
    const step = seqDistance(arrival.seq, newest.seq);
    if (step > 1 && this.#repeats(arrival.payload)) this.#fecUntil = now + FEC_MS;
    if (step > 0) this.#newest = { seq: arrival.seq, timestamp: arrival.timestamp, mediaMs, at: now };
    if (this.#playing && (seqDistance(arrival.seq, this.#seq) <= 0 || (ms > 0 && mediaMs + ms < this.#at + EXACT_MS))) {
      this.late += 1;
      return;
    }
    this.#insert(packet);
  }

  /** The source changed, or is silent on purpose. */
  forget(): void {
    this.#held = [];
    this.#newest = null;
    this.stop();
  }

  /** Nothing is played any more until a packet's time has come. */
  stop(): void {
    this.#playing = false;
    this.#owedMs = 0;
    this.#noise = false;
    this.correction = null;
    this.#slack = Infinity;
  }

  /** What is to be played in the frame that leaves at `now`, behind `filledMs` of it. */
  next(now: number, filledMs = 0): Next {
    this.#filledMs = filledMs;
    const head = this.#held[0];
    if (head === undefined) return WAIT;
    if (!this.#playing) return this.#begin(head, now);
    const gap = head.mediaMs - this.#at;
    const follows = seqDistance(head.seq, this.#seq) === 1;
    if (gap <= (follows ? PAUSE_MS : NEAR_MS)) return this.#take(now);
    // Nothing is missing: the source paused. Where it goes on the delay is set anew.
    if (this.#noise || follows) return this.#begin(head, now);
    const lacking = gap - this.#owedMs;
    if (lacking <= NEAR_MS) {
      this.lostMs += gap;
      this.#at = head.mediaMs;
      return this.#take(now);
    }
    const behind = lacking <= head.ms + NEAR_MS ? head : null;
    const ms = behind === null ? lacking - head.ms : lacking;
    this.#look(now);
    this.#at += ms;
    this.lostMs += ms;
    return { kind: 'lost', ms, behind };
  }

  /** Something was played in place of a packet that had not come. */
  stoodIn(ms: number): void {
    if (this.#playing && !this.#noise) this.#owedMs += ms;
  }

  get owedMs(): number {
    return this.#owedMs;
  }

  #jumps({ timestamp }: Arrival, now: number): boolean {
    if (this.#newest === null) return true;
    const off = tsDistance(timestamp, this.#newest.timestamp) / this.#perMs - (now - this.#newest.at);
    return off > JUMP_MS || off < -JUMP_MS;
  }

  #restart({ seq, timestamp, ssrc }: Arrival, now: number): void {
    this.#ssrc = ssrc;
    this.#held = [];
    this.#newest = { seq: seq - 1, timestamp, mediaMs: now, at: now };
    this.#target.restart();
    this.stop();
  }

  #insert(packet: Held): void {
    let at = this.#held.length;
    while (at > 0 && seqDistance(packet.seq, (this.#held[at - 1] as Held).seq) < 0) at -= 1;
    if (at > 0 && (this.#held[at - 1] as Held).seq === packet.seq) return;
    this.#held.splice(at, 0, packet);
    if (this.#held.length > MOST_HELD) this.#drop();
  }

  #drop(): void {
    const packet = this.#held.shift();
    if (packet === undefined) return;
    this.late += 1;
    this.#at = Math.max(this.#at, packet.mediaMs + packet.ms);
    this.#seq = packet.seq;
  }

  /** The first packet, or the first behind a pause: its time has come once a packet that is as late as most would be there. */
  #begin(head: Held, now: number): Next {
    const due = this.#target.earliest(head.mediaMs) + this.#target.ms + (head.ms === 0 ? 0 : this.#outMs - this.#grid(head.ms));
    if (now < due - NEAR_MS) return WAIT;
    this.#playing = true;
    this.#at = head.mediaMs;
    return this.#take(now);
  }

  #take(now: number): Next {
    while (this.#held.length > 1 && now - this.#target.earliest(this.#at) - this.#target.ms > this.#outMs + TOO_FAR_MS) this.#drop();
    this.#look(now);
    const packet = this.#held.shift();
    if (packet === undefined) return WAIT;
    this.#owedMs = 0;
    this.#noise = packet.ms === 0;
    this.#at = packet.mediaMs + packet.ms;
    this.#seq = packet.seq;
    return { kind: 'packet', packet };
  }

  /**
   * Where play-out stands: the least that a packet was kept beyond the fastest way, since the last look. A packet must be there when the frame in
   * which it begins leaves. How far into that it begins is delay without use; and as the delay changes, what packets are kept changes in steps of
   * the grid alone. So what is too long is counted from the least delay whose step is long enough: no correction leads below it.
   */
  #look(now: number): void {
    this.#slack = Math.min(this.#slack, now - this.#target.earliest(this.#at));
    if (now < this.#lookAt) return;
    const ms = this.#held[0]?.ms ?? 0;
    const spare = this.#slack - this.#target.ms - (now < this.#fecUntil ? ms : 0) + TOO_SHORT_MS;
    const grid = this.#grid(ms);
    this.depthMs = this.#slack;
    this.correction = spare < 0 ? 'lengthen' : (this.#filledMs % grid) + grid * Math.floor(spare / grid) > TOO_LONG_MS ? 'shorten' : null;
    this.#slack = Infinity;
    this.#lookAt = now + LOOK_MS;
  }

  /** In steps of so much packets of `ms` begin within frames. */
  #grid(ms: number): number {
    return commonDivisor(Math.max(1, Math.round(ms)), this.#outMs);
  }
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
