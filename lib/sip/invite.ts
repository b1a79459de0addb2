import { randomBytes } from '../util/randomBytes.js';
import { Authorization } from './authorization.js';
import type { Credentials } from './digestClient.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './drachtio.js';
import { isRefusal, whileConnected } from './drachtio.js';
import { formatReason, parseMinSE, tagOf } from './headers.js';
import { acknowledgeReliable, authorize, endUnborn, hangUp } from './inDialog.js';

export interface InviteOptions {
  readonly uri: string;
  /** From and To as name-addr without tags. */
  readonly from: string;
  readonly to: string;
  readonly contact: string;
  readonly headers: SipHeaders;
  /** The body: a session description, or one among others. */
  readonly sdp: string;
  /** Of the body; left out: application/sdp. */
  readonly contentType?: string;
  /** Next hop as a SIP URI; left out: the URI says. */
  readonly proxy?: string;
  /** For when the far end challenges us; null: a challenge is a refusal. */
  readonly credentials: Credentials | null;
  /** Every 18x. */
  readonly onProvisional: (response: SipResponse) => void;
  /** A 200 came, also one that crosses our CANCEL. */
  readonly onAnswered?: () => void;
  /** An UPDATE in an early dialog (RFC 3311), to be answered; left out where none may come. */
  readonly onUpdate?: (request: SipRequest, response: SipResponse) => void;
}

export type InviteOutcome =
  | { readonly kind: 'answered'; readonly dialog: SipDialog; readonly sdp: string }
  /** `response` is null when the SIP server made the refusal itself (transport error, time-out, cancelled before it was sent). */
  | {
    readonly kind: 'refused';
    readonly status: number;
    readonly reason: string;
    readonly response: SipResponse | null;
    /** Our credentials were shown, so a 401, 407 or 403 is about them. */
    readonly authenticated: boolean;
  }
  /** The SIP server connection failed, or the request could not be written. */
  | { readonly kind: 'failed'; readonly error: Error };

/** Session-Expires and Min-SE of the next attempt, after `tries` refusals as too small. */
interface SessionInterval { readonly seconds: number; readonly tries: number }

/** Servers on the way that may each want a longer session interval. */
const mostIntervals = 4;

/** @param asked our own Session-Expires, whose parameters stay */
function headersOf(interval: SessionInterval | null, asked = ''): SipHeaders {
  return interval === null ? {} : { 'Session-Expires': asked.replace(/^\d+/, String(interval.seconds)), 'Min-SE': String(interval.seconds) };
}

/** RFC 3311 §5.2: an offer in an early dialog where none may come; without one it refreshes. */
function refuseUpdate(request: SipRequest, response: SipResponse): void {
  response.send(request.body === '' ? 200 : 491);
}

const terminated: InviteOutcome = { kind: 'refused', status: 487, reason: 'Request Terminated', response: null, authenticated: false };

/**
 * An INVITE of ours that can be cancelled at every stage, challenges answered (RFC 3261 §22.2), by each server on the way that has one.
 * The retry keeps Call-ID and From tag and counts CSeq on, and goes to the same Request-URI so that the same, verified
 * connection is used; drachtio-srf's own digest client would do neither that nor SHA-256.
 */
export class OutboundInvite {
  readonly callId = `${randomBytes(16).toString('hex')}@wa-b2bua`;
  readonly outcome: Promise<InviteOutcome>;
  readonly #stack: SipStack;
  readonly #options: InviteOptions;
  readonly #authorization: Authorization;
  /** Of our From: the SIP server's, so that it names the node; the same in each attempt. */
  #tag = '';
  #request: SipRequest | null = null;
  #cancelled: { headers: SipHeaders } | null = null;
  #settled = false;

  constructor(stack: SipStack, options: InviteOptions) {
    this.#stack = stack;
    this.#options = options;
    this.#authorization = new Authorization(options.credentials);
    this.outcome = this.#run().finally(() => { this.#settled = true; });
  }

  /** Of our From; empty before the first request has left. */
  get tag(): string {
    return this.#tag;
  }

  /**
   * Gives up. The outcome is then a refusal with status 487, whatever the far end answers; a 200 that crosses the CANCEL
   * is acknowledged and ended with BYE (RFC 3261 §9.1, §15). May be called twice.
   */
  cancel(reason: string | null): void {
    if (this.#cancelled !== null || this.#settled) return;
    this.#cancelled = { headers: reason === null ? {} : { Reason: reason } };
    this.#sendCancel();
  }

  async #run(): Promise<InviteOutcome> {
    const authorized = this.#authorization.begin('INVITE');
    let interval: SessionInterval | null = null;
    for (let cseq = 1; ; cseq++) {
      const result = await this.#attempt(cseq, { ...headersOf(interval, this.#options.headers['Session-Expires']), ...authorized.headers(this.#options.uri) }, authorized.shown);
      if (result.kind !== 'refused' || this.#cancelled !== null || result.response === null) return result;
      const longer: SessionInterval | null = result.status === 422 ? this.#longer(result.response, interval) : null;
      if (longer !== null) interval = longer;
      else if (!authorized.challenged(result.response)) return result;
    }
  }

  /** RFC 4028 §7.3: asks again for the interval that the far end wants at least, while servers on the way each want a longer one. */
  #longer(response: SipResponse, asked: SessionInterval | null): SessionInterval | null {
    const seconds = parseMinSE(response.get('Min-SE'));
    const tries = (asked?.tries ?? 0) + 1;
    if (this.#options.headers['Session-Expires'] === undefined || seconds === undefined || seconds <= (asked?.seconds ?? 0) || tries > mostIntervals) return null;
    return { seconds, tries };
  }

  async #attempt(cseq: number, more: SipHeaders, authenticated: boolean): Promise<InviteOutcome> {
    if (this.#cancelled !== null) return terminated;
    const { uri, from, to, contact, headers, sdp, contentType = 'application/sdp', proxy } = this.#options;
    let accepted: SipResponse | null = null;
    try {
      const dialog = await whileConnected(this.#stack, this.#stack.createUAC(uri, {
        localSdp: sdp, ...(proxy === undefined ? {} : { proxy }),
        headers: {
          ...headers, ...more,
          From: this.#tag === '' ? from : `${from};tag=${this.#tag}`, To: to, Contact: contact,
          'Call-ID': this.callId, CSeq: `${cseq} INVITE`, 'Content-Type': contentType,
        },
      }, {
        cbRequest: (error, request) => {
          if (error) return;
          this.#request = request;
          this.#tag ||= tagOf(request.get('From')) ?? '';
          this.#takeUpdates(request);
          request.on('response', (response: SipResponse) => { if (response.status >= 200 && response.status < 300) accepted = response; });
          if (this.#cancelled !== null) this.#sendCancel();
        },
        cbProvisional: (response) => {
          // RFC 3262 §4; one that is cancelled is acknowledged all the same.
          if (response.has('RSeq')) acknowledgeReliable(this.#stack, response, this.#authorization, this.#options.onUpdate ?? refuseUpdate);
          if (this.#cancelled === null && response.status > 100) this.#options.onProvisional(response);
        },
      }));
      authorize(dialog, this.#authorization);
      this.#options.onAnswered?.();
      if (this.#cancelled !== null) {
        await hangUp(dialog, this.#givenUp()).catch(() => undefined);
        return terminated;
      }
      return { kind: 'answered', dialog, sdp: dialog.remote.sdp };
    } catch (error) {
      this.#request = null;
      if (accepted !== null) return this.#unusable(accepted, error);
      if (isRefusal(error)) {
        return { kind: 'refused', status: error.status, reason: error.reason ?? '', response: error.res ?? null, authenticated };
      }
      return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  /** A 2xx that makes no dialog, for want of a Contact say: drachtio-srf has acknowledged it, and the far end is told that it is over (RFC 3261 §13.2.2.4). */
  #unusable(response: SipResponse, error: unknown): InviteOutcome {
    const text = `its ${response.status} cannot be used: ${isRefusal(error) ? error.reason : String(error)}`;
    const reason = this.#cancelled?.headers ?? { Reason: formatReason('SIP', 500, text) };
    endUnborn(this.#stack, response, reason, this.#authorization).catch(() => undefined);
    return this.#cancelled === null ? { kind: 'refused', status: 500, reason: text, response, authenticated: false } : terminated;
  }

  /** drachtio-srf would answer an UPDATE with our first offer, whatever it asks (it listens right after the call of cbRequest). */
  #takeUpdates(request: SipRequest): void {
    const { onUpdate } = this.#options;
    if (onUpdate === undefined) return;
    queueMicrotask(() => {
      request.removeAllListeners('update');
      request.on('update', onUpdate);
    });
  }

  /** Headers that say why it was given up, perhaps while an answer was on its way. */
  #givenUp(): SipHeaders {
    return this.#cancelled?.headers ?? {};
  }

  #sendCancel(): void {
    const request = this.#request;
    if (request === null || this.#cancelled === null) return;
    this.#request = null;
    try {
      request.cancel(this.#cancelled, () => undefined);
    } catch {
      // The connection to the SIP server is gone: the outcome arrives as a failure of its own.
    }
  }
}
