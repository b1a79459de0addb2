import type { Destination } from '../config/destinations.js';
import type { StopOn } from '../config/types.js';
import type { Opening } from './hours.js';

/** What routing looks at in a user-initiated call. Plain data. */
export interface RouteRequest {
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** Calling user: E.164 with '+', or a BSUID. */
  readonly user: string;
  /** x-wa-meta-cta-payload, else x-wa-meta-deeplink-payload, else null. */
  readonly payload: string | null;
  /** When the call comes, in milliseconds since 1970: hours are asked about it. */
  readonly time: number;
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
    /** What the hours of the route say; null: it has none. */
    readonly hours: { readonly name: string } & Opening | null;
    /** Where the call goes now: outside the hours, where the route says so. */
    readonly destination: Destination;
    /** Where it goes when nobody takes it; null: nowhere. */
    readonly unanswered: Destination | null;
    /** Answers after which no further target is tried. */
    readonly stopOn: readonly StopOn[];
    /** Seconds that the target of a transfer may ring. */
    readonly ringTimeout: number;
    /** Every route looked at, in order, and why it was taken or passed over; for `wa-b2bua route`. */
    readonly considered: readonly { readonly route: string; readonly matched: boolean; readonly why: string }[];
  }
  | { readonly found: false; readonly considered: readonly { readonly route: string; readonly matched: boolean; readonly why: string }[] };
