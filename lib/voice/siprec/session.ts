import type { Bridge } from '../../call/bridge.js';
import { Negotiation } from '../../call/peer/negotiation.js';
import type { SessionTimer } from '../../call/peer/sessionTimer.js';
import { leakOfRecorder } from '../../call/watch/leaks.js';
import type { MediaFork } from '../../media/types.js';
import { deliver, wholeBody, type SipDialog, type SipHeaders, type SipRequest, type SipResponse } from '../../sip/drachtio.js';
import { cseqNumber, formatReason } from '../../sip/headers.js';
import { hangUp, requestInDialog } from '../../sip/inDialog.js';
import { multipartOf } from '../../sip/multipart.js';
import { after } from '../../util/after.js';
import { deferred } from '../../util/deferred.js';
import { Serial } from '../../util/serial.js';
import { withPatience } from '../../util/withTimeout.js';

/** What a recorder may send us, and what we do, of RFC 7866. */
export const capabilitiesOfClient: SipHeaders = {
  Allow: 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE', Supported: 'timer', Accept: 'application/sdp, application/rs-metadata-request',
};

/** A description and the metadata beside it (RFC 7866 §9.1). */
export function bodyOf(sdp: string, metadata: string): { readonly type: string; readonly body: string } {
  return multipartOf([{ type: 'application/sdp', body: sdp }, { type: 'application/rs-metadata+xml', disposition: 'recording-session', body: metadata }]);
}

/** How often an update is tried that crosses one of the recorder's. */
const mostTries = 4;

export interface SessionParts {
  readonly bridge: Bridge;
  readonly peer: string;
  readonly dialog: SipDialog;
  readonly fork: MediaFork;
  readonly timer: SessionTimer;
  /** Milliseconds that it may take to answer. */
  readonly patience: number;
  /** As it is now. */
  readonly metadata: () => string;
}

/** Why a session is over: we ended it; the recorder did; it was lost, as one that dies is. `text`: for people. */
export interface SessionEnd { readonly by: 'us' | 'recorder' | 'lost'; readonly text: string }

/** A recording session that stands: a dialog with a recorder, and two streams to it. It ends once; nothing of it is an end of the call. */
export class RecordingSession {
  readonly fork: MediaFork;
  readonly #parts: SessionParts;
  readonly #negotiation: Negotiation;
  readonly #ended = deferred<SessionEnd>();
  readonly #work = new Serial();
  /** What the recorder was told last. */
  #told: string;
  /** What of the call it does not take. */
  #missing: string | null = null;
  #offering = false;
  /** Resolves when each 2xx of ours to a re-INVITE has its ACK: before, none of ours may cross it (RFC 3261 §14.1). */
  #acks: Promise<unknown> = Promise.resolve();
  /** An update waits for its turn; it is sent whether it is news or not. */
  #waits = false;
  #whole = false;
  #over = false;
  #retry: NodeJS.Timeout | null = null;

  /** `told`: the metadata of the INVITE. */
  constructor(parts: SessionParts, told: string) {
    const { dialog, fork, timer, bridge: { call } } = parts;
    this.#parts = parts;
    this.#told = told;
    this.fork = fork;
    this.#negotiation = new Negotiation(dialog, fork, timer, call.log, {
      described: () => this.#look(),
      broken: (why) => { void this.#drop({ by: 'lost', text: why }, 488); },
    });
    this.#look();
    this.#listen();
    deliver(dialog);
  }

  /** Resolves once, when it is over. */
  get ended(): Promise<SessionEnd> {
    return this.#ended.promise;
  }

  /** Something of the call has changed: the recorder is told, where that is news (RFC 7866 §9.1). Never rejects. */
  update(always = false): Promise<void> {
    this.#whole ||= always;
    // However much happens meanwhile, it is one update.
    if (this.#waits) return Promise.resolve();
    this.#waits = true;
    return this.#work.run(() => {
      const whole = this.#whole;
      this.#waits = this.#whole = false;
      return this.#update(whole);
    }).catch((error: Error) => this.#drop({ by: 'lost', text: error.message }, null));
  }

  /** Ends it with BYE; resolves when that is answered. May be called twice. */
  async hangUp(text: string): Promise<void> {
    await this.#drop({ by: 'us', text }, 200);
  }

  /** The recorder may not have it any more. */
  revoke(text: string): void {
    void this.#drop({ by: 'lost', text }, 403);
  }

  /** A recorder may take one of the two streams (RFC 7866 §7.1.1.1), and others do not look for what is not there. */
  #look(): void {
    const { peer, fork: { missing }, bridge: { call } } = this.#parts;
    if (missing !== null && missing !== this.#missing) call.log.warn({ peer, missing }, 'a recorder does not take all of a call');
    this.#missing = missing;
  }

  async #update(always: boolean): Promise<void> {
    const { metadata, dialog, fork, timer, peer, patience, bridge: { call, context } } = this.#parts;
    for (let tries = 1; tries <= mostTries; tries += 1) {
      await withPatience(Promise.race([this.#acks, this.#ended.promise]), patience, () => undefined);
      const now = metadata();
      if (this.#over || (now === this.#told && !always)) return;
      const { type, body } = bodyOf(await fork.offer(), now);
      const { contact } = dialog.local;
      this.#offering = true;
      const asked = requestInDialog(dialog, 'INVITE', {
        ...capabilitiesOfClient, ...timer.headers, Require: 'siprec', 'Content-Type': type, ...(contact === undefined ? {} : { Contact: contact }),
      }, body).finally(() => { this.#offering = false; });
      // What said 100 may say nothing else for ever (RFC 3261 §17.1.1.2).
      const response = await withPatience(asked, patience, () => null);
      if (this.#over) return;
      if (response === null) return this.#drop({ by: 'lost', text: `it has not answered an update within ${Math.round(patience / 1000)} s` }, 408);
      const { status } = response;
      const leak = leakOfRecorder(context, call, peer, response, status);
      if (leak !== null) return this.#drop({ by: 'lost', text: leak.text }, 603);
      if (status < 300) {
        this.#told = now;
        timer.agreed(response);
        await fork.takeAnswer(response.body);
        return this.#look();
      }
      // RFC 3261 §12.2.1.2: there is no such dialog any more, or nobody.
      if (status === 408 || status === 481) return this.#drop({ by: 'lost', text: `it does not answer any more (${status})` }, null);
      if (status !== 491 && status !== 500) return call.log.warn({ peer, status }, 'a recorder does not take an update of its metadata; the recording goes on');
      await this.#wait();
    }
  }

  /** RFC 3261 §14.1: who chose the Call-ID waits 2.1 to 4 s. */
  #wait(): Promise<void> {
    return new Promise((resolve) => { this.#retry = after(2100 + Math.random() * 1900, resolve); });
  }

  #listen(): void {
    const { dialog } = this.#parts;
    dialog.on('destroy', (request: SipRequest & { source?: string }, text?: string) => {
      const timedOut = request.source === 'application';
      this.#finish(timedOut ? { by: 'lost', text: /session timer/i.test(text ?? '') ? 'it has not refreshed the session' : text ?? 'it has gone' } : { by: 'recorder', text: 'it has ended the session' });
    });
    const renegotiate = (request: SipRequest, response: SipResponse): void => {
      // RFC 3261 §14.2: ours is open.
      if (this.#offering) return response.send(491);
      const asks = /^content-type:\s*application\/rs-metadata-request/im.test(wholeBody(request)) || /^application\/rs-metadata-request/i.test(request.get('Content-Type') ?? '');
      const acked = request.method === 'INVITE' ? this.#expectAck(cseqNumber(request)) : null;
      void this.#negotiation.take(request, response).catch((error: Error) => this.#parts.bridge.call.log.error({ err: error }, 'an offer of a recorder could not be handled')).then(() => {
        if (!(response.status < 300)) acked?.();
        // RFC 7866 §9.2: it wants the whole of it.
        if (asks) void this.update(true);
      });
    };
    this.#answer('modify', renegotiate);
    this.#answer('update', renegotiate);
    this.#answer('options', (_request, response) => response.send(200, { headers: capabilitiesOfClient }));
    for (const method of ['info', 'refer', 'message', 'notify'] as const) this.#answer(method, (_request, response) => response.send(405, { headers: { Allow: capabilitiesOfClient.Allow ?? '' } }));
  }

  /** What is given says that there is none to come. */
  #expectAck(cseq: number): () => void {
    const { dialog } = this.#parts;
    const { promise, resolve } = deferred<void>();
    const heard = (ack: SipRequest): void => { if (cseqNumber(ack) === cseq) done(); };
    const done = (): void => {
      dialog.off('ack', heard);
      resolve();
    };
    dialog.on('ack', heard);
    this.#acks = Promise.all([this.#acks, promise]);
    return done;
  }

  /** A request of the recorder's; what shows that it went to the telephone network ends the session, and what of ours fails touches nothing else. */
  #answer(event: string, handle: (request: SipRequest, response: SipResponse) => void): void {
    const { dialog, peer, bridge: { call, context } } = this.#parts;
    dialog.on(event, (request: SipRequest, response: SipResponse) => {
      try {
        const leak = leakOfRecorder(context, call, peer, request, null);
        handle(request, response);
        if (leak !== null) void this.#drop({ by: 'lost', text: leak.text }, 603);
      } catch (error) {
        call.log.error({ err: error, method: request.method }, 'a request of a recorder could not be handled');
        if (!response.finalResponseSent) response.send(500);
      }
    });
  }

  /** `status`: of the Reason in our BYE; null: nobody would answer one. */
  async #drop(end: SessionEnd, status: number | null): Promise<void> {
    if (this.#over) return;
    this.#finish(end);
    const { dialog } = this.#parts;
    if (dialog.connected) await hangUp(dialog, { Reason: formatReason('SIP', status ?? 408, end.text) }).catch(() => undefined);
  }

  #finish(end: SessionEnd): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#retry ?? undefined);
    this.fork.close();
    this.#ended.resolve(end);
  }
}
