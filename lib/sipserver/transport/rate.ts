// Messages and bytes a second for each source address, in bounded memory.
import type { StrangerLimits } from './limits.js';

/** So many are always to be had at once, however small the rate: a question, its answer, and those of a neighbour. */
const LEAST = 4;

/** Sums of fractions are not exact, ms. */
const ROUNDING = 1e-6;

/** What somebody had beyond the rate is held against him for so long at most, ms: a single piece can be larger than all he may have. */
const LONGEST_DEBT = 1000;

/**
 * Token buckets that refill steadily (GCRA, as in ITU-T I.371): nobody has a whole second's worth at its first moment and starves whoever comes later
 * in it. `burst`: how many seconds' worth may come at once. At most `addresses` newcomers are told apart at a time, beside those seen just before;
 * when there are more they share one bucket, so a flood from forged addresses can neither grow memory nor push out the addresses seen before it.
 */
export class RateLimiter {
  /** Address → until when what it had is paid for, ms; `older` are those not seen since the last turn, and paid for by the next. */
  private recent = new Map<string, number>();
  private older = new Map<string, number>();
  private turned = 0;
  private readonly burst: number;

  constructor(private readonly perSecond: number, private readonly addresses: number, burst = 1) {
    this.burst = burst * 1000;
  }

  /** False when this address has had what it may. `now` in milliseconds; `weight` says how many at once. */
  allow(address: string, now: number, weight = 1): boolean {
    if (this.perSecond <= 0) return false;
    const longest = Math.max(this.burst, (LEAST * 1000) / this.perSecond) + LONGEST_DEBT;
    if (now - this.turned > longest || now < this.turned) {
      this.older = now - this.turned > 2 * longest || now < this.turned ? new Map<string, number>() : this.recent;
      this.recent = new Map();
      this.turned = now;
    }
    const key = this.recent.size >= this.addresses && this.until(address) === undefined ? '' : address;
    const paid = Math.max(now, this.until(key) ?? now);
    const cost = 1000 / this.perSecond;
    if (paid + cost > now + Math.max(this.burst, LEAST * cost) + ROUNDING) return false;
    this.recent.set(key, Math.min(paid + weight * cost, now + longest));
    return true;
  }

  private until(key: string): number | undefined {
    return this.recent.get(key) ?? this.older.get(key);
  }
}

/** The least a packet costs us, in bytes, however little is in it. */
const SMALLEST = 256;

/** How many seconds' worth may come at once, from one place as well as from all of them, so that none has more of a moment than of a second. */
export interface Bursts {
  readonly messages: number;
  readonly connections: number;
}

/** For anybody: what they cost is spread over the second, and calls are not held up at its start. A connection is not tried again as soon as a datagram is. */
export const SPREAD: Bursts = { messages: 0.1, connections: 0.5 };

/** For places where a password was shown: all phones of an office come at once after a restart, and over TCP none asks again soon. */
export const AT_ONCE: Bursts = { messages: 1, connections: 1 };

/** What all strangers together, and those of one address, may have of us in a second. `place`: an address (IPv6: its /64). */
export class StrangerBudget {
  private readonly messages: RateLimiter;
  private readonly bytes: RateLimiter;
  private readonly allMessages: RateLimiter;
  private readonly allBytes: RateLimiter;
  private readonly questions: RateLimiter;
  private readonly allQuestions: RateLimiter;
  private readonly connections: RateLimiter;
  private readonly allConnections: RateLimiter;

  constructor(limits: StrangerLimits, addresses: number, bursts: Bursts) {
    this.messages = new RateLimiter(limits.messagesPerSecond, addresses, bursts.messages);
    this.bytes = new RateLimiter(limits.bytesPerSecond, addresses, bursts.messages);
    this.allMessages = new RateLimiter(limits.allMessagesPerSecond, 1, bursts.messages);
    this.allBytes = new RateLimiter(limits.allBytesPerSecond, 1, bursts.messages);
    // Of those of one second nobody has more than a fifth.
    this.questions = new RateLimiter(Math.ceil(limits.requestsPerSecond / 5), addresses, bursts.messages);
    this.allQuestions = new RateLimiter(limits.requestsPerSecond, 1, bursts.messages);
    this.connections = new RateLimiter(Math.ceil(limits.connectionsPerSecond / 5), addresses, bursts.connections);
    this.allConnections = new RateLimiter(limits.connectionsPerSecond, 1, bursts.connections);
  }

  /** So many messages or keep-alives: false when that is too much. */
  message(place: string, now: number, count = 1): boolean {
    return this.messages.allow(place, now, count) && this.allMessages.allow('', now, count);
  }

  /** So many bytes arrived in one piece. */
  received(place: string, bytes: number, now: number): boolean {
    const weight = Math.max(bytes, SMALLEST);
    return this.bytes.allow(place, now, weight) && this.allBytes.allow('', now, weight);
  }

  /** A request that the application is to be asked about. */
  question(place: string, now: number): boolean {
    return this.questions.allow(place, now) && this.allQuestions.allow('', now);
  }

  connection(place: string, now: number): boolean {
    return this.connections.allow(place, now) && this.allConnections.allow('', now);
  }
}
