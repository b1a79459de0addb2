import type { PeerLeg } from '../../media/types.js';
import type { Termination } from '../termination.js';

/** Who is at the other end of a connection with a peer. */
export interface Party {
  /** Name of the peer. */
  readonly peer: string;
  readonly user: string;
  /** Where the same user can be called. */
  readonly uri: string;
  /** The policy rule that let them in. */
  readonly rule: string;
}

/** Somebody at a peer whom the WhatsApp user talks with, or may come to: by a SIP dialog, or by the socket of a voice agent. Ends once. */
export interface PeerConnection {
  readonly party: Party;
  readonly leg: PeerLeg;
  readonly over: boolean;
  /** The peer wants to hear the user. */
  readonly listens: boolean;
  /** The peer sends and does not listen, and has not done so since it was answered: an announcement. */
  readonly announces: boolean;
  /** Call-ID, or what a socket has in its place. */
  readonly callId: string;
  /** Begins, once: it is this party's turn. */
  begin(): void;
  /** Runs once when it ends, whoever ends it. */
  onEnd(action: () => void): void;
  /** A digit of the WhatsApp user's; `duration` in milliseconds. */
  sendDigit(digit: string, duration: number): void;
  /** A digit that is put in from outside; false: the peer takes none. */
  putDigit(digit: string, duration: number): boolean;
  /** Ends it; resolves when the far end knows. `reason` is a Reason header value. May be called twice. */
  hangUp(reason: string): Promise<void>;
}

/** Who is told what happens in a connection with a peer. */
export interface PeerConnectionUser {
  /** The far end, or what is between, has ended it. */
  gone(from: PeerConnection, why: Termination): void;
  /** The peer has described its side anew: whether it listens and sends may have changed. */
  described(from: PeerConnection): void;
}
