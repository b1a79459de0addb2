/** How a target came about: policy is asked again at each of these (house rule 2). */
export type TargetOrigin = 'route' | 'failover' | 'redirect' | 'refer' | 'replaces' | 'order' | 'siprec';

/** A verdict on one place where a call can change direction. */
export type Verdict =
  | {
    readonly allow: true;
    readonly code: PolicyCode;
    /** The rule that allowed it, e.g. `peers.pbx.users[0]`. */
    readonly rule: string;
    readonly text: string;
  }
  | Denial;

export interface Denial {
  readonly allow: false;
  readonly code: PolicyCode;
  readonly rule: string;
  /** A sentence for the operator. */
  readonly text: string;
  /** SIP status that refuses the call, REFER or redirect. */
  readonly status: number;
}

/** Stable code of a rule, e.g. 'target.tel'. */
export type PolicyCode = string;

/** What is known of a target that a user-initiated call, a transfer or a redirect would reach. Plain data. */
export interface TargetFacts {
  readonly origin: TargetOrigin;
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** Name of the route that led here; null for a REFER or redirect outside any. */
  readonly route: string | null;
  /** Name of the peer the target is thought to belong to; null: policy finds it by the URI. */
  readonly peer: string | null;
  /** Peer that asked for this target by its 3xx, REFER or Replaces, or in whose name the API orders it; null for route, failover and siprec. */
  readonly by: string | null;
  /** The target as a URI string, exactly as configured or received. */
  readonly uri: string;
}

/** The verdict on a target; an allowed one says where to send the INVITE. */
export type TargetVerdict =
  | (Extract<Verdict, { allow: true }> & {
    readonly peer: string;
    readonly user: string;
    /** The target in its one spelling: the peer's configured URI with this user. Send this, not what was received. */
    readonly uri: string;
  })
  | Denial;

/** One rule and what it said, for `wa-b2bua route`. */
export interface RuleAnswer {
  readonly code: PolicyCode;
  readonly rule: string;
  /** 'pass': this rule has nothing against it; 'skip': it could not be asked. */
  readonly answer: 'pass' | 'deny' | 'allow' | 'skip';
  readonly text: string;
}

/** Header fields by lower-case name, each with all its values in the order received. */
export type HeaderFacts = Readonly<Record<string, readonly string[]>>;

/** An INVITE of a peer that wants to call a WhatsApp user. Plain data. */
export interface CallerFacts {
  /** Peer the INVITE came from, established by source address or digest. */
  readonly peer: string;
  /** Request-URI as received. */
  readonly uri: string;
  readonly headers: HeaderFacts;
  readonly body: string;
  /** Digits that were dialled for the user of `uri`, who has no number (`peers.*.bsuid`). */
  readonly alias?: string;
}

/** The verdict on a business-initiated call; an allowed one says who calls whom. */
export type CallerVerdict =
  | (Extract<Verdict, { allow: true }> & {
    /** Business number, E.164 with '+'. */
    readonly number: string;
    /** WhatsApp user: E.164 with '+', or a BSUID. */
    readonly user: string;
  })
  | Denial;

/** A response, or an in-dialog request, that a peer sent after a call was handed to it. Plain data. */
export interface PeerMessageFacts {
  readonly peer: string;
  /** Status of a response; null for a request. */
  readonly status: number | null;
  /** IP address it came from; null where the SIP server does not say. */
  readonly source: string | null;
  /** Users who are in the call as far as is known: the WhatsApp user, and who the peer's side was when its dialog began. Left out: nobody. */
  readonly parties?: readonly string[];
  readonly headers: HeaderFacts;
  readonly body: string;
}
