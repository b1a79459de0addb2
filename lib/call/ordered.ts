import { domainOf } from '../config/domains.js';
import type { PeerConfig } from '../config/types.js';
import { SHIPPED_RINGBACK } from '../media/index.js';
import type { MediaCall } from '../media/types.js';
import { callerFactsOf } from '../policy/index.js';
import type { TargetFacts } from '../policy/types.js';
import { withUser } from '../routing/index.js';
import { formatReason } from '../sip/headers.js';
import { maskDigits } from '../observe/redact.js';
import { beginCall, noEngine, overload } from './admission.js';
import { Bridge, chooseMusic } from './bridge.js';
import type { Call } from './call.js';
import type { BusinessInitiated } from './context.js';
import { Hunt } from './hunt/hunt.js';
import type { Won } from './hunt/plan.js';
import { inviteMeta, shareWithAll, storeCall, takeMeta, type Admitted } from './meta/invite.js';
import type { RecordManner } from './recording.js';
import { isPermitted } from './permission.js';
import { ended, reasonOf, type Denied, type Termination } from './termination.js';

/** A call that somebody outside wants between a WhatsApp user and a user of a peer. */
export interface CallOrder {
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** E.164 with '+', or a BSUID. */
  readonly user: string;
  readonly peer: string;
  readonly peerUser: string;
  /** Who is rung first. */
  readonly first: 'peer' | 'user';
  readonly reference: string | null;
  /** Recorded from the answer on, or not at all, whatever the peer's calls are; null: as they are. */
  readonly record: boolean | null;
}

/** Seconds that the user of the peer may ring, as on a route. */
const ringTimeout = 45;

/**
 * Places it, after everything that any business-initiated call has to pass: policy for caller and target, limits, permission. `refused`: why it
 * does not begin, which its record says too; null: somebody will be rung.
 */
export async function placeOrder(context: BusinessInitiated, order: CallOrder): Promise<{ readonly call: Call; readonly refused: Termination | null }> {
  const { number, user, peer, peerUser, reference } = order;
  // What was asked stands in its events and its record, whatever becomes of it.
  const call = beginCall(context, 'business-initiated', { number, user, peer, target: peerUser, reference });
  const admitted = await judged(context, call, order);
  if (admitted === null || call.over) return { call, refused: call.termination };
  call.runs(new OrderedCall(context, call, order, admitted).run());
  return { call, refused: null };
}

/** Null: the call has ended. A failure of ours ends it too: nobody else knows of it yet. */
async function judged(context: BusinessInitiated, call: Call, order: CallOrder): Promise<AdmittedOrder | null> {
  try {
    const admitted = admit(context, call, order);
    if (admitted === null || !await isPermitted(context, call, admitted.number, admitted.user)) return null;
    const { share } = admitted.places;
    return share === null || await shareWithAll(call, share) ? admitted : null;
  } catch (error) {
    call.log.error({ err: error }, 'an order failed for a reason of our own');
    call.end(ended.fault((error as Error).message));
    return null;
  }
}

/** How such a call is recorded. */
function recordOf<M extends RecordManner>(manner: M | null, wanted: boolean | null): M | null {
  return manner === null || wanted === null ? manner : { ...manner, on: wanted ? 'answer' : 'order' };
}

interface AdmittedOrder extends Admitted { readonly target: TargetFacts; readonly peer: PeerConfig }

/** Policy, limits and engines; ends the call and gives null when one says no. */
function admit(context: BusinessInitiated, call: Call, { number, user, peer: name, peerUser }: CallOrder): AdmittedOrder | null {
  const { config, judgeCaller, judgeTarget } = context.rules();
  const end = (termination: Termination): null => {
    call.end(termination);
    return null;
  };
  // The text may name the number that is to be called (house rule 8).
  const deny = (denied: Denied): null => end(ended.byPolicy({ ...denied, text: config.cdr.fullNumbers ? denied.text : maskDigits(denied.text, new Set(Object.keys(config.numbers))) }));
  const caller = callerFactsOf(config, { peer: name, number, to: user });
  const verdict = judgeCaller(caller);
  context.onVerdict(call, caller, verdict);
  call.facts.rule = verdict.rule;
  if (!verdict.allow) return deny(verdict);
  // A user of a peer that is named as the number would have another one chosen for it.
  if (verdict.number !== number) return deny({ code: 'caller.number', rule: 'caller.number', status: 403, text: `peer ${name} may not call as ${number} (mayCall)` });
  call.facts.user = verdict.user;
  const [peer, numberConfig] = [config.peers[name], config.numbers[number]];
  if (peer === undefined || numberConfig === undefined) return end(ended.fault(`${name} or ${number} is not configured`));
  const target: TargetFacts = { origin: 'order', number, route: null, peer: name, by: name, uri: withUser(peer.uri, peerUser) };
  const allowed = judgeTarget(target);
  context.onVerdict(call, target, allowed);
  if (!allowed.allow) return deny(allowed);
  call.standing.set(call, caller);
  const full = overload(context);
  if (full !== null) return end(full);
  const places = context.limits.take(call, { peer: name, peerConfig: peer, account: null, number, numberConfig, user: verdict.user });
  if (places.refused !== null) return end(places.refused);
  const mute = noEngine(context);
  if (mute !== null) return end(mute);
  return { number, user: verdict.user, numberConfig, places, target, peer };
}

class OrderedCall {
  readonly #context: BusinessInitiated;
  readonly #call: Call;
  readonly #order: CallOrder;
  readonly #admitted: AdmittedOrder;

  constructor(context: BusinessInitiated, call: Call, order: CallOrder, admitted: AdmittedOrder) {
    this.#context = context;
    this.#call = call;
    this.#order = order;
    this.#admitted = admitted;
  }

  async run(): Promise<void> {
    const call = this.#call;
    const { config } = this.#context.rules();
    const { number, user, numberConfig, peer } = this.#admitted;
    call.state = 'routing';
    const media = this.#context.media.openCall({ id: call.id, mediaTimeout: config.meta.mediaTimeout });
    call.useMedia(media, config.meta.mediaTimeout);
    const offer = media.offerMeta({ keying: numberConfig.keying, g711: numberConfig.g711 });
    // Awaited before anybody is rung; a call that rings nobody must not leave its failure unhandled.
    offer.catch(() => undefined);
    const music = chooseMusic(peer.music, config.media.music);
    const bridge = new Bridge(call, this.#context, media, {
      route: null, ringTimeout: config.meta.ringTimeout, music, transferSound: music, from: `<sip:${user}@${domainOf(config, number)}>`, headers: { 'X-WA-Number': number }, record: recordOf(peer.record, this.#order.record),
      siprec: recordOf(peer.siprec, this.#order.record),
    });
    const took = this.#order.first === 'peer' ? await this.#peerFirst(bridge, offer) : await this.#userFirst(bridge, offer);
    if (took && !call.over) call.log.info({ peer: this.#order.peer, user: this.#order.peerUser, setupMs: call.setupMs }, 'call answered');
  }

  /** The user of the peer hears ringing, then the WhatsApp user. */
  async #peerFirst(bridge: Bridge, offer: Promise<string>): Promise<boolean> {
    const won = await this.#ringPeer(bridge, offer);
    if (won === null) return false;
    bridge.connect(bridge.adopt(won));
    bridge.ring(true);
    if (!await this.#ringUser(bridge.media, offer)) return false;
    // A voice agent is told of the call now that there is one. A transfer, or a pick-up, may have put somebody else there.
    bridge.current?.begin();
    bridge.ring(false);
    return true;
  }

  /** The WhatsApp user hears ringing, then the user of the peer. */
  async #userFirst(bridge: Bridge, offer: Promise<string>): Promise<boolean> {
    if (!await this.#ringUser(bridge.media, offer)) return false;
    bridge.comfort.begin('queue', SHIPPED_RINGBACK);
    const won = await this.#ringPeer(bridge, offer);
    if (won === null) return false;
    bridge.connect(bridge.adopt(won));
    bridge.comfort.end('queue');
    return true;
  }

  /** Null: the call has ended. */
  async #ringPeer({ media, manner: { from, headers } }: Bridge, ready: Promise<string>): Promise<Won | null> {
    const call = this.#call;
    const { target, places } = this.#admitted;
    const { peer, peerUser } = this.#order;
    const hunt = new Hunt(call, this.#context, media, {
      targets: [{ peer, user: peerUser, uri: target.uri }], strategy: 'failover', stopOn: [], ringTimeout, route: null, origin: 'order', by: peer, from, headers, ready, early: null,
    }, () => { if (call.state === 'routing') call.state = 'ringing'; });
    const disown = call.own((termination) => {
      const { protocol, cause, text } = reasonOf(termination);
      hunt.stop(formatReason(protocol, cause, text));
    });
    // The hunt takes the peer's place for itself.
    places.peerPlace.release();
    try {
      const result = await hunt.run();
      if ('won' in result) return result.won;
      call.end(result.failed);
    } catch (error) {
      call.end(ended.byError(error));
    } finally {
      disown();
    }
    return null;
  }

  /** False: the call has ended. */
  async #ringUser(media: MediaCall, ready: Promise<string>): Promise<boolean> {
    const call = this.#call;
    let offer: string;
    try {
      offer = await ready;
    } catch (error) {
      call.end(ended.byError(error));
      return false;
    }
    if (call.over) return false;
    await storeCall(this.#context, this.#admitted);
    if (call.over) return false;
    const dialog = await inviteMeta(this.#context, call, { ...this.#admitted, offer });
    if (dialog === null || !await takeMeta(call, media, dialog)) return false;
    // "Meta still expects the business side to send the maiden SRTP packet" (META-SIP §6.2).
    media.start();
    call.answered();
    return true;
  }
}
