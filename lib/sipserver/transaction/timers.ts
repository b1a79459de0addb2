// RFC 3261 §17, RFC 6026: the timers, in milliseconds.

export interface Timers {
  T1: number;    // round-trip estimate
  T2: number;    // longest interval between retransmissions
  T4: number;    // longest time a message stays in the network
  D: number;     // how long an INVITE client transaction waits for repeated final responses on UDP
  trying: number;// an INVITE by UDP without a response of ours gets 100 after this time; 0 = at once (RFC 3261 §17.2.1 allows up to 200)
  tryingReliable: number;// the same by a reliable transport, where nobody repeats it meanwhile
  second: number;// a second of Session-Expires (RFC 4028)
}

export const DEFAULT_TIMERS: Readonly<Timers> = { T1: 500, T2: 4_000, T4: 5_000, D: 32_000, trying: 0, tryingReliable: 200, second: 1000 };

/** Timer B, F, H, J, L, M: how long a transaction lives without the message it waits for. */
export function lifetime(t: Timers): number {
  return 64 * t.T1;
}
