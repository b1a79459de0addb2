// A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4).
import { lifetime } from '../transaction/index.js';
import type { ServerTransaction, Timers } from '../transaction/index.js';
import type { Guard } from '../transport/index.js';

export class AcceptedInvite {
  private retransmit: NodeJS.Timeout | undefined;
  private readonly end: NodeJS.Timeout;

  /** `seq` is the CSeq number of the INVITE: its ACK carries the same. `never` is called when no ACK has come within 64*T1. */
  constructor(readonly seq: number, private readonly tx: ServerTransaction, private readonly timers: Timers,
    private readonly guard: Guard, never: () => void) {
    this.arm(timers.T1);
    this.end = guard.after(lifetime(timers), 'accepted INVITE', () => {
      this.stop();
      never();
    });
  }

  stop(): void {
    clearTimeout(this.retransmit);
    clearTimeout(this.end);
  }

  // §13.3.1.4: on every transport, doubling up to T2, because a proxy further on may use UDP.
  private arm(interval: number): void {
    this.retransmit = this.guard.after(interval, 'accepted INVITE', () => {
      this.tx.repeatAccepted();
      this.arm(Math.min(2 * interval, this.timers.T2));
    });
  }
}
