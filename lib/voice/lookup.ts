import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { RouteConfig } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import { BoundedMap } from '../util/boundedMap.js';
import { shownUrl } from '../util/shownUrl.js';

type Lookup = NonNullable<RouteConfig['lookup']>;
type Target = RouteConfig['to'][number];

/** What is asked: the call, and whom its route names. */
export interface Asked {
  readonly route: string;
  /** Business number, E.164 with '+'. */
  readonly number: string;
  /** E.164 with '+', or a BSUID. */
  readonly user: string;
  readonly wacid: string | null;
  readonly payload: string | null;
  readonly targets: readonly Target[];
}

/** Targets of an answer that are used; what is behind them is not rung. */
const mostLookedUp = 20;
/** Bytes of an answer; a longer one is none. */
const longestLookup = 65_536;
/** Answers that are kept. */
const mostLookups = 10_000;
/**
 * A server that cannot be reached, is late, or says that it has trouble of its own (5xx, 429) is left alone for so long, milliseconds: calls go on
 * without it at once. What it says to one call alone holds for that one.
 */
const lookupRestMs = 5000;

const answerForm = Type.Object({ targets: Type.Array(Type.Object({ peer: Type.String({ maxLength: 64 }), user: Type.String({ minLength: 1, maxLength: 128 }) })) });

/** Why there is none; whether the server is left alone for a moment. */
interface Nothing { readonly why: string; readonly rests: boolean }
interface Kept { readonly targets: readonly Target[]; readonly until: number }

/** Asks a program by HTTP whom a call is to ring, and in which order. It never decides who may be rung: policy judges each as any target of the route. */
export class Lookups {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #kept = new BoundedMap<string, Kept>(mostLookups);
  readonly #resting = new Map<string, number>();

  /** `now` in milliseconds, of a clock that is not set. */
  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Null: there is no answer that can be used, within the time-out at the latest. Aborted by `signal`. Never rejects. */
  async ask(lookup: Lookup, asked: Asked, signal: AbortSignal): Promise<readonly Target[] | null> {
    const { url, cache } = lookup;
    const key = JSON.stringify([url, asked.route, asked.number, asked.user, asked.payload, asked.targets]);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > this.#now()) return kept.targets;
    if ((this.#resting.get(url) ?? 0) > this.#now()) return null;
    const answer = await fetchTargets(lookup, asked, signal).catch((error: Error): Nothing => ({ why: whyNot(error, lookup), rests: true }));
    if (signal.aborted) return null;
    if ('why' in answer) {
      const { why, rests } = answer;
      if (rests) this.#resting.set(url, this.#now() + lookupRestMs);
      this.#log.warn({ url: shownUrl(url), route: asked.route, why }, `the look-up of route ${asked.route} gives nothing: ${why}; its targets are rung in their order${rests ? `, and those of all calls for ${lookupRestMs / 1000} s` : ''}`);
      return null;
    }
    this.#resting.delete(url);
    const targets = answer.slice(0, mostLookedUp).map(({ peer, user }) => ({ peer, user }));
    if (cache > 0) this.#kept.set(key, { targets, until: this.#now() + cache * 1000 });
    return targets;
  }
}

async function fetchTargets({ url, timeout, authorization }: Lookup, asked: Asked, signal: AbortSignal): Promise<readonly Target[] | Nothing> {
  const none = (why: string, rests = false): Nothing => ({ why, rests });
  const response = await fetch(url, {
    method: 'POST', redirect: 'error', body: JSON.stringify(asked), signal: AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]),
    headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'wa-b2bua', ...(authorization === null ? {} : { authorization }) },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    return none(`it answers ${response.status}`, response.status >= 500 || response.status === 429);
  }
  const text = await readText(response);
  if (text === null) return none('its answer is too long');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return none('its answer is no JSON');
  }
  // Half of a surrogate pair can stand in no URI.
  return Value.Check(answerForm, body) && body.targets.every(({ user }) => !/\p{Surrogate}/u.test(user)) ? body.targets : none('its answer has not the form {"targets":[{"peer","user"}]}');
}

async function readText(response: Response): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  const body: ReadableStream<Uint8Array> | null = response.body;
  let length = 0;
  const reader = body?.getReader();
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
    const chunk = part.value;
    length += chunk.length;
    if (length > longestLookup) {
      await reader?.cancel();
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function whyNot(error: Error, { timeout }: Lookup): string {
  return error.name === 'TimeoutError' ? `no answer within ${timeout} s` : (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message;
}
