import { setTimeout as sleep } from 'node:timers/promises';
import type { SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import { inferredOf, objectsTo, type Objection } from '../sip/drachtio.js';
import { tagOf } from '../sip/headers.js';
import { takeBusinessInitiated } from './businessInitiated.js';
import { allowOfPeers, capabilities, demandsTooMuch } from './capabilities.js';
import type { CallContext } from './context.js';
import { identifyPeer } from './peerIdentity.js';
import { takePickup } from './pickup.js';
import type { Termination } from './termination.js';
import { takeUserInitiated } from './userInitiated.js';
import { after } from '../util/after.js';

/** Milliseconds between two questions about calls with one peer. */
const ASK_EVERY = 10;

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
    const deadline = after(seconds * 1000, () => this.endAll({ by: 'us', reason: 'drained', status: 503, text: 'the service is stopping' }));
    await Promise.all(calls.map((call) => call.ended));
    clearTimeout(deadline);
  }

  /**
   * A peer has gone out of service, or is back: it is asked of each call with it whether it still has it, some at a time. One that was
   * started anew has none of them.
   */
  askAbout(peer: string): void {
    const asks = this.#context.dialogs.withPeer(peer).flatMap(({ ask }) => ask ?? []);
    void (async () => {
      for (const ask of asks) {
        ask().catch((error: unknown) => this.#context.log.debug({ peer, err: error }, 'a peer could not be asked whether a call with it stands'));
        await sleep(ASK_EVERY, undefined, { ref: false });
      }
    })();
  }

  endAll(termination: Termination): void {
    for (const call of this.#context.table.all()) call.end(termination);
  }

  #dispatch(req: SipRequest, res: SipResponse, stack: SipStack): void {
    const { judgeSource } = this.#context.rules();
    const source = judgeSource(req.source_address, req.protocol);
    if (req.method === 'REGISTER' && source.kind !== 'meta' && this.#context.registrar.serves(req.source_address)) {
      // RFC 3327, RFC 5626: what our registrar does besides.
      const objection = demandsTooMuch(req, ['path', 'outbound']);
      return objection === null ? this.#context.registrar.take(req, res) : res.send(objection.status, { headers: objection.headers });
    }
    const tagged = tagOf(req.get('To')) !== null;
    // RFC 3262 §3: the SIP server has found the response that it acknowledges, and refused it otherwise.
    if (tagged && req.method === 'PRACK') return res.send(200);
    // RFC 3261 §12.2.2: a dialog we do not know.
    if (tagged && req.method !== 'OPTIONS') return res.send(481);
    if (req.method === 'OPTIONS') {
      // A registered phone keeps its way through a NAT open so.
      if (source.kind === 'stranger' && this.#context.registrar.peerAt(req.source_address, req.source_port) === null) return this.#refuse(req, res, 'a stranger');
      const objection = source.kind === 'meta' ? null : demandsTooMuch(req);
      if (objection !== null) return res.send(objection.status, { headers: objection.headers });
      // What is said of extensions is true towards peers only: Meta gets none of them (META-SIP §1.2).
      return res.send(this.#draining ? 503 : 200, { headers: { ...(source.kind === 'meta' ? { Allow: allowOfPeers } : capabilities), Accept: 'application/sdp' } });
    }
    if (req.method !== 'INVITE') return source.kind === 'stranger' ? this.#refuse(req, res, 'a stranger') : res.send(405, { headers: { Allow: allowOfPeers } });
    if (this.#draining) return res.send(503, { headers: { 'Retry-After': '30' } });
    const inferred = source.kind === 'stranger' ? null : inferredOf(req);
    if (inferred !== null) this.#context.log.info({ method: req.method, source: req.source_address, callId: req.get('Call-ID'), inferred }, 'a request is taken to say what it does not quite say');
    const objection = objectsTo(req);
    if (source.kind === 'meta') return objection === null ? takeUserInitiated(this.#context, req, res, stack) : this.#object(req, res, objection);
    const identity = identifyPeer(this.#context, source, req, res);
    if (identity.known && objection !== null) this.#object(req, res, objection);
    else if (identity.known && req.has('Replaces')) takePickup(this.#context, identity.peer, req, res, stack, identity.account);
    else if (identity.known) takeBusinessInitiated(this.#context, identity.peer, req, res, stack, identity.account);
    else if (!identity.answered) this.#refuse(req, res, identity.why);
  }

  /** Somebody whom we know has sent what cannot be taken. */
  #object(req: SipRequest, res: SipResponse, { status, reason, headers }: Objection): void {
    this.#context.log.info({ method: req.method, source: req.source_address, status, reason }, 'a request cannot be taken as it is');
    res.send(status, reason, { headers });
  }

  #refuse(req: SipRequest, res: SipResponse, why: string): void {
    this.#context.onStranger(req.source_address, req.protocol);
    this.#context.log.warn({ method: req.method, source: req.source_address, protocol: req.protocol, why }, 'refused a request');
    res.send(403);
  }
}
