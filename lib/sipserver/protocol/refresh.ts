// Session timers (RFC 4028): who refreshes a session, and what happens when nobody does.
import { toSeconds } from './seconds.js';
import { Delivery } from '../locate/index.js';
import type { Hop } from '../locate/index.js';
import type { SipMessage } from '../parser/index.js';
import type { Context } from './context.js';
import type { Leg } from './leg.js';

/** RFC 4028 §4: the smallest interval anybody may ask for, in seconds. */
export const MIN_SE = 90;

/** `Session-Expires: 1800;refresher=uas`. */
export interface SessionExpires { seconds: number; refresher: 'uac' | 'uas' | undefined }

export function parseSessionExpires(value: string | undefined): SessionExpires | undefined {
  if (value === undefined) return undefined;
  const seconds = toSeconds(value.split(';')[0] ?? '');
  if (seconds === undefined) return undefined;
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\b/i.exec(value)?.[1]?.toLowerCase();
  return { seconds, refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined };
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
    this.timer = setTimeout(() => { this.due(); }, wait * 1000);
  }

  /** §5, §9: a request that asks for a shorter interval than we allow. */
  refuses(request: SipMessage): boolean {
    const asked = request.method === 'INVITE' || request.method === 'UPDATE' ? parseSessionExpires(request.get('session-expires')) : undefined;
    return asked !== undefined && asked.seconds < MIN_SE;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private due(): void {
    if (this.ours) this.refresh(this.leg, this);
    else this.context.hangUp(this.leg, 'Session timer expired', 'session-expired');
  }
}

/** What a 2xx of ours to an INVITE agrees on: the client's Session-Expires, or the caller's if it names who refreshes (drachtio's rule). */
export function askedByUas(context: Context, leg: Leg, request: SipMessage, response: SipMessage): void {
  const given = parseSessionExpires(response.get('session-expires'));
  const asked = parseSessionExpires(request.get('session-expires'));
  if (given === undefined && asked?.refresher !== undefined) {
    // RFC 4028 §9: the answer repeats who refreshes.
    response.add('Session-Expires', `${Math.max(MIN_SE, asked.seconds)};refresher=${asked.refresher}`);
    // A caller that refreshes itself has to know that we understand (§9, table 2).
    if (asked.refresher === 'uac') response.add('Require', 'timer');
  }
  const agreed = given ?? (asked?.refresher === undefined ? undefined : asked);
  context.armSession(leg, agreed === undefined ? undefined : { seconds: Math.max(MIN_SE, agreed.seconds), ours: agreed.refresher === 'uas' });
}

/** What a 2xx to an INVITE or UPDATE of ours agrees on (§7.2): without a refresher, it is us. */
export function agreedByUac(context: Context, leg: Leg, response: SipMessage): void {
  const agreed = parseSessionExpires(response.get('session-expires'));
  context.armSession(leg, agreed === undefined ? undefined : { seconds: agreed.seconds, ours: agreed.refresher !== 'uas' });
}

/**
 * Refreshes a session (§7.4): by UPDATE where the peer allows it, since that needs no offer, else by a re-INVITE with what we offered last.
 * Only ever sent on dialogs where both sides agreed on a timer; towards Meta none does (META-SIP.md §1 row 2).
 */
export function refreshSession(context: Context, sender: { hopsOf(leg: Leg, request: SipMessage): Promise<Hop[]>; acknowledge(leg: Leg, ack: SipMessage): Promise<void> },
  leg: Leg, timer: SessionTimer): void {
  if (leg.ended) return;
  if (leg.inviteIn !== undefined || leg.inviteOut !== undefined) {
    // Another INVITE is open, and refreshes as well as ours would.
    timer.restart();
    return;
  }
  const method = leg.allows.includes('UPDATE') || leg.localBody === undefined ? 'UPDATE' : 'INVITE';
  const request = leg.createRequest(method, []);
  request.add('Contact', leg.localContact).add('Supported', 'timer');
  request.add('Session-Expires', `${timer.seconds};refresher=uac`).add('Min-SE', String(MIN_SE));
  if (method === 'INVITE' && leg.localBody !== undefined) request.setBody(leg.localBody.text, leg.localBody.type);
  context.network.spawn(sender.hopsOf(leg, request).then((hops) => {
    const delivery = new Delivery(context.network, request, hops, {
      response: (response) => { refreshed(context, sender, leg, timer, request, response); },
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

function refreshed(context: Context, sender: { acknowledge(leg: Leg, ack: SipMessage): Promise<void> }, leg: Leg, timer: SessionTimer,
  request: SipMessage, response: SipMessage): void {
  const { status } = response;
  if (status < 200 || leg.ended) return;
  leg.inviteOut = undefined;
  if (status < 300) {
    if (request.method === 'INVITE') context.network.spawn(sender.acknowledge(leg, leg.createRequest('ACK', [], leg.inviteSeq)));
    agreedByUac(context, leg, response);
  } else if (status === 408 || status === 481) {
    // RFC 3261 §12.2.1.2: the other side has no such dialog any more.
    context.hangUp(leg, 'Session timer expired', 'session-expired');
  } else timer.restart();
}

function lost(context: Context, leg: Leg, delivery: Delivery): void {
  if (leg.inviteOut === delivery) leg.inviteOut = undefined;
  context.hangUp(leg, 'Session timer expired', 'session-expired');
}
