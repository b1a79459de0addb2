import type { HuntOfTarget, Invited, Attempt } from '../../call/hunt/target.js';
import { lost, maySeekFurther } from '../../call/hunt/attempt.js';
import type { Try } from '../../call/hunt/tries.js';
import type { Place } from '../../call/table.js';
import { ended, type Termination } from '../../call/termination.js';
import type { MediaCall, PeerLeg } from '../../media/types.js';
import type { SipHeaders } from '../../sip/drachtio.js';
import { parseReason } from '../../sip/headers.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { SocketRefusal } from './messages.js';
import { placeOf } from './place.js';
import type { AgentLink } from './thread.js';

/** How long a socket may take to open, in milliseconds: an agent is a program, and does not have to go to its telephone. */
const OPEN_WITHIN_MS = 10_000;

/** What a hunt gives to one offer to a voice agent. */
interface Means {
  readonly media: MediaCall;
  readonly place: Place;
  readonly url: string;
}

type Outcome = 'open' | 'cancelled' | SocketRefusal;

/** One offer of a call to a voice agent: its socket is opened while the user hears ringing, and that it is open is the answer. */
export class TargetSocket {
  readonly #hunt: HuntOfTarget;
  readonly #to: Invited;
  readonly #begun: Try;
  readonly #means: Means;

  constructor(hunt: HuntOfTarget, to: Invited, begun: Try, means: Means) {
    this.#hunt = hunt;
    this.#to = to;
    this.#begun = begun;
    this.#means = means;
  }

  /** @throws what `plan.ready` throws, or the media engine */
  async run(): Promise<Attempt> {
    const { place } = this.#means;
    let attempt: Attempt | null = null;
    try {
      return attempt = await this.#run();
    } finally {
      if (attempt?.won !== true) place.release();
    }
  }

  async #run(): Promise<Attempt> {
    const { plan } = this.#hunt;
    await plan.ready;
    if (this.#hunt.stopped !== null) return lost(ended.unwanted(), false);
    // RFC 3891 §3: a socket has no dialog that could be replaced.
    if ('Replaces' in plan.headers) return lost(ended.peerRefused('refused', 481, 'a voice agent has no dialog to be replaced'), false);
    const link = this.#dial();
    let leg: PeerLeg | null = null;
    let taken = false;
    try {
      leg = this.#means.media.addAgentLeg(link.end);
      const attempt = this.#judge(await this.#outcome(link));
      taken = attempt === null;
      const { target, rule, peer } = this.#to;
      const result = { target, rule, config: peer, link, leg, place: this.#means.place };
      if (taken) this.#hunt.answered(result);
      return attempt ?? { won: true, result };
    } finally {
      if (!taken) {
        link.close(parseReason(this.#hunt.stopped ?? '')?.text ?? 'not wanted');
        await leg?.close().catch(() => undefined);
      }
    }
  }

  #dial(): AgentLink {
    const { call, context, plan } = this.#hunt;
    const { target, peer, rule } = this.#to;
    const { number, user, wacid, payload } = call.facts;
    const link = context.agents.dial({
      peer: target.peer, place: placeOf(peer, this.#means.url, { ...toldOf(plan.headers), ...toldOf({ 'X-WA-Call': call.id, 'X-WA-Number': number ?? '', 'X-WA-User': user ?? '' }) }),
      call: { id: call.id, number: number ?? '', user: user ?? '', wacid, payload, direction: call.direction }, patience: Math.min(OPEN_WITHIN_MS, plan.ringTimeout * 1000),
    });
    link.on('fault', (text) => call.log.warn({ peer: target.peer, text }, `what peer ${target.peer} sends cannot be read, and is passed over: ${text}`));
    call.placed(link.stream, 'peer');
    this.#begun.placed(link.stream);
    this.#hunt.invited(target, rule, link.stream);
    if (!this.#begun.hasRung) call.tell({ type: 'ringing', leg: 'peer', peer: target.peer, peerUser: target.user });
    this.#begun.rang();
    this.#hunt.ringing(target, { status: 180, reason: 'Ringing' });
    return link;
  }

  async #outcome(link: AgentLink): Promise<Outcome> {
    const { pending, plan } = this.#hunt;
    let cancel: () => void = () => undefined;
    const settled = new Promise<Outcome>((resolve) => {
      cancel = () => resolve('cancelled');
      link.once('open', () => resolve('open'));
      link.once('refused', resolve);
      link.once('gone', (text) => resolve({ kind: 'failed', status: 0, text }));
      link.once('hungUp', (text) => resolve({ kind: 'failed', status: 0, text: text ?? 'it closed the socket' }));
    });
    const mine = { cancel };
    pending.add(mine);
    // A thread that hangs says nothing.
    const outcome = await withTimeout(settled, (Math.min(OPEN_WITHIN_MS / 1000, plan.ringTimeout) + 1) * 1000, () => ({ kind: 'late', status: 0, text: 'the socket was not opened' } as const));
    pending.delete(mine);
    return outcome;
  }

  /** Null: the call is this one's. */
  #judge(outcome: Outcome): Attempt | null {
    const { call, context, plan, winner, stopped } = this.#hunt;
    const { target, out } = this.#to;
    if (outcome === 'cancelled') return lost(ended.unwanted(), false);
    if (outcome === 'open') {
      context.heardPeer(target.peer, null);
      return winner === null && stopped === null ? null : lost(ended.unwanted('answered too late'), false);
    }
    // Who answers is there, whatever the answer.
    const nobody = outcome.kind !== 'http' || outcome.status >= 502;
    context.heardPeer(target.peer, nobody ? outcome.text : null);
    if (nobody && out !== null) return lost(ended.nobodyThere(`${out}; this call too: ${outcome.text}`), true);
    if (outcome.status === 401 || outcome.status === 403) call.log.error({ peer: target.peer, status: outcome.status }, `peer ${target.peer} refused the socket: look at peers.${target.peer}.headers and auth`);
    const termination = terminationOf(outcome);
    return lost(termination, maySeekFurther(termination, plan.stopOn));
  }
}

/** HTTP has the statuses that SIP has taken over from it (RFC 3261 §7.2); a redirection is not followed, for policy has judged the place that is configured. */
function terminationOf({ kind, status, text }: SocketRefusal): Termination {
  if (kind !== 'http' || status >= 500 || status < 300) return ended.unreachable(text);
  if (status < 400) return ended.badRedirect(`${text}: a redirection of a socket is not followed`);
  return status === 429 || status === 486 ? ended.peerRefused('busy', 486, text) : ended.peerRefused('refused', status < 500 ? status : 480, text);
}

/** What a SIP peer would be told of the user in header fields, as far as HTTP can carry it. */
function toldOf(headers: SipHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (/^X-WA-/i.test(name) && typeof value === 'string' && /^[\x21-\x7e][\x20-\x7e]*$/.test(value) ? [[name, value]] : [])));
}
