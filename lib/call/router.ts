import type { SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import { inferredOf, objectsTo, type Objection } from '../sip/drachtio.js';
import { tagOf } from '../sip/headers.js';
import type { Source } from '../sip/source.js';
import { takeBusinessInitiated } from './businessInitiated.js';
import { allowOfPeers, capabilities, demandsTooMuch } from './peer/capabilities.js';
import type { CallContext } from './context.js';
import { Drain } from './drain.js';
import { identifyPeer, type Caller } from './peer/identify.js';
import { takePickup } from './features/pickup.js';
import { parseReplaces } from './features/replaces.js';
import type { Termination } from './termination.js';
import { takeUserInitiated } from './userInitiated.js';

/** A request outside any dialog, and who sent it. */
interface Arrival {
  readonly req: SipRequest;
  readonly res: SipResponse;
  readonly stack: SipStack;
  readonly source: Source;
  /** It has a To tag, as requests of a dialog have. */
  readonly tagged: boolean;
}

/** Takes what is its own and says so; what it leaves is for the next. */
type Gate = (arrival: Arrival) => boolean;

/** Everything that arrives outside a dialog comes here and goes through the gates, in this order, to the right hands. */
export class CallRouter {
  readonly #context: CallContext;
  readonly #gates: readonly Gate[] = [
    (arrival) => this.#registration(arrival),
    (arrival) => this.#stray(arrival),
    (arrival) => this.#options(arrival),
    (arrival) => this.#notACall(arrival),
    (arrival) => this.#whileDraining(arrival),
    (arrival) => this.#tellInferred(arrival),
    (arrival) => this.#fromMeta(arrival),
    (arrival) => this.#fromPeer(arrival),
  ];
  readonly drain: Drain;

  constructor(context: CallContext) {
    this.#context = context;
    this.drain = new Drain(context.table, context.log);
  }

  /** A request outside any dialog. Never throws. */
  take(req: SipRequest, res: SipResponse, stack: SipStack): void {
    try {
      // drachtio-server hands on whatever stands there.
      const certified = this.#context.certifies ? req.get('X-WAB-Certified-As') ?? null : null;
      const source = this.#context.rules().judgeSource(req.source_address, req.protocol, certified);
      const arrival = { req, res, stack, source, tagged: tagOf(req.get('To')) !== null };
      this.#gates.some((gate) => gate(arrival));
    } catch (error) {
      this.#context.log.error({ err: error, method: req.method, source: req.source_address }, 'a request could not be handled');
      if (!res.finalResponseSent) res.send(500);
    }
  }

  endAll(termination: Termination): void {
    for (const call of this.#context.table.all()) call.end(termination);
  }

  /** RFC 3261 §10.3. Meta does not register. */
  #registration({ req, res, source }: Arrival): boolean {
    const { registrar } = this.#context;
    if (req.method !== 'REGISTER' || source.kind === 'meta' || !registrar.serves(req.source_address)) return false;
    // RFC 3327, RFC 5626: what our registrar does besides.
    const objection = demandsTooMuch(req, ['path', 'outbound']);
    if (objection === null) registrar.take(req, res);
    else res.send(objection.status, { headers: objection.headers });
    return true;
  }

  /** A request of a dialog that is not ours (RFC 3261 §12.2.2). */
  #stray({ req, res, tagged }: Arrival): boolean {
    if (!tagged || req.method === 'OPTIONS') return false;
    // RFC 3262 §3: the SIP server has found the response that a PRACK acknowledges, and refused it otherwise.
    res.send(req.method === 'PRACK' ? 200 : 481);
    return true;
  }

  #options({ req, res, source }: Arrival): boolean {
    if (req.method !== 'OPTIONS') return false;
    // A registered phone keeps its way through a NAT open so.
    if (source.kind === 'stranger' && this.#context.registrar.peerAt(req.source_address, req.source_port) === null) return this.#refuse(req, res, 'a stranger');
    const objection = source.kind === 'meta' ? null : demandsTooMuch(req);
    if (objection !== null) {
      res.send(objection.status, { headers: objection.headers });
      return true;
    }
    // What is said of extensions is true towards peers only: Meta gets none of them (META-SIP §1.2).
    res.send(this.drain.going ? 503 : 200, { headers: { ...(source.kind === 'meta' ? { Allow: allowOfPeers } : capabilities), Accept: 'application/sdp' } });
    return true;
  }

  /** Whatever is no INVITE. */
  #notACall({ req, res, source }: Arrival): boolean {
    if (req.method === 'INVITE') return false;
    if (source.kind === 'stranger') return this.#refuse(req, res, 'a stranger');
    res.send(405, { headers: { Allow: allowOfPeers } });
    return true;
  }

  #whileDraining({ req, res }: Arrival): boolean {
    // Who picks up a call that is up, or completes its transfer, is at no other node.
    const replaces = req.method === 'INVITE' ? parseReplaces(req.get('Replaces') ?? '') : null;
    if (replaces !== null && this.#context.dialogs.find(replaces) !== null) return false;
    if (this.drain.refusing) res.send(503, { headers: { 'Retry-After': '30' } });
    return this.drain.refusing;
  }

  /** Stops nothing. */
  #tellInferred({ req, source }: Arrival): false {
    const inferred = source.kind === 'stranger' ? null : inferredOf(req);
    if (inferred !== null) this.#context.log.info({ method: req.method, source: req.source_address, callId: req.get('Call-ID'), inferred }, 'a request is taken to say what it does not quite say');
    return false;
  }

  #fromMeta({ req, res, stack, source }: Arrival): boolean {
    if (source.kind !== 'meta') return false;
    const objection = objectsTo(req);
    if (objection === null) takeUserInitiated(this.#context, req, res, stack);
    else this.#object(req, res, objection);
    return true;
  }

  /** A call to a WhatsApp user, or one that is picked up (RFC 3891). */
  #fromPeer({ req, res, stack, source }: Arrival): boolean {
    const identity = identifyPeer(this.#context, source, req, res);
    if (!identity.known) return identity.answered || this.#refuse(req, res, identity.why);
    const config = this.#context.rules().config.peers[identity.peer];
    if (config === undefined) return this.#refuse(req, res, `peer ${identity.peer} is not configured`);
    const objection = objectsTo(req);
    const caller: Caller = { name: identity.peer, config, account: identity.account };
    if (objection !== null) this.#object(req, res, objection);
    else (req.has('Replaces') ? takePickup : takeBusinessInitiated)(this.#context, caller, req, res, stack);
    return true;
  }

  /** Somebody whom we know has sent what cannot be taken. */
  #object(req: SipRequest, res: SipResponse, { status, reason, headers }: Objection): void {
    this.#context.log.info({ method: req.method, source: req.source_address, status, reason }, 'a request cannot be taken as it is');
    res.send(status, reason, { headers });
  }

  #refuse(req: SipRequest, res: SipResponse, why: string): true {
    this.#context.onStranger(req.source_address, req.protocol);
    this.#context.log.warn({ method: req.method, source: req.source_address, protocol: req.protocol, why }, 'refused a request');
    res.send(403);
    return true;
  }
}
