import type { SipHeaders } from '../sip/drachtio.js';
import type { SipUri } from '../sip/uri.js';
import { uriParam } from '../sip/uri.js';

/** How an app that sleeps is woken (RFC 8599 §14.1 to §14.3), as its Contact says. */
export interface Push {
  /** pn-provider: apns, fcm, … */
  readonly provider: string;
  /** pn-prid: its token there. */
  readonly prid: string;
  /** pn-param; null: none. */
  readonly param: string | null;
}

/** The longest value that is kept, in characters: tokens of today have some 200. */
const longest = 1024;

/**
 * How the app at a Contact is woken by one of these providers; null: it is not, as there are none, it names none, or it has no token and only asks what we do
 * (RFC 8599 §4.1). 'unserved': it names another one (§8).
 */
export function pushOf({ params }: SipUri, served: readonly string[]): Push | 'unserved' | null {
  const provider = served.length === 0 ? '' : uriParam(params, 'pn-provider')?.toLowerCase() ?? '';
  if (provider === '') return null;
  if (!served.includes(provider)) return 'unserved';
  const [prid, param] = [uriParam(params, 'pn-prid') ?? '', uriParam(params, 'pn-param') ?? null];
  return prid === '' || prid.length + (param?.length ?? 0) > longest ? null : { provider, prid, param };
}

/** One app at two addresses is one device. */
export function isSamePush(one: Push | null, other: Push | null): boolean {
  return one !== null && other !== null && one.provider === other.provider && one.prid === other.prid && one.param === other.param;
}

/** RFC 8599 §9: told to those who name a provider, or ask. */
export function pushCapsOf(contacts: readonly string[], push: readonly string[]): SipHeaders {
  const asks = push.length > 0 && contacts.some((value) => /;pn-provider\b/i.test(value));
  return asks ? { 'Feature-Caps': push.map((provider) => `*;+sip.pns="${provider}"`).join(', ') } : {};
}

/** Calls that wait until a user's app is there. Those that are over are not kept. */
export class Sleepers {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** A device of this user has registered. */
  registered(user: string): void {
    for (const awake of [...this.#waiting.get(user) ?? []]) awake();
  }

  /** Resolves when that happens, after `ms` milliseconds, or when `over` does, whichever is first. */
  async until(user: string, ms: number, over: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let heard = (): void => undefined;
    const registered = new Promise<void>((resolve) => { heard = resolve; });
    const all = this.#waiting.get(user) ?? new Set();
    this.#waiting.set(user, all.add(heard));
    await Promise.race([registered, over, new Promise<void>((resolve) => { timer = setTimeout(resolve, ms); })]);
    clearTimeout(timer);
    all.delete(heard);
    if (all.size === 0 && this.#waiting.get(user) === all) this.#waiting.delete(user);
  }
}
