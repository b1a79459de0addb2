// A dialog as this server keeps it: with its client, and what is under way in it.
import { Dialog } from '../dialog/index.js';
import type { AcceptedInvite, DialogSeed } from '../dialog/index.js';
import type { Delivery, Hop } from '../locate/index.js';
import type { Flow, Guard } from '../transport/index.js';
import type { Header, SipMessage } from '../parser/index.js';
import type { Incoming } from './incoming.js';
import type { Outgoing } from './outgoing.js';
import type { Session } from './session.js';
import { MIN_SE } from '../parser/index.js';
import type { SessionTimer } from './refresh.js';
import { Serial } from '../../util/serial.js';

export class Leg extends Dialog {
  /** The client that handles it; undefined when that client is gone. */
  session: Session | undefined;
  /** The TCP or TLS connection that the peer used last in this dialog. */
  own: Flow | undefined;
  /** Where an INVITE of ours went over TCP or TLS. */
  invitedBy: Hop | undefined;
  /** Where the far end was heard when the dialog began: requests that find no other way go there. */
  heard: Hop | undefined;
  /** Host of the Request-URI of our request that began it; '' when theirs did. */
  calledBy = '';
  /** It has been told that the far end names places where it may not send us. */
  misled = false;
  /** Our 2xx that waits for its ACK. */
  accepted: AcceptedInvite | undefined;
  /** INVITEs under way within the dialog: ours, theirs. */
  inviteOut: Delivery | undefined;
  inviteIn: Incoming | undefined;
  /** Likewise UPDATEs. */
  updateOut: Outgoing | undefined;
  updateIn: Incoming | undefined;
  /** RSeq of the last reliable response of the peer's in this early dialog. */
  lastRSeq: number | undefined;
  /** The reliable responses to the INVITE, of all its forks in their order. */
  reliable: { readonly leg: Leg; readonly rseq: number; acknowledged: boolean }[] = [];
  /** Number of the last INVITE of ours, credentials it carried (RFC 3261 §13.2.2.4: the ACK repeats them), and the ACK once sent. */
  inviteSeq = 0;
  inviteAuth: readonly Header[] = [];
  ack: { seq: number; text: string; flow: Flow; request: SipMessage } | undefined;
  /** The INVITE was cancelled, and yet answered 2xx: after the ACK comes a BYE. */
  byeAfterAck = false;
  /** The INVITE of the peer's that began the dialog: its number, and drachtio's id of it, which its ACK is told under. */
  begunBy: { seq: number; id: string } | undefined;
  /** CSeq numbers of INVITEs whose ACK the client has seen. */
  lastAckIn = -1;
  timer: SessionTimer | undefined;
  /** Requests leave in the order in which the client gave them. */
  readonly order = new Serial();
  /** The largest Min-SE seen in this dialog, in seconds (RFC 4028 §7.3): what our refreshes ask for at least. */
  minSE = MIN_SE;

  private ending: NodeJS.Timeout | undefined;
  /** The last INVITE of ours has been accepted, and its ACK not been sent. */
  owesAck = false;

  constructor(seed: DialogSeed, session: Session | undefined) {
    super(seed);
    this.session = session;
  }

  /** The request that ends it was challenged: `then`, unless it has ended within so many milliseconds. */
  endsWithin(guard: Guard, ms: number, then: () => void): void {
    clearTimeout(this.ending);
    this.ending = guard.after(ms, 'dialog whose end was challenged', then);
  }

  /** Stops everything that is timed. */
  stop(): void {
    this.ended = true;
    clearTimeout(this.ending);
    this.accepted?.stop();
    this.accepted = undefined;
    this.timer?.stop();
    this.timer = undefined;
  }
}
