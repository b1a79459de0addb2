// Who may be called by whom, as Meta counts it (Meta's pages "User call permissions" and "Calling").
import { DAY, type Clock } from './clock.js';
import type { StandInNumber } from './number.js';
import type { Fields } from './reading.js';
import type { StandInUser } from './users.js';

/** Meta's limits by the environment of the number. */
const LIMITS = {
  production: { requestsPerDay: 1, requestsPerWeek: 2, connectedPerDay: 100, nudge: 2, revoke: 4 },
  sandbox: { requestsPerDay: 25, requestsPerWeek: 100, connectedPerDay: 100, nudge: 5, revoke: 10 },
} as const;

/** A temporary permission, and a request, hold 168 hours. */
const WEEK = 7 * DAY;

interface Pair {
  granted: { readonly permanent: boolean; readonly until: number } | null;
  /** When requests were sent since the last connected call. */
  requests: number[];
  /** Requests that can still be answered, the newest last. */
  open: { readonly wamid: string; readonly until: number }[];
  /** When calls of the business were connected. */
  connected: number[];
  unanswered: number;
}

export type RequestRefusal = 138009 | 138013 | 138014 | 138017;

/** Countries whose numbers may not call users, by prefix: +1 stands for USA and Canada. */
const BLOCKED = /^(1|20|84|234)/;

export class PermissionLedger {
  readonly #clock: Clock;
  readonly #pairs = new Map<string, Pair>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #pair(number: StandInNumber, user: StandInUser): Pair {
    const key = `${number.id} ${user.waId}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { granted: null, requests: [], open: [], connected: [], unanswered: 0 };
      this.#pairs.set(key, pair);
    }
    const now = this.#clock.now();
    if (pair.granted !== null && pair.granted.until <= now) pair.granted = null;
    pair.requests = pair.requests.filter((at) => at > now - WEEK);
    pair.connected = pair.connected.filter((at) => at > now - DAY);
    pair.open = pair.open.filter(({ until }) => until > now);
    return pair;
  }

  isPermitted(number: StandInNumber, user: StandInUser): boolean {
    return this.#pair(number, user).granted !== null;
  }

  /** Whether Meta has let as many calls be connected in 24 hours as it does. */
  isDayFull(number: StandInNumber, user: StandInUser): boolean {
    return this.#pair(number, user).connected.length >= LIMITS[number.environment].connectedPerDay;
  }

  /** Why the number may not ask this user now; null: it may. */
  requestRefusal(number: StandInNumber, user: StandInUser): RequestRefusal | null {
    const { granted, requests } = this.#pair(number, user);
    const { requestsPerDay, requestsPerWeek } = LIMITS[number.environment];
    if (BLOCKED.test(number.digits)) return 138013;
    if (number.isRestricted('BUSINESS_INITIATED')) return 138014;
    if (granted?.permanent === true) return 138017;
    const now = this.#clock.now();
    return requests.filter((at) => at > now - DAY).length >= requestsPerDay || requests.length >= requestsPerWeek ? 138009 : null;
  }

  requested(number: StandInNumber, user: StandInUser, wamid: string): void {
    const pair = this.#pair(number, user);
    const now = this.#clock.now();
    pair.requests.push(now);
    pair.open.push({ wamid, until: now + WEEK });
  }

  /** The request that a user's answer is about; a newer one that is acted on closes the older. */
  answer(number: StandInNumber, user: StandInUser): string | undefined {
    const pair = this.#pair(number, user);
    const newest = pair.open.at(-1)?.wamid;
    pair.open = [];
    return newest;
  }

  /** Gives a permission: for good, or for 168 hours. Gives when it ends, in seconds since 1970; undefined: never. */
  grant(number: StandInNumber, user: StandInUser, permanent: boolean): number | undefined {
    const pair = this.#pair(number, user);
    if (permanent || pair.granted?.permanent !== true) pair.granted = { permanent, until: permanent ? Infinity : this.#clock.now() + WEEK };
    pair.unanswered = 0;
    return permanent ? undefined : Math.floor((this.#clock.now() + WEEK) / 1000);
  }

  revoke(number: StandInNumber, user: StandInUser): void {
    this.#pair(number, user).granted = null;
  }

  /** A call between the two was connected: requests and unanswered calls are counted anew. */
  connected(number: StandInNumber, user: StandInUser, byBusiness: boolean): void {
    const pair = this.#pair(number, user);
    if (byBusiness) pair.connected.push(this.#clock.now());
    pair.requests = [];
    pair.unanswered = 0;
  }

  /** A call of the business was not taken. Gives whether Meta nudges the user, or takes the permission back. */
  unanswered(number: StandInNumber, user: StandInUser): 'nudge' | 'revoke' | null {
    const pair = this.#pair(number, user);
    const { nudge, revoke } = LIMITS[number.environment];
    pair.unanswered++;
    if (pair.unanswered >= revoke) {
      pair.granted = null;
      pair.unanswered = 0;
      return 'revoke';
    }
    return pair.unanswered === nudge ? 'nudge' : null;
  }

  /** The body of GET call_permissions. */
  show(number: StandInNumber, user: StandInUser): Fields {
    const pair = this.#pair(number, user);
    const { granted, requests, connected } = pair;
    const { requestsPerDay, requestsPerWeek, connectedPerDay } = LIMITS[number.environment];
    const now = this.#clock.now();
    const today = requests.filter((at) => at > now - DAY);
    const limit = (period: string, allowed: number, times: readonly number[], length: number): Fields => ({
      time_period: period, max_allowed: allowed, current_usage: times.length,
      ...(times.length >= allowed ? { limit_expiration_time: Math.ceil(((times[times.length - allowed] ?? now) + length) / 1000) } : {}),
    });
    return {
      messaging_product: 'whatsapp',
      permission: { status: granted === null ? 'no_permission' : granted.permanent ? 'permanent' : 'temporary', ...(granted === null || granted.permanent ? {} : { expiration_time: Math.floor(granted.until / 1000) }) },
      actions: [
        {
          action_name: 'send_call_permission_request', can_perform_action: this.requestRefusal(number, user) === null,
          limits: [limit('PT24H', requestsPerDay, today, DAY), limit('P7D', requestsPerWeek, requests, WEEK)],
        },
        { action_name: 'start_call', can_perform_action: granted !== null && !this.isDayFull(number, user) && !number.isRestricted('BUSINESS_INITIATED'), limits: [limit('PT24H', connectedPerDay, connected, DAY)] },
      ],
    };
  }
}
