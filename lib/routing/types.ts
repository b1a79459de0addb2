import type { StopOn } from '../config/types.js';

/** What routing looks at in a user-initiated call. Plain data. */
export interface RouteRequest {
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** Calling user: E.164 with '+', or a BSUID. */
  readonly user: string;
  /** x-wa-meta-cta-payload, else x-wa-meta-deeplink-payload, else null. */
  readonly payload: string | null;
}

/** One peer user a call can be offered to. */
export interface RouteTarget {
  readonly peer: string;
  readonly user: string;
  /** Request-URI of the INVITE: the peer's URI with this user. */
  readonly uri: string;
}

export type RouteDecision =
  | {
    readonly found: true;
    readonly route: string;
    readonly targets: readonly RouteTarget[];
    readonly strategy: 'failover' | 'ring-all';
    /** Answers after which no further target is tried. */
    readonly stopOn: readonly StopOn[];
    /** Seconds each target may ring. */
    readonly ringTimeout: number;
    /** Every route looked at, in order, and why it was taken or passed over; for `wa-b2bua route`. */
    readonly considered: readonly { readonly route: string; readonly matched: boolean; readonly why: string }[];
  }
  | { readonly found: false; readonly considered: readonly { readonly route: string; readonly matched: boolean; readonly why: string }[] };
