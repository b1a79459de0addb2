// Reliable provisional responses, UAS side (RFC 3262 §3).
import type { SipMessage } from '../parser/index.js';
import { parseCSeq } from '../parser/index.js';
import { lifetime } from '../transaction/index.js';
import type { ServerTransaction, Timers } from '../transaction/index.js';
import type { Guard } from '../transport/index.js';

/** RFC 3262 §7.2: `RAck: response-number CSeq-number method`. What some write behind that (the method twice) is overlooked. */
export function parseRAck(value: string): { rseq: number; seq: number; method: string } | undefined {
  const m = /^(\d{1,10})\s+(\d{1,10})\s+(\S+)/.exec(value.trim());
  return m === null ? undefined : { rseq: Number(m[1]), seq: Number(m[2]), method: m[3] ?? '' };
}

/** The reliable provisional responses of one INVITE. One is outstanding at a time; others wait for its PRACK, and so does a 2xx with a body to answer. */
export class ReliableProvisionals {
  private rseq = Math.floor(Math.random() * 0x7ffffff) + 1;
  private outstanding: SipMessage | undefined;
  private readonly waiting: SipMessage[] = [];
  private retransmit: NodeJS.Timeout | undefined;
  private end: NodeJS.Timeout | undefined;
  private interval = 0;
  /** Called once, when nothing is outstanding any more. */
  onQuiet: (() => void) | undefined;

  /** `never` is called when no PRACK has come within 64*T1: the INVITE is then refused with a 5xx (§3). */
  constructor(private readonly tx: ServerTransaction, private readonly timers: Timers, private readonly guard: Guard, private readonly never: () => void) {}

  /** Gives the response its RSeq and sends it, at once or after the one before is acknowledged. */
  send(response: SipMessage): void {
    response.set('RSeq', String(this.rseq++));
    if (this.outstanding === undefined) this.transmit(response);
    else this.waiting.push(response);
  }

  /** Takes a PRACK. False when it acknowledges nothing that is outstanding (to be answered 481, §3). */
  acknowledged(prack: SipMessage): boolean {
    const rack = parseRAck(prack.get('rack') ?? '');
    const sent = this.outstanding;
    const seq = parseCSeq(this.tx.request.get('cseq') ?? '')?.seq;
    if (rack === undefined || sent === undefined || rack.method !== 'INVITE' || rack.seq !== seq || String(rack.rseq) !== sent.get('rseq')) return false;
    this.stop();
    const next = this.waiting.shift();
    if (next !== undefined) this.transmit(next);
    else {
      const quiet = this.onQuiet;
      this.onQuiet = undefined;
      // After the PRACK has been handed on: who waits for it is to see it first.
      if (quiet !== undefined) this.guard.soon('reliable response', quiet);
    }
    return true;
  }

  get pending(): boolean {
    return this.outstanding !== undefined;
  }

  stop(): void {
    this.outstanding = undefined;
    clearTimeout(this.retransmit);
    clearTimeout(this.end);
  }

  private transmit(response: SipMessage): void {
    this.outstanding = response;
    if (!this.tx.respond(response)) return;
    this.arm(this.timers.T1);
    this.end = this.guard.after(lifetime(this.timers), 'reliable response', () => {
      this.stop();
      this.never();
    });
  }

  // §3: at T1, doubling, without the bound of T2.
  private arm(interval: number): void {
    this.interval = interval;
    this.retransmit = this.guard.after(interval, 'reliable response', () => {
      if (this.outstanding === undefined || !this.tx.respond(this.outstanding)) return;
      this.arm(2 * this.interval);
    });
  }
}
