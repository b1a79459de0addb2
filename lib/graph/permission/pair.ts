// What is known of one business number that calls one WhatsApp user, as plain data. Times are milliseconds since 1970.
import { actionOf, isPermitted, type CallPermissions, type PermissionAction } from '../permissions.js';

export const dayMs = 86_400_000;
export const weekMs = 7 * dayMs;
/** Clocks of ours and of Meta's are taken to differ by no more. So long before its end a permission is asked about. */
const skewMs = 300_000;
/** What was sent so shortly before a question may not be in its answer yet. */
const settlingMs = 30_000;
/** A reply that comes so late is no news. */
const oldMs = 8 * dayMs;
/** Ids of the messages of one user that are remembered, so that each counts once. */
const mostIds = 8;
/** Requests of one user that are remembered; Meta's most are 100 in 7 days. */
const mostRequests = 200;

export interface Permission {
  /** unknown: what was heard since contradicts it, and which is the newer is not known; or it was said in a word that does not last. */
  readonly status: 'none' | 'temporary' | 'permanent' | 'unknown';
  /** Of a temporary one: when it ends. */
  readonly until: number | null;
  /**
   * Who says so. user: the user's answer, by webhook; automatic: Meta, by webhook; asked: Meta's answer to our question; refusal: Meta's refusal of a
   * call; untaken: so many calls in a row were not taken that Meta takes it back.
   */
  readonly by: 'user' | 'automatic' | 'asked' | 'refusal' | 'untaken';
  /** When it became so, by the clock of who says it. */
  readonly at: number;
  /** When we heard of it. */
  readonly heard: number;
}

/** How often a user may be asked. */
export interface RequestLimits { readonly day: number; readonly week: number }

export interface Pair {
  /** null: nothing was heard of it. */
  readonly permission: Permission | null;
  /** When the user was asked, in the last 7 days and since the last connected call. */
  readonly requests: readonly number[];
  /** As Meta has told; null: it has not. */
  readonly requestLimits: RequestLimits | null;
  /** The last request: Meta's id of the message, where known. */
  readonly asked: { readonly id: string | null; readonly at: number } | null;
  /** Business-initiated calls in a row that the user did not take. */
  readonly untaken: number;
  /** A business-initiated call is on its way since then, or was when its process died. */
  readonly open: number | null;
  /** The process that has it, among nodes that share what they know; null: the only one. */
  readonly openBy: string | null;
  /** Connected calls that Meta allows in 24 h, as it told at that time, and how many of them are left. */
  readonly calls: { readonly max: number | null; readonly left: number; readonly at: number } | null;
  /** Messages that have counted. */
  readonly ids: readonly string[];
}

export const nothingKnown: Pair = Object.freeze({ permission: null, requests: [], requestLimits: null, asked: null, untaken: 0, open: null, openBy: null, calls: null, ids: [] });

/** A user's answer to a request for permission, or what Meta has decided for the user (META-SIP §8). */
export interface Reply {
  readonly id: string;
  /** As Meta says. */
  readonly at: number;
  readonly accepted: boolean;
  readonly permanent: boolean;
  /** When it ends, of an accepted one that is not permanent; null: 7 days later. */
  readonly until: number | null;
  readonly automatic: boolean;
  /** The message it answers; null where it answers none. */
  readonly answers: string | null;
}

/** Whether the user may be called, as far as that is known; null: Meta has to be asked. */
export function standing({ permission, calls }: Pair, now: number): Permission | null {
  if (permission === null || permission.status === 'unknown') return null;
  if (permission.status === 'temporary' && (permission.until ?? 0) <= now + skewMs) return null;
  // Others may call this user from the same number: what Meta has told is good for so many calls of ours and no more.
  if (permission.status !== 'none' && calls !== null && calls.left <= 0 && calls.at > now - dayMs) return null;
  return permission;
}

/** When the user may be asked next; null: now. Infinity: never. */
export function requestFreeAt({ requests, requestLimits }: Pair, profile: RequestLimits, now: number): number | null {
  const { day, week } = requestLimits ?? profile;
  const times = [windowFreeAt(requests, day, dayMs, now), windowFreeAt(requests, week, weekMs, now)].filter((time) => time !== null);
  return times.length === 0 ? null : Math.max(...times);
}

function windowFreeAt(times: readonly number[], limit: number, window: number, now: number): number | null {
  const within = times.filter((time) => time > now - window);
  if (within.length < limit) return null;
  return limit <= 0 ? Infinity : (within[within.length - limit] ?? now) + window;
}

/** A request counts before it is sent. */
export function withRequest(pair: Pair, at: number): Pair {
  const requests = [...pair.requests.filter((time) => time > at - weekMs), at].sort((a, b) => a - b).slice(-mostRequests);
  return { ...pair, requests, asked: { id: null, at } };
}

/** It has gone: it counts from when Meta had it at the latest. `id`: null where Meta's answer is not known. */
export function withRequestSent(pair: Pair, begun: number, at: number, id: string | null): Pair {
  const requests = without(pair.requests, begun);
  return { ...pair, requests: [...requests, at].sort((a, b) => a - b), asked: { id, at } };
}

/** It was not sent after all. */
export function withRequestUndone(pair: Pair, begun: number): Pair {
  return { ...pair, requests: without(pair.requests, begun), asked: pair.asked?.at === begun ? null : pair.asked };
}

function without(times: readonly number[], one: number): number[] {
  const at = times.indexOf(one);
  return times.filter((_, index) => index !== at);
}

/**
 * A webhook of Meta's tells of a permission. It may come twice, late and in any order: an id counts once, the newest time wins. Where two clocks leave in doubt
 * which is the newer, nothing is known.
 */
export function withReply(pair: Pair, reply: Reply, now: number): Pair {
  if (pair.ids.includes(reply.id)) return pair;
  const ids = [...pair.ids, reply.id].slice(-mostIds);
  const said = permissionIn(reply, now);
  const known = pair.permission;
  const answersOurs = reply.answers !== null && reply.answers === pair.asked?.id && (pair.asked?.at ?? 0) >= (known?.at ?? 0);
  if (known === null || isNewer(said, known) || (answersOurs && !isReply(known))) {
    // Meta has taken the permission back for calls that were not taken: it counts anew.
    return { ...pair, ids, permission: said, untaken: said.status === 'none' && reply.automatic ? 0 : pair.untaken };
  }
  return { ...pair, ids, permission: isDoubtful(said, known) ? { ...known, status: 'unknown', heard: now } : known };
}

function permissionIn({ accepted, permanent, until, automatic, at: told }: Reply, heard: number): Permission {
  // A time of tomorrow would outdo every later reply.
  const at = told > heard + dayMs ? heard : told;
  const said = { by: automatic ? 'automatic' as const : 'user' as const, at, heard };
  // Meta sends one for 7 days. Somebody has kept this one, and what became of it since may be forgotten here.
  if (at < heard - oldMs) return { ...said, status: 'unknown', until: null };
  if (!accepted) return { ...said, status: 'none', until: null };
  return permanent ? { ...said, status: 'permanent', until: null } : { ...said, status: 'temporary', until: until ?? at + weekMs };
}

function isReply({ by }: Permission): boolean {
  return by === 'user' || by === 'automatic';
}

/** A permission for good and one that ends contradict each other too: in between it was taken back. */
function contradict(one: Permission, other: Permission): boolean {
  return other.status === 'unknown' || one.status !== other.status;
}

/** Of two replies Meta's clock tells. What we found out ourselves stands on ours. */
function isNewer(said: Permission, known: Permission): boolean {
  return said.at > known.at + (isReply(known) || !contradict(said, known) ? 0 : skewMs);
}

function isDoubtful(said: Permission, known: Permission): boolean {
  return contradict(said, known) && (isReply(known) ? said.at === known.at : said.at > known.at - skewMs);
}

/** Meta's answer to our question of `askedAt`; what was heard since then may be newer. */
export function withTold(pair: Pair, told: CallPermissions, askedAt: number, now: number): Pair {
  const said = permissionOf(told, askedAt, now);
  const known = pair.permission;
  const meanwhile = known !== null && known.heard > askedAt;
  const ofRequests = actionOf(told, 'send_call_permission_request');
  const [day, week] = [limitOf(ofRequests, 'PT24H'), limitOf(ofRequests, 'P7D')];
  const calls = limitOf(actionOf(told, 'start_call'), 'PT24H');
  return {
    ...pair, permission: !meanwhile ? said : contradict(said, known) ? { ...said, status: 'unknown' } : known,
    requestLimits: day === null || week === null ? pair.requestLimits : { day: day.max, week: week.max },
    requests: reconciled(pair.requests, { day, week }, askedAt),
    calls: calls === null ? pair.calls : { max: calls.max, left: calls.max - calls.used, at: askedAt },
  };
}

function permissionOf(told: CallPermissions, at: number, heard: number): Permission {
  const { status, expiresAt } = told;
  const as = (word: Permission['status'], until: number | null = null): Permission => ({ status: word, until, by: 'asked', at, heard });
  if (status === 'permanent') return as('permanent');
  if (isPermitted(told, heard - skewMs)) return expiresAt === null ? as('unknown') : as('temporary', expiresAt);
  return mayBeCalled(told, heard) ? as('unknown') : as('none');
}

/** Whether Meta's answer lets the user be called, apart from the limits of calls. Of a word that nobody knows (pending, …) what may be done says what it means. */
export function mayBeCalled(told: CallPermissions, now: number): boolean {
  return isPermitted(told, now - skewMs) || (!knownWords.has(told.status) && actionOf(told, 'start_call')?.can === true);
}

const knownWords: ReadonlySet<string> = new Set(['no_permission', 'temporary', 'permanent', 'granted', 'denied', 'expired']);

interface Count { readonly max: number; readonly used: number; readonly freeAt: number | null }

function limitOf(action: PermissionAction | null, period: string): Count | null {
  const limit = action?.limits.find((one) => one.period === period);
  return limit === undefined || limit.allowed === null || limit.used === null ? null : { max: limit.allowed, used: limit.used, freeAt: limit.until };
}

/** The requests that count, by Meta's figures: others may have asked too, or a connected call that we know nothing of has set them back. */
function reconciled(requests: readonly number[], told: Record<'day' | 'week', Count | null>, askedAt: number): number[] {
  const recent = requests.filter((time) => time > askedAt - settlingMs);
  let settled = requests.filter((time) => time <= askedAt - settlingMs);
  for (const [one, window] of [[told.day, dayMs], [told.week, weekMs]] as const) {
    if (one === null) continue;
    const outside = settled.filter((time) => time <= askedAt - window);
    let inside = settled.filter((time) => time > askedAt - window);
    // Fewer than we know of: the oldest are forgiven. What is recent may be among them, and counts all the same.
    const forgiven = Math.max(0, inside.length - one.used);
    // What the day does not count any more the week may.
    if (window === dayMs) outside.push(...inside.slice(0, forgiven).map(() => askedAt - dayMs));
    inside = inside.slice(forgiven);
    const unknown = Math.min(one.used - inside.length - recent.length, mostRequests);
    const since = one.freeAt === null ? askedAt : Math.min(askedAt, one.freeAt - window);
    // Those of others; of the week's that the day does not count it is only known that they are older.
    for (let i = 0; i < unknown; i += 1) inside.push(window === weekMs && told.day !== null ? Math.min(since, askedAt - dayMs) : since);
    settled = [...outside, ...inside].sort((a, b) => a - b);
  }
  return [...settled, ...recent].slice(-mostRequests);
}

/** A business-initiated call leaves for Meta. */
export function withCallBegun(pair: Pair, at: number, by: string | null = null): Pair {
  return { ...pair, open: at, openBy: by };
}

/** A call was connected at that time, whoever placed it: requests before count no more, nor do calls that were not taken (META-SIP §9). */
export function withConnected(pair: Pair, at: number, business: boolean): Pair {
  return {
    ...pair, requests: pair.requests.filter((time) => time >= at), untaken: 0, ...(business ? over : {}),
    calls: business && pair.calls !== null ? { ...pair.calls, left: pair.calls.left - 1 } : pair.calls,
  };
}

/** A business-initiated call is over that the user did not take: after `revokes` of them in a row Meta takes the permission back. */
export function withUntaken(pair: Pair, revokes: number, now: number): Pair {
  const untaken = pair.untaken + 1;
  const gone: Permission | null = untaken < revokes ? pair.permission : { status: 'none', until: null, by: 'untaken', at: now, heard: now };
  return { ...pair, ...over, untaken, permission: gone };
}

/** One is over that says nothing of the user. */
export function withCallOver(pair: Pair): Pair {
  return { ...pair, ...over };
}

const over = { open: null, openBy: null } as const;

/** The process died with a call on its way: it may have been connected, not taken, or refused for want of permission. */
export function withCallLost(pair: Pair, revokes: number): Pair {
  if (pair.open === null) return pair;
  const calls = pair.calls === null ? null : { ...pair.calls, left: pair.calls.left - 1 };
  const { permission, ...untaken } = withUntaken(pair, revokes, pair.open);
  return { ...untaken, calls, permission: permission === null || permission.status === 'none' ? permission : { ...permission, status: 'unknown' } };
}

/** Meta refused a call that left at `begun` for want of permission. */
export function withRefusal(pair: Pair, begun: number, now: number): Pair {
  const known = pair.permission;
  // A permission that came meanwhile may be the newer.
  const status = known !== null && known.status !== 'none' && known.heard >= begun ? 'unknown' : 'none';
  return { ...pair, ...over, permission: { status, until: null, by: 'refusal', at: now, heard: now } };
}

/** Meta refused a call as the day's calls to this user are used up: what it tells next time counts. */
export function withCallsUsedUp(pair: Pair, now: number): Pair {
  return { ...pair, ...over, calls: { max: pair.calls?.max ?? null, left: 0, at: now } };
}

/** The user has called: Meta may have given permission to call back, and a "no" is not known to hold any more. */
export function withUsersCall(pair: Pair): Pair {
  return pair.permission?.status === 'none' ? { ...pair, permission: { ...pair.permission, status: 'unknown' } } : pair;
}

/** The same user under two names that were not known to be one. */
export function merged(a: Pair, b: Pair): Pair {
  const [older, newer] = (a.permission?.heard ?? 0) <= (b.permission?.heard ?? 0) ? [a, b] : [b, a];
  return {
    permission: newer.permission ?? older.permission,
    requests: [...a.requests, ...b.requests].sort((x, y) => x - y).slice(-mostRequests),
    requestLimits: newer.requestLimits ?? older.requestLimits,
    asked: (a.asked?.at ?? 0) >= (b.asked?.at ?? 0) ? a.asked : b.asked,
    untaken: Math.max(a.untaken, b.untaken), open: a.open ?? b.open, openBy: a.open === null ? b.openBy : a.openBy,
    calls: newer.calls ?? older.calls, ids: [...older.ids, ...newer.ids].slice(-mostIds),
  };
}
