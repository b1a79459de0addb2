import type { PeerConfig } from '../../config/types.js';
import type { MediaCall, PeerLeg } from '../../media/types.js';
import type { SipDialog, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { deliver } from '../../sip/drachtio.js';
import { formatReason, parseReason } from '../../sip/headers.js';
import { hangUp, requestInDialog } from '../../sip/inDialog.js';
import { foundNobody } from '../../sip/options.js';
import type { Call } from '../call.js';
import { allowOfPeers, capabilities, demandsTooMuch } from './capabilities.js';
import type { Party, PeerConnection, PeerConnectionUser } from './connection.js';
import { InfoDigits } from './digits.js';
import { Negotiation } from './negotiation.js';
import type { SessionTimer } from './sessionTimer.js';
import type { Place } from '../table.js';
import { ended, reasonOf, type Termination } from '../termination.js';

/** Who has answered nothing for so long, and sent no media, is dead, in milliseconds: less than the 32 s of a transaction (RFC 3261 §17.1.2.2). */
const DEAD_MS = 20_000;

export interface PeerDialogParts {
  readonly party: Party;
  readonly config: PeerConfig;
  readonly dialog: SipDialog;
  readonly leg: PeerLeg;
  readonly media: MediaCall;
  readonly timer: SessionTimer;
  /** The peer's place among its calls, given back when the dialog ends. */
  readonly place: Place;
}

/** Who is told what happens in a peer dialog. */
export interface PeerDialogUser extends PeerConnectionUser {
  refer(from: PeerDialog, request: SipRequest, response: SipResponse): void;
  /** A digit by INFO, which goes to the user too. */
  pressed(from: PeerDialog, digit: string): void;
}

/**
 * An answered dialog with a peer, in either direction, and its media leg. What the peer does inside it is answered here and never
 * reaches Meta (house rule 1). Ends once: by the far end, by hangUp(), or with the call.
 */
export class PeerDialog implements PeerConnection {
  readonly party: Party;
  readonly leg: PeerLeg;
  readonly negotiation: Negotiation;
  readonly #call: Call;
  readonly #dialog: SipDialog;
  readonly #place: Place;
  readonly #user: PeerDialogUser;
  readonly #digits: InfoDigits;
  /** It listened once: when it stops, that is a hold. */
  #listened = false;
  #begun = false;
  #over = false;
  #refers = 0;
  readonly #onEnd: (() => void)[] = [];

  constructor(call: Call, parts: PeerDialogParts, user: PeerDialogUser) {
    const { dialog, config } = parts;
    this.#call = call;
    this.#dialog = dialog;
    this.#place = parts.place;
    this.#user = user;
    this.party = parts.party;
    this.leg = parts.leg;
    const toUser = (digit: string, durationMs: number): void => {
      parts.media.sendDtmf(digit, durationMs);
      user.pressed(this, digit);
    };
    this.#digits = new InfoDigits(dialog, toUser, this.#call.log, () => config.dtmf === 'info' || parts.leg.events === false);
    this.negotiation = new Negotiation(dialog, parts.leg, parts.timer, call.log, {
      described: () => this.#described(),
      // Who has left meanwhile, as a transferor may, has nothing more to describe; the user is with somebody else by then.
      broken: (why) => { if (!this.#over) call.end(ended.peerBadSdp(why)); },
    });
    this.#listen();
    this.onEnd(call.reliesOn(dialog.srf));
    call.own((termination) => {
      const { protocol, cause, text } = reasonOf(termination);
      return this.hangUp(formatReason(protocol, cause, text));
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** The peer wants to hear the user; so does one who has described nothing yet. Its leg keeps it (RFC 3264 §5.1). */
  get listens(): boolean {
    return this.leg.flow?.listens ?? true;
  }

  /**
   * The peer sends and does not listen, and has not done so since it was answered: an announcement. Once it has listened the same words are
   * a hold, and what comes then is our music's, not that of a phone whose microphone stays open.
   */
  get announces(): boolean {
    return this.leg.flow !== null && this.leg.flow.sends && !this.leg.flow.listens && !this.#listened;
  }

  get callId(): string {
    return this.#dialog.sip.callId;
  }

  get tags(): { local: string; remote: string } {
    return { local: this.#dialog.sip.localTag, remote: this.#dialog.sip.remoteTag };
  }

  /** Begins, once: what came too early is delivered. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#described();
    deliver(this.#dialog);
  }

  /** Counts the REFERs of this dialog: 1 for the first. */
  nextRefer(): number {
    return (this.#refers += 1);
  }

  /** Runs once when the dialog ends, whoever ends it. */
  onEnd(action: () => void): void {
    if (this.#over) action();
    else this.#onEnd.push(action);
  }

  /** A digit of the WhatsApp user's; `duration` in milliseconds. */
  sendDigit(digit: string, duration: number): void {
    this.#digits.send(digit, duration);
  }

  /** A digit that is put in from outside, by INFO where the peer takes them so; false: it takes none. */
  putDigit(digit: string, duration: number): boolean {
    return this.#digits.send(digit, duration) || this.leg.sendDtmf(digit, duration);
  }

  /** A NOTIFY of the subscription that a REFER made (RFC 3515 §2.4.4). Gives the status it was answered. */
  async notify(event: string, state: string, sipfrag: string): Promise<number> {
    if (this.#over) return 481;
    const { contact } = this.#dialog.local;
    const response = await requestInDialog(this.#dialog, 'NOTIFY', {
      // RFC 3265 §7.1, table 2: mandatory; Asterisk refuses a NOTIFY without it.
      ...(contact === undefined ? {} : { Contact: contact }), Event: event, 'Subscription-State': state, 'Content-Type': 'message/sipfrag;version=2.0',
    }, `${sipfrag}\r\n`);
    return response.status;
  }

  /**
   * Asks the far end whether the dialog stands, with OPTIONS (RFC 3261 §11); it ends where the answer is that there is none (RFC 3261 §12.2.1.2).
   * No answer alone says nothing here: that section would end it too, but a peer that is slow, or away for a moment, is not to lose its calls.
   * One that was to send media all the while and sent none, no RTCP either, is dead.
   */
  async ask(): Promise<void> {
    if (this.#over || !this.#dialog.connected) return;
    const [asked, before] = [performance.now(), await this.#signsOfLife()];
    const response = await requestInDialog(this.#dialog, 'OPTIONS', { Accept: 'application/sdp' });
    if (this.#over) return;
    const { peer } = this.party;
    if (response.status === 481) {
      this.#call.log.warn({ peer }, `peer ${peer} does not know this call any more: it was started anew, or has ended the call without a word`);
      return this.#lost(ended.peerGone(481, `peer ${peer} does not know the call any more`));
    }
    if (!foundNobody(response, 'OPTIONS')) return;
    const [waited, now] = [performance.now() - asked, await this.#signsOfLife()];
    const silent = now.packets !== null && now.packets === before.packets && now.silentMs - before.silentMs >= waited * 0.9;
    if (waited < DEAD_MS || !silent || this.#over) return;
    const seconds = Math.round(waited / 1000);
    this.#call.log.warn({ peer, seconds }, `peer ${peer} has not answered for ${seconds} s whether this call stands, and sent no media meanwhile: the call is ended`);
    this.#lost(ended.peerGone(408, `peer ${peer} neither answers nor sends media`));
  }

  /** The far end is no more; it is told so, should it be there after all. */
  #lost(why: Termination): void {
    this.#gone(why);
    this.#call.track(this.#bye(formatReason('SIP', why.status, why.status === 481 ? 'Call does not exist' : why.text)).catch(() => undefined));
  }

  /** For how long it was to send media and sent none, milliseconds, and how many packets of any kind its engine has taken; 0 and null where nobody knows. */
  async #signsOfLife(): Promise<{ silentMs: number; packets: number | null }> {
    const [stats, packets] = await Promise.all([this.#call.media?.stats().catch(() => null), this.leg.packets()]);
    return { silentMs: stats?.peer.silentMs ?? 0, packets };
  }

  /** Ends it with BYE; resolves when that is answered. `reason` is a Reason header value. May be called twice. */
  async hangUp(reason: string): Promise<void> {
    if (this.#over) return;
    this.#end();
    const bye = this.#dialog.connected ? this.#bye(reason) : Promise.resolve();
    await Promise.allSettled([bye, this.leg.close()]);
  }

  async #bye(reason: string): Promise<void> {
    const { status } = await hangUp(this.#dialog, { Reason: reason });
    const { peer } = this.party;
    // RFC 3261 §15.1.1: the dialog is over all the same; who asks for credentials may still be in the call.
    if (status === 401 || status === 407) this.#call.log.error({ peer, status }, `peer ${peer} refused our BYE: set or correct peers.${peer}.auth`);
  }

  #listen(): void {
    const dialog = this.#dialog;
    dialog.on('destroy', (request: SipRequest & { source?: string }, text?: string) => this.#gone(whyGone(request, text)));
    const renegotiate = (request: SipRequest, response: SipResponse): void => {
      this.#call.track(this.negotiation.take(request, response).catch((error: Error) => this.#call.log.error({ err: error }, 'a new offer could not be handled')));
    };
    this.#answer('modify', renegotiate);
    this.#answer('update', renegotiate);
    this.#answer('info', (request, response) => this.#digits.take(request, response));
    this.#answer('refer', (request, response) => this.#user.refer(this, request, response));
    // RFC 3261 §11.2: the same as outside a dialog.
    this.#answer('options', (_request, response) => response.send(200, { headers: { ...capabilities, Accept: 'application/sdp' } }));
    this.#answer('message', (_request, response) => response.send(405, { headers: { Allow: allowOfPeers } }));
  }

  /** A request within the dialog; a failure of ours in it is its failure only (house rule 7). */
  #answer(event: string, handle: (request: SipRequest, response: SipResponse) => void): void {
    this.#dialog.on(event, (request: SipRequest, response: SipResponse) => {
      try {
        const objection = demandsTooMuch(request);
        if (objection !== null) return response.send(objection.status, { headers: objection.headers });
        handle(request, response);
      } catch (error) {
        this.#call.log.error({ err: error, method: request.method }, 'a request within a peer dialog could not be handled');
        if (!response.finalResponseSent) response.send(500);
      }
    });
  }

  #described(): void {
    this.#listened ||= this.leg.flow?.listens === true;
    this.#user.described(this);
  }

  #gone(why: Termination): void {
    if (this.#over) return;
    this.#end();
    this.#user.gone(this, why);
    this.#call.track(this.leg.close().catch(() => undefined));
  }

  #end(): void {
    this.#over = true;
    this.#place.release();
    for (const action of this.#onEnd.splice(0)) action();
  }
}

function whyGone(request: SipRequest & { source?: string }, text?: string): Termination {
  if (request.source !== 'application') return ended.peerHungUp(parseReason(request.get('Reason'))?.text ?? null);
  // The SIP server's own BYE: no ACK came (RFC 3261 §13.3.1.4), or no refresh (RFC 4028 §10).
  if (/session timer/i.test(text ?? '')) return ended.sessionExpired();
  return ended.noAck('the peer', text);
}
