import { unansweredLimits, requestLimits, type Config } from '../../config/types.js';
import type { Remembered } from '../../state/index.js';
import * as pairs from './pair.js';
import type { CallPermissions } from '../permissions.js';
import type { Pair, Permission, Reply } from './pair.js';
import { readPair } from './stored.js';

interface Log { info(fields: object, message: string): void; warn(fields: object, message: string): void }

/** A request for permission that counts, and that may be sent once `stored` has resolved. */
export interface RequestTicket {
  /** Resolves when it would survive the death of this process. False: another node has taken the last one meanwhile, and this one counts for nothing. */
  readonly stored: Promise<boolean>;
  /** It has gone, or may have: `id` is Meta's of the message, null where that is not known. */
  sent(id: string | null): void;
  /** It has not. */
  undo(): void;
}

export interface LedgerOptions {
  readonly config: () => Pick<Config, 'numbers'>;
  /** All names of a user, the one that counts first. */
  readonly names: (user: string) => readonly string[];
  /** A line for each pair; holds the state file's content already. */
  readonly store: Remembered;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
  /** This process among the nodes that share what they know, and whether another one lives; null: there is this one alone. */
  readonly nodes?: { readonly own: string; readonly alive: (process: string) => boolean } | null;
  /** A permission is another than before. */
  readonly onChanged?: (number: string, user: string, permission: Permission) => void;
}

/**
 * Permissions to call WhatsApp users, requests for them, and what becomes of calls, for each pair of business number and user: what Meta tells by webhook,
 * by its Graph API and by refusing, and what we do ourselves. What is counted is counted before it is done, so that a process that is killed in between
 * does neither a call nor a request too many.
 */
export class PermissionLedger {
  readonly #options: LedgerOptions;
  /** Pairs with a call of this process on its way. */
  readonly #open = new Set<string>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** What is known of the permission; null: Meta has to be asked. */
  standing(number: string, user: string): Permission | null {
    return pairs.standing(this.#read(number, user), this.#options.now());
  }

  /** When the user may be asked for permission, in milliseconds since 1970; null: now. */
  requestFreeAt(number: string, user: string): number | null {
    const now = this.#options.now();
    const restricted = Number(this.#options.store.get(restrictionKey(number)) ?? 0);
    return Math.max(pairs.requestFreeAt(this.#read(number, user), this.#profile(number), now) ?? 0, restricted > now ? restricted : 0) || null;
  }

  /** A request of ours that the user has not answered yet, nor let lapse; null: none. */
  outstanding(number: string, user: string): { readonly at: number } | null {
    const { asked, permission } = this.#read(number, user);
    const answered = asked === null || (permission?.by === 'user' && permission.heard >= asked.at);
    return answered || asked.at <= this.#options.now() - pairs.weekMs ? null : asked;
  }

  /** Takes one of the requests that may be sent; null: none may. */
  takeRequest(number: string, user: string): RequestTicket | null {
    const begun = this.#options.now();
    if (this.requestFreeAt(number, user) !== null) return null;
    let free = true;
    const stored = this.#change(number, user, (pair) => {
      free = pairs.requestFreeAt(pair, this.#profile(number), begun) === null;
      return free ? pairs.withRequest(pair, begun) : pair;
    });
    return {
      stored: stored.then(() => free),
      sent: (id) => void this.#change(number, user, (pair) => pairs.withRequestSent(pair, begun, this.#options.now(), id)),
      undo: () => void this.#change(number, user, (pair) => pairs.withRequestUndone(pair, begun)),
    };
  }

  /** Connected calls to one user that Meta said lately it allows in 24 h; null: it has not said. */
  callsPerDay(number: string, user: string): number | null {
    const { calls } = this.#read(number, user);
    return calls !== null && calls.at > this.#options.now() - pairs.dayMs ? calls.max : null;
  }

  /** A webhook told of a permission. Resolves when that would survive the death of this process. */
  replied(number: string, user: string, reply: Reply): Promise<void> {
    if (!this.#read(number, user).ids.includes(reply.id)) {
      const { accepted, automatic } = reply;
      const said = accepted ? 'the user may be called' : automatic ? 'Meta has taken back the permission to call this user' : 'the user does not permit calls';
      this.#options.log.info({ number, user, permission: !accepted ? 'none' : reply.permanent ? 'permanent' : 'temporary', until: reply.until === null ? null : new Date(reply.until).toISOString(), automatic }, said);
    }
    return this.#change(number, user, (pair) => pairs.withReply(pair, reply, this.#options.now()));
  }

  /** Meta restricts a number: it may ask no users until then, in milliseconds since 1970. Resolves when that would survive the death of this process. */
  restricted(number: string, until: number): Promise<void> {
    // An older one that comes late must not end it, and none lasts as long as this.
    const longest = Math.min(until, this.#options.now() + longestRestrictionMs);
    return this.#options.store.set(restrictionKey(number), String(Math.max(longest, Number(this.#options.store.get(restrictionKey(number)) ?? 0))));
  }

  /** Meta's answer to what we asked at `askedAt`. False: something else was heard meanwhile, and Meta is to be asked again. */
  told(number: string, user: string, told: CallPermissions, askedAt: number): boolean {
    const heard = this.#read(number, user).permission?.heard ?? 0;
    void this.#change(number, user, (pair) => pairs.withTold(pair, told, askedAt, this.#options.now()));
    return heard <= askedAt || this.#read(number, user).permission?.status !== 'unknown';
  }

  /** A business-initiated call is about to leave. Resolves when it counts whatever becomes of this process. */
  callBegins(number: string, user: string): Promise<void> {
    const stored = this.#change(number, user, (pair) => pairs.withCallBegun(pair, this.#options.now(), this.#options.nodes?.own ?? null));
    this.#open.add(`${number} ${this.#options.names(user)[0] ?? user}`);
    return stored;
  }

  /** A call of either direction is connected. */
  callConnected(number: string, user: string, at: number, business: boolean): void {
    void this.#change(number, user, (pair) => pairs.withConnected(pair, at, business));
  }

  /** A business-initiated call that was not connected is over. `begun`: when its INVITE left. */
  callFailed(number: string, user: string, how: 'untaken' | 'noPermission' | 'dailyLimit' | 'other', begun: number): void {
    const now = this.#options.now();
    const { asks, revokes } = this.#limits(number);
    const before = this.#read(number, user);
    if (how === 'other' && before.open === null) return;
    void this.#change(number, user, (pair) => (how === 'untaken' ? pairs.withUntaken(pair, revokes, now) : how === 'noPermission' ? pairs.withRefusal(pair, begun, now)
      : how === 'dailyLimit' ? pairs.withCallsUsedUp(pair, now) : pairs.withCallOver(pair)));
    if (how !== 'untaken') return;
    const count = before.untaken + 1;
    const then = count === revokes ? 'Meta takes the permission to call back: ask for it anew' : count === asks ? `Meta asks the user whether calls are wanted; after ${revokes} it takes the permission back` : null;
    const { environment } = this.#options.config().numbers[number] ?? { environment: 'production' };
    if (then !== null) this.#options.log.warn({ number, user, environment, count }, `${count} calls in a row were not taken by this user: ${then}`);
  }

  /** A call of the user's is over. */
  usersCall(number: string, user: string): void {
    if (this.#read(number, user).permission?.status === 'none') void this.#change(number, user, pairs.withUsersCall);
  }

  /** What the file has of a pair, under all names of the user. */
  #read(number: string, user: string): Pair {
    const names = this.#options.names(user);
    const found = names.map((name) => this.#options.store.get(`${number} ${name}`)).filter((text) => text !== null).map(readPair);
    const [first = pairs.nothingKnown, ...others] = found;
    const pair = others.reduce(pairs.merged, first);
    return this.#withoutLost(number, names, pair);
  }

  /** A call that no call of ours belongs to, nor of a node that lives, was on its way when a process died. */
  #withoutLost(number: string, names: readonly string[], pair: Pair, anew = false): Pair {
    const { nodes } = this.#options;
    // The call whose end is written now, and that another node's line still has open.
    if (anew && pair.openBy !== null && pair.openBy === nodes?.own) return pair;
    const others = pair.openBy !== null && pair.openBy !== nodes?.own && nodes?.alive(pair.openBy) === true;
    if (pair.open === null || others || names.some((name) => this.#open.has(`${number} ${name}`))) return pair;
    return pairs.withCallLost(pair, this.#limits(number).revokes);
  }

  #change(number: string, user: string, change: (pair: Pair) => Pair): Promise<void> {
    const before = this.#read(number, user);
    const after = change(before);
    const names = this.#options.names(user);
    const [key = user, ...others] = names.map((name) => `${number} ${name}`);
    if (after.open === null) for (const name of [key, ...others]) this.#open.delete(name);
    const [was, is] = [before.permission, after.permission];
    if (is !== null && (was?.status !== is.status || was.until !== is.until)) this.#options.onChanged?.(number, user, is);
    // Most calls say nothing that is not known.
    if (after === before || JSON.stringify(after) === JSON.stringify(before)) return this.#options.store.stored;
    let first = true;
    const stored = this.#options.store.update(key, (text) => {
      // Done anew where another node has changed it meanwhile.
      const made = first ? after : change(this.#withoutLost(number, names, text === null ? pairs.nothingKnown : readPair(text), true));
      first = false;
      return JSON.stringify(made);
    });
    // What stood under another name stands under this one now.
    for (const name of others) this.#options.store.delete(name);
    return stored;
  }

  #limits(number: string): { readonly asks: number; readonly revokes: number } {
    return unansweredLimits[this.#options.config().numbers[number]?.environment ?? 'production'];
  }

  #profile(number: string): pairs.RequestLimits {
    return requestLimits[this.#options.config().numbers[number]?.environment ?? 'production'];
  }
}

/** Meta's own last 7 days. */
const longestRestrictionMs = 31 * pairs.dayMs;
/** No user has this name. */
const restrictionKey = (number: string): string => `${number} *`;
