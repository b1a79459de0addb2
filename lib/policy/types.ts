/** How a target came about: policy is asked again at each of these (house rule 2). */
export type TargetOrigin = 'route' | 'failover' | 'redirect' | 'refer' | 'replaces';

/** A verdict on one place where a call can change direction. */
export type Verdict =
  | { readonly allow: true; readonly code: PolicyCode; readonly rule: string; readonly text: string }
  | { readonly allow: false; readonly code: PolicyCode; readonly rule: string; readonly text: string; readonly status: number };

/** Stable code of a rule, e.g. 'target.tel'. The table of all rules is in rules.ts. */
export type PolicyCode = string;

/** What is known of a target that a user-initiated call, a transfer or a redirect would reach. Plain data. */
export interface TargetFacts {
  readonly origin: TargetOrigin;
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** Name of the route that led here; null for a REFER or redirect outside any. */
  readonly route: string | null;
  /** Name of the peer the target belongs to; null when none matches. */
  readonly peer: string | null;
  /** The target as a URI string, exactly as configured or received. */
  readonly uri: string;
}
