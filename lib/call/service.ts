import type { SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import type { CallContext } from './context.js';
import type { Termination } from './termination.js';
import { takeUserInitiated } from './userInitiated.js';

/** What we answer to OPTIONS with (RFC 3261 §11.2). */
const allow = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK';

/** Everything that arrives outside a dialog comes here and is given to the right hands. */
export class CallService {
  readonly #context: CallContext;
  #draining = false;

  constructor(context: CallContext) {
    this.#context = context;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** A request outside any dialog. Never throws. */
  take(req: SipRequest, res: SipResponse, stack: SipStack): void {
    try {
      this.#dispatch(req, res, stack);
    } catch (error) {
      this.#context.log.error({ err: error, method: req.method, source: req.source_address }, 'a request could not be handled');
      if (!res.finalResponseSent) res.send(500);
    }
  }

  /** Stops taking calls; resolves when those in progress have ended, at the latest after `seconds`, when they are ended. */
  async drain(seconds: number): Promise<void> {
    this.#draining = true;
    const calls = this.#context.table.all();
    if (calls.length === 0) return;
    this.#context.log.info({ calls: calls.length, seconds }, 'draining: no new calls; waiting for these to end');
    const deadline = setTimeout(() => this.endAll({ by: 'us', reason: 'drained', status: 503, text: 'the service is stopping' }), seconds * 1000);
    await Promise.all(calls.map((call) => call.ended));
    clearTimeout(deadline);
  }

  endAll(termination: Termination): void {
    for (const call of this.#context.table.all()) call.end(termination);
  }

  #dispatch(req: SipRequest, res: SipResponse, stack: SipStack): void {
    const { judgeSource } = this.#context.rules();
    const source = judgeSource(req.source_address, req.protocol);
    const tagged = /;\s*tag\s*=/i.test(req.get('To') ?? '');
    // RFC 3261 §12.2.2: a dialog we do not know.
    if (tagged && req.method !== 'OPTIONS') return res.send(481);
    if (source.kind === 'stranger') {
      this.#context.log.warn({ method: req.method, source: req.source_address, protocol: req.protocol }, 'refused a stranger: neither meta.sources nor any peers[].sources match');
      return res.send(403);
    }
    if (req.method === 'OPTIONS') {
      return res.send(this.#draining ? 503 : 200, { headers: { Allow: allow, Accept: 'application/sdp' } });
    }
    if (req.method !== 'INVITE') return res.send(405, { headers: { Allow: allow } });
    if (this.#draining) return res.send(503, { headers: { 'Retry-After': '30' } });
    if (source.kind === 'meta') {
      void takeUserInitiated(this.#context, req, res, stack);
      return;
    }
    this.#context.log.warn({ peer: source.peer }, 'refused a call from a peer: business-initiated calls are not offered by this version');
    return res.send(403, 'Business-initiated calls are not offered');
  }
}
