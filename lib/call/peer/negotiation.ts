import { verdictOf } from '../../errors.js';
import type { MediaFork } from '../../media/types.js';
import type { Logger } from '../../observe/logger.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { cseqNumber } from '../../sip/headers.js';
import { capabilities } from './capabilities.js';
import { warningOfError } from '../refuse.js';
import type { SessionTimer } from './sessionTimer.js';

/** How long a peer waits before it asks again, in seconds: RFC 3261 §14.2 and RFC 3311 §5.2 want a random 0 to 10. */
export function retrySoon(): SipHeaders {
  return { 'Retry-After': String(Math.floor(Math.random() * 11)) };
}

/** What is negotiated: a peer's leg, or the streams to a recorder. */
type Negotiated = Pick<MediaFork, 'flow' | 'offer' | 'takeAnswer' | 'answer'>;

export interface NegotiationUser {
  /** The peer has described its side anew, and it has been accepted. */
  described(): void;
  /** The peer's answer to an offer of ours cannot be used: the session stands no more. */
  broken(why: string): void;
}

/**
 * Offers and answers within one peer dialog, one at a time (RFC 3261 §14, RFC 3311, RFC 6337). Whatever the peer changes is settled on
 * its leg; a refused offer leaves everything as it was (RFC 3261 §14.2).
 */
export class Negotiation {
  readonly #dialog: SipDialog;
  readonly #leg: Negotiated;
  readonly #timer: SessionTimer;
  readonly #user: NegotiationUser;
  readonly #log: Logger;
  /** An offer of the peer's that is not answered yet. */
  #answering = false;
  /** CSeq of an INVITE whose 2xx carried an offer of ours; its ACK brings the answer. */
  #offeredIn: number | null = null;

  constructor(dialog: SipDialog, leg: Negotiated, timer: SessionTimer, log: Logger, user: NegotiationUser) {
    this.#dialog = dialog;
    this.#leg = leg;
    this.#timer = timer;
    this.#log = log;
    this.#user = user;
    dialog.on('ack', (ack: SipRequest) => this.#acknowledged(ack));
  }

  /** The 2xx to the peer's first INVITE carried an offer of ours. */
  offered(request: SipRequest): void {
    this.#offeredIn = cseqNumber(request);
  }

  /** A re-INVITE or UPDATE. */
  async take(request: SipRequest, response: SipResponse): Promise<void> {
    const offerless = request.body === '';
    const invite = request.method === 'INVITE';
    if (invite || !offerless) {
      // drachtio-srf tells of an ACK a turn later than of the request that came behind it.
      if (this.#offeredIn !== null) await new Promise((resolve) => setImmediate(resolve));
      // RFC 3261 §14.2, RFC 3311 §5.2: one after the other; 491 where the offer that is open is ours.
      if (this.#answering) return response.send(500, { headers: retrySoon() });
      if (this.#offeredIn !== null) return response.send(491);
    }
    const putBack = this.#timer.mark();
    const timer = this.#timer.take(request);
    if (timer.tooSmall) return response.send(422, { headers: timer.headers });
    const headers = { ...timer.headers, ...capabilities };
    // RFC 3311 §5.1, RFC 4028 §7.4: an UPDATE without an offer only refreshes, and is answered without one.
    if (offerless && !invite) return response.send(200, { headers });
    this.#answering = true;
    try {
      const body = offerless ? await this.#leg.offer() : await this.#leg.answer(request.body);
      // RFC 3261 §15.1.2: a BYE came behind it.
      if (!this.#dialog.connected) return response.send(487);
      if (offerless) this.#offeredIn = cseqNumber(request);
      this.#dialog.local.sdp = body;
      response.send(200, { headers: { ...headers, 'Content-Type': 'application/sdp' }, body });
      if (!offerless) this.#user.described();
    } catch (error) {
      if (!this.#dialog.connected) return response.send(487);
      putBack();
      this.#log.warn({ err: (error as Error).message }, 'a new offer of the peer was refused; the call goes on as it was');
      response.send(488, { headers: warningOfError(error) });
    } finally {
      this.#answering = false;
    }
  }

  #acknowledged(ack: SipRequest): void {
    if (this.#offeredIn === null || cseqNumber(ack) !== this.#offeredIn) return;
    this.#offeredIn = null;
    if (ack.body === '') return this.#failed('the ACK carries no answer to our offer');
    this.#leg.takeAnswer(ack.body).then(() => this.#user.described(), (error: Error) => {
      if (verdictOf(error).theirs) this.#failed(error.message);
      else this.#user.broken(error.message);
    });
  }

  /** An answer in an ACK that cannot be used, which nothing can refuse: what stands goes on (RFC 3261 §14.1), where anything does. */
  #failed(why: string): void {
    if (this.#leg.flow === null) return this.#user.broken(why);
    this.#log.warn({ err: why }, 'an answer of the peer cannot be used; the call goes on as it was');
  }
}
