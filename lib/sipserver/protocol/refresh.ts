// Session timers (RFC 4028): who refreshes a session, and what happens when nobody does.
import { Delivery } from '../locate/index.js';
import type { Hop } from '../locate/index.js';
import { parseMinSE, parseSessionExpires, toSeconds } from '../parser/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Context } from './context.js';
import type { Leg } from './leg.js';

/**
 * §5, §9: a request that asks for a shorter interval than anybody may, from a peer that understands the refusal: 422 with Min-SE. The peer of a
 * dialog with a timer does (`timed`); another says so in Supported.
 */
export function tooShort(request: SipMessage, timed: boolean): boolean {
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return false;
  const asked = parseSessionExpires(request.get('session-expires'));
  if (asked?.tooShort !== true) return false;
  return timed || [...request.list('supported'), ...request.list('require')].some((o) => o.toLowerCase() === 'timer');
}

/** The smallest interval that a message asks for, in seconds. */
export function minSE(message: SipMessage): number | undefined {
  return parseMinSE(message.get('min-se'));
}

/** The timer of one session: refreshes at half the interval if that is our part, else hangs up when the other side has not (§10). */
export class SessionTimer {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly context: Context, private readonly leg: Leg, readonly seconds: number, readonly ours: boolean,
    private readonly refresh: (leg: Leg, timer: SessionTimer) => void) {
    this.restart();
  }

  restart(): void {
    clearTimeout(this.timer);
    // §10: a refresh at half the interval; a BYE a third of it, or 32 s, before the end.
    const wait = this.ours ? this.seconds / 2 : this.seconds - Math.min(32, this.seconds / 3);
    this.arm(wait);
  }

  /** Tries once more in so many seconds, if refreshing is our part. */
  again(seconds: number): void {
    clearTimeout(this.timer);
    this.arm(seconds);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private arm(seconds: number): void {
    this.timer = this.context.guard.after(seconds * this.context.timers.second, 'session timer', () => { this.due(); });
  }

  private due(): void {
    if (this.ours) this.refresh(this.leg, this);
    else this.context.hangUp(this.leg, 'Session timer expired', 'session-expired');
  }
}

/**
 * What a 2xx of ours to an INVITE or UPDATE agrees on: the client's Session-Expires, or the peer's if it names who refreshes (drachtio's rule).
 * A refresh that leaves it open leaves it as it was; one without Session-Expires ends the timer (§9).
 */
export function askedByUas(context: Context, leg: Leg, request: SipMessage, response: SipMessage): void {
  const given = parseSessionExpires(response.get('session-expires'));
  const asked = parseSessionExpires(request.get('session-expires'));
  if (asked !== undefined && asked.refresher === undefined && leg.timer !== undefined) asked.refresher = leg.timer.ours ? 'uas' : 'uac';
  if (given === undefined && asked?.refresher !== undefined) {
    // RFC 4028 §9: the answer repeats who refreshes.
    response.add('Session-Expires', `${asked.seconds};refresher=${asked.refresher}`);
    // A caller that refreshes itself has to know that we understand (§9, table 2).
    if (asked.refresher === 'uac') response.add('Require', 'timer');
  }
  const agreed = given ?? (asked?.refresher === undefined ? undefined : asked);
  context.armSession(leg, agreed === undefined ? undefined : { seconds: agreed.seconds, ours: agreed.refresher === 'uas' });
}

/** What a 2xx to an INVITE or UPDATE of ours agrees on (§7.2): without a refresher, it is us. */
export function agreedByUac(context: Context, leg: Leg, response: SipMessage): void {
  const agreed = parseSessionExpires(response.get('session-expires'));
  context.armSession(leg, agreed === undefined ? undefined : { seconds: agreed.seconds, ours: agreed.refresher !== 'uas' });
}

interface Sender { hopsOf(leg: Leg, request: SipMessage): Promise<Hop[]>; acknowledge(leg: Leg, ack: SipMessage): Promise<void> }

/**
 * Refreshes a session (§7.4): by UPDATE where the peer allows it, since that needs no offer, else by a re-INVITE with what we offered last.
 * Only ever sent on dialogs where both sides agreed on a timer; towards Meta none does (META-SIP.md §1 row 2).
 */
export function refreshSession(context: Context, sender: Sender, leg: Leg, timer: SessionTimer): void {
  if (leg.ended) return;
  if (leg.inviteIn !== undefined || leg.inviteOut !== undefined) {
    // Another INVITE is open, and refreshes as well as ours would.
    timer.restart();
    return;
  }
  const method = leg.allows.includes('UPDATE') || leg.localBody === undefined ? 'UPDATE' : 'INVITE';
  const request = leg.createRequest(method, []);
  request.add('Contact', leg.localContact).add('Supported', 'timer');
  request.add('Session-Expires', `${timer.seconds};refresher=uac`).add('Min-SE', String(leg.minSE));
  if (method === 'INVITE' && leg.localBody !== undefined) request.setBody(leg.localBody.text, leg.localBody.type);
  context.network.spawn(sender.hopsOf(leg, request).then((hops) => {
    const delivery = new Delivery(context.network, request, hops, {
      response: (response) => { refreshed({ context, sender, leg, timer }, method, response); },
      failed: () => { lost(context, leg, delivery); },
      settled: () => { if (leg.inviteOut === delivery) leg.inviteOut = undefined; },
    });
    if (method === 'INVITE') {
      leg.inviteOut = delivery;
      leg.inviteSeq = leg.localSeq;
    }
    delivery.start();
  }));
}

/** A refresh of ours on its way. */
interface Refresh { readonly context: Context; readonly sender: Sender; readonly leg: Leg; readonly timer: SessionTimer }

function refreshed({ context, sender, leg, timer }: Refresh, method: 'INVITE' | 'UPDATE', response: SipMessage): void {
  const { status } = response;
  if (status < 200 || leg.ended) return;
  leg.inviteOut = undefined;
  if (status < 300) {
    if (method === 'INVITE') context.network.spawn(sender.acknowledge(leg, leg.createRequest('ACK', [], leg.inviteSeq)));
    agreedByUac(context, leg, response);
  } else if (status === 422 && (minSE(response) ?? 0) > timer.seconds) {
    // §7.3: a longer interval is wanted.
    leg.minSE = Math.max(leg.minSE, minSE(response) ?? 0);
    context.armSession(leg, { seconds: leg.minSE, ours: true });
    if (leg.timer !== undefined) refreshSession(context, sender, leg, leg.timer);
  } else if (status === 408 || status === 481) {
    // RFC 3261 §12.2.1.2: the other side has no such dialog any more.
    context.hangUp(leg, 'Session timer expired', 'session-expired');
  } else if (status === 491) {
    // RFC 3261 §14.1: who chose the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
    timer.again(leg.role === 'uac' ? 2.1 + 0.01 * Math.floor(Math.random() * 191) : 0.01 * Math.floor(Math.random() * 201));
  } else if (response.has('retry-after')) timer.again(Math.max(1, Math.min(toSeconds(/^[^;(]*/.exec(response.get('retry-after') ?? '')?.[0]) ?? 10, timer.seconds / 4)));
  else timer.restart();
}

function lost(context: Context, leg: Leg, delivery: Delivery): void {
  if (leg.inviteOut === delivery) leg.inviteOut = undefined;
  context.hangUp(leg, 'Session timer expired', 'session-expired');
}
