import type { TargetVerdict } from '../../policy/types.js';
import type { SipHeaders, SipRequest, SipResponse } from '../../sip/drachtio.js';
import { cleanHeaderValue, cseqNumber, formatReason } from '../../sip/headers.js';
import type { Bridge } from '../bridge.js';
import { Hunt } from '../hunt/hunt.js';
import type { Won } from '../hunt/plan.js';
import type { AgentDialog } from '../../voice/agents/dialog.js';
import type { Party, PeerConnection } from '../peer/connection.js';
import type { PeerDialog } from '../peer/dialog.js';
import { withUser } from '../../routing/index.js';
import { readRefer, ReferSubscription, type ReferOrder } from './refer.js';
import { formatReplaces } from './replaces.js';
import type { TransferRecord } from '../record.js';
import { ended, reasonOf, type Termination } from '../termination.js';
import { withTimeout } from '../../util/withTimeout.js';

/** How long a transferor who was told of success may take to hang up before we do, in milliseconds. */
const parting = 2000;

/** What a transfer is to do, and how it came about. */
interface TransferOrder extends ReferOrder { readonly kind: Exclude<TransferRecord['kind'], 'pickup' | 'failover'> }

/** Who is told how far a transfer is. */
type Informed = Pick<ReferSubscription, 'progress' | 'end'>;

type Allowed = Extract<TargetVerdict, { allow: true }>;

/**
 * A REFER of the party that the user talks with (RFC 3515). Answered 202 when the transfer begins, refused before anything is sent
 * otherwise: null then.
 */
export function takeRefer(bridge: Bridge, transferor: PeerDialog, request: SipRequest, response: SipResponse): Transfer | null {
  const { call, context, manner } = bridge;
  if (!call.mayBeSentOn()) {
    response.send(403);
    return null;
  }
  const order = readRefer(request);
  if (typeof order === 'string') {
    response.send(400, cleanHeaderValue(order));
    return null;
  }
  const facts = {
    origin: order.replaces === null ? 'refer' as const : 'replaces' as const, number: call.facts.number ?? '', route: manner.route,
    peer: null, by: transferor.party.peer, uri: order.uri,
  };
  const verdict = context.rules().judgeTarget(facts);
  context.onVerdict(call, facts, verdict);
  const kind = order.replaces === null ? 'blind' : 'attended';
  const refused = verdict.allow ? oneOfOurs(bridge, order) : verdict.text;
  if (!verdict.allow || refused !== null) {
    call.log.warn({ peer: transferor.party.peer, kind, why: refused }, 'a transfer was refused');
    call.sentOn({ kind, by: transferor.party.peer, to: null, status: verdict.allow ? 403 : verdict.status });
    response.send(verdict.allow ? 403 : verdict.status);
    return null;
  }
  const subscription = new ReferSubscription(transferor, transferor.nextRefer() === 1 ? null : cseqNumber(request), order.quiet);
  response.send(202, { headers: order.quiet ? { 'Refer-Sub': 'false' } : {} });
  return new Transfer(bridge, transferor, { ...order, kind }, verdict, subscription);
}

/**
 * A voice agent names somebody of a peer: judged exactly as a REFER of the agent's peer would be. It is told how far the transfer is, and leaves when
 * it has succeeded. Null: it was refused, which it is told.
 */
export function takeAgentTransfer(bridge: Bridge, transferor: AgentDialog, peer: string, user: string): Transfer | null {
  const { call, context, manner } = bridge;
  const refuse = (status: number, code: string, text: string): null => {
    call.log.warn({ peer: transferor.party.peer, kind: 'blind', why: text }, 'a transfer was refused');
    call.sentOn({ kind: 'blind', by: transferor.party.peer, to: null, status });
    transferor.refuse(status, code, text);
    return null;
  };
  if (!call.mayBeSentOn()) return refuse(403, 'transfer.tooMany', 'too many transfers and pick-ups in this call');
  const { peers } = context.rules().config;
  const config = Object.hasOwn(peers, peer) ? peers[peer] : undefined;
  if (config === undefined) return refuse(404, 'peer.unknown', `no peer is called ${peer}`);
  const uri = withUser(config.uri, user);
  const facts = { origin: 'refer' as const, number: call.facts.number ?? '', route: manner.route, peer, by: transferor.party.peer, uri };
  const verdict = context.rules().judgeTarget(facts);
  context.onVerdict(call, facts, verdict);
  if (!verdict.allow) return refuse(verdict.status, verdict.code, verdict.text);
  const order = { uri, replaces: null, mustReplace: false, referredBy: null, quiet: true, kind: 'blind' as const };
  return new Transfer(bridge, transferor, order, verdict, {
    progress: (status, reason) => transferor.transferring(status, reason),
    end: (status, reason) => Promise.resolve(transferor.transferring(status, reason)),
  });
}

/**
 * Every dialog of ours has a WhatsApp user behind it: to replace one would join two of them, which Meta forbids (META-SIP §2.3).
 * Why not, or null when the dialog is somebody else's.
 */
function oneOfOurs(bridge: Bridge, { replaces }: ReferOrder): string | null {
  return replaces !== null && bridge.context.dialogs.find(replaces) !== null ? 'the dialog to be replaced has a WhatsApp user behind it' : null;
}

/** A transfer under way: the target rings, the user hears music or ringback, the transferor is told (RFC 5589 §6, §7). */
export class Transfer {
  readonly #bridge: Bridge;
  readonly #transferor: PeerConnection;
  readonly #order: TransferOrder;
  readonly #target: Allowed;
  readonly #subscription: Informed;
  readonly #disown: () => void;
  #hunt: Hunt | null = null;
  #abandoned: string | null = null;

  constructor(bridge: Bridge, transferor: PeerConnection, order: TransferOrder, target: Allowed, subscription: Informed) {
    this.#bridge = bridge;
    this.#transferor = transferor;
    this.#order = order;
    this.#target = target;
    this.#subscription = subscription;
    this.#disown = bridge.call.own((termination) => {
      const { protocol, cause, text } = reasonOf(termination);
      this.abandon(formatReason(protocol, cause, text));
    });
  }

  /** The user is somewhere else by now: nothing further is tried. `reason` is a Reason header value. May be called twice. */
  abandon(reason: string): void {
    this.#abandoned ??= reason;
    this.#hunt?.stop(reason);
  }

  async run(): Promise<void> {
    try {
      await this.#run();
    } finally {
      this.#disown();
    }
  }

  async #run(): Promise<void> {
    const { call, comfort, media, manner } = this.#bridge;
    // RFC 3515 §2.4.4: the first NOTIFY follows at once.
    this.#subscription.progress(100, 'Trying');
    comfort.begin('transfer', manner.transferSound);
    media.connect(null);
    const { replaces, mustReplace, referredBy } = this.#order;
    const result = await this.#call(this.#target, this.#transferor.party.peer, replaces === null ? 'refer' : 'replaces', {
      ...(replaces === null ? {} : { Replaces: formatReplaces(replaces) }),
      ...(mustReplace ? { Require: 'replaces' } : {}),
      ...(referredBy === null ? {} : { 'Referred-By': referredBy }),
    });
    const status = 'won' in result ? 200 : result.failed.status;
    call.sentOn({ kind: this.#order.kind, by: this.#order.kind === 'ordered' ? 'api' : this.#transferor.party.peer, to: `${this.#target.user}@${this.#target.peer}`, status });
    call.log.info({ from: this.#transferor.party, to: { peer: this.#target.peer, user: this.#target.user }, status }, 'transfer');
    if ('failed' in result) return this.#fail(result.failed);
    this.#bridge.connect(this.#bridge.adopt(result.won));
    comfort.end('transfer');
    call.track(this.#part());
  }

  /** RFC 5589 §6.1: it is the transferor who hangs up; one who does not must not keep a line for ever. */
  async #part(): Promise<void> {
    await this.#subscription.end(200, 'OK');
    if (!this.#order.quiet) await this.#parted();
    await this.#transferor.hangUp(formatReason('SIP', 200, 'Call transferred'));
  }

  async #fail(failed: Termination): Promise<void> {
    const { call, comfort } = this.#bridge;
    void this.#subscription.end(failed.status, phraseOf(failed));
    if (call.over || this.#abandoned !== null) return;
    if (!this.#transferor.over) {
      this.#bridge.connect(this.#transferor);
      comfort.end('transfer');
      return;
    }
    // The transferor has hung up already: they are called back, as a PBX does with a call that nobody took.
    const { party } = this.#transferor;
    const result = await this.#call(party, party.peer, 'refer', {});
    if (call.over || this.#abandoned !== null) return;
    if ('failed' in result) return call.end(failed);
    this.#bridge.connect(this.#bridge.adopt(result.won));
    comfort.end('transfer');
  }

  /** Rings one target; what it says is told to the transferor. */
  async #call(target: Pick<Party, 'peer' | 'user' | 'uri'>, by: string, origin: 'refer' | 'replaces', more: SipHeaders): Promise<{ won: Won } | { failed: Termination }> {
    const { call, context, media, manner } = this.#bridge;
    const hunt = this.#hunt = new Hunt(call, context, media, {
      targets: [{ peer: target.peer, user: target.user, uri: target.uri }], strategy: 'failover', stopOn: [], ringTimeout: manner.ringTimeout,
      route: manner.route, origin, by, from: manner.from, headers: { ...manner.headers, ...more }, ready: Promise.resolve(), early: null,
    }, (_target, response) => this.#subscription.progress(response.status, response.reason));
    if (this.#abandoned !== null) hunt.stop(this.#abandoned);
    try {
      return await hunt.run();
    } catch (error) {
      return { failed: ended.mediaUnavailable((error as Error).message) };
    }
  }

  /** Resolves when the transferor has hung up, or has had its time. */
  #parted(): Promise<void> {
    const over = new Promise<void>((resolve) => { this.#transferor.onEnd(resolve); });
    return withTimeout(over, parting, () => undefined);
  }
}

/** A reason phrase for a sipfrag: what the target said, where it said anything. */
function phraseOf({ text }: Termination): string {
  return cleanHeaderValue(text.replace(/^\d{3}\s+/, '') || 'Failed', 128);
}
