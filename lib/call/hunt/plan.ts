import type { PeerConfig, StopOn } from '../../config/types.js';
import type { PeerLeg } from '../../media/types.js';
import type { TargetFacts } from '../../policy/types.js';
import type { RouteTarget } from '../../routing/types.js';
import type { SipDialog, SipHeaders, SipRequest } from '../../sip/drachtio.js';
import type { SessionTimer } from '../peer/sessionTimer.js';
import type { AgentLink } from '../../voice/agents/thread.js';
import type { Place } from '../table.js';

export interface HuntPlan {
  readonly targets: readonly RouteTarget[];
  readonly strategy: 'failover' | 'ring-all';
  /** Answers after which no further target is tried. */
  readonly stopOn: readonly StopOn[];
  /** Seconds each target may ring. */
  readonly ringTimeout: number;
  readonly route: string | null;
  readonly origin: TargetFacts['origin'];
  /** Peer that asked for these targets by REFER; null for a route's. */
  readonly by: string | null;
  /** From as the peers see it (name-addr without tag), and the headers they get. */
  readonly from: string;
  readonly headers: SipHeaders;
  /** Nothing is sent before this resolves: Meta's offer must be usable before anyone rings. */
  readonly ready: Promise<unknown>;
  /** Told of early media that the user is to hear; null: none is heard before the answer. */
  readonly early: EarlyMedia | null;
}

export interface EarlyMedia {
  /** A target that rings has media of its own: an announcement. */
  begun(leg: PeerLeg): void;
  /** The same target will not answer. */
  lost(leg: PeerLeg): void;
}

/** Somebody who has taken a call and whom nobody has taken in yet. */
interface Taken {
  readonly target: RouteTarget;
  readonly rule: string;
  /** The peer's configuration when it answered. */
  readonly config: PeerConfig;
  readonly leg: PeerLeg;
  /** The peer's place, given back when the connection ends. */
  readonly place: Place;
}

/** By an answered dialog. */
export interface WonDialog extends Taken {
  readonly dialog: SipDialog;
  readonly timer: SessionTimer;
  /** The peer's INVITE when our 200 to it carried an offer, so that its ACK brings the answer; else null. */
  readonly offeredIn: SipRequest | null;
}

/** By the socket of a voice agent. */
export interface WonSocket extends Taken {
  readonly link: AgentLink;
}

export type Won = WonDialog | WonSocket;
