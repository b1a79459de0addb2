// Messages and bytes a second for each source address, in bounded memory.
import type { StrangerLimits } from './limits.js';

/**
 * Token buckets that refill by whole seconds. At most `addresses` are remembered; when more come in one second the newcomers share one
 * bucket, so a flood from forged addresses can neither grow memory nor push out the addresses seen before it.
 */
export class RateLimiter {
  private readonly seen = new Map<string, number>();
  private overflow = 0;
  private second = 0;

  constructor(private readonly perSecond: number, private readonly addresses: number) {}

  /** False when this address has used up the second. `now` in milliseconds; `weight` says how many at once. */
  allow(address: string, now: number, weight = 1): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.second) {
      this.second = second;
      this.seen.clear();
      this.overflow = 0;
    }
    const n = this.seen.get(address);
    if (n === undefined && this.seen.size >= this.addresses) return (this.overflow += weight) <= this.perSecond;
    if (n !== undefined && n >= this.perSecond) return false;
    this.seen.set(address, (n ?? 0) + weight);
    return true;
  }
}

/** The least a packet costs us, in bytes, however little is in it. */
const SMALLEST = 256;

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

  constructor(limits: StrangerLimits, addresses: number) {
    this.messages = new RateLimiter(limits.messagesPerSecond, addresses);
    this.bytes = new RateLimiter(limits.bytesPerSecond, addresses);
    this.allMessages = new RateLimiter(limits.allMessagesPerSecond, 1);
    this.allBytes = new RateLimiter(limits.allBytesPerSecond, 1);
    // Of those of one second nobody has more than a fifth.
    this.questions = new RateLimiter(Math.ceil(limits.requestsPerSecond / 5), addresses);
    this.allQuestions = new RateLimiter(limits.requestsPerSecond, 1);
    this.connections = new RateLimiter(Math.ceil(limits.connectionsPerSecond / 5), addresses);
    this.allConnections = new RateLimiter(limits.connectionsPerSecond, 1);
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
