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
/** A server that has failed is left alone for so long, milliseconds: calls go on without it at once. */
const lookupRestMs = 5000;

const answerForm = Type.Object({ targets: Type.Array(Type.Object({ peer: Type.String({ maxLength: 64 }), user: Type.String({ minLength: 1, maxLength: 128 }) })) });

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
    const key = JSON.stringify([url, asked.route, asked.number, asked.user, asked.payload]);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > this.#now()) return kept.targets;
    if ((this.#resting.get(url) ?? 0) > this.#now()) return null;
    const answer = await fetchTargets(lookup, asked, signal).catch((error: Error) => whyNot(error, lookup));
    if (signal.aborted) return null;
    if (typeof answer === 'string') {
      this.#resting.set(url, this.#now() + lookupRestMs);
      this.#log.warn({ url: shownUrl(url), route: asked.route, why: answer }, `the look-up of route ${asked.route} gives nothing: ${answer}; its targets are rung in their order`);
      return null;
    }
    this.#resting.delete(url);
    const targets = answer.slice(0, mostLookedUp).map(({ peer, user }) => ({ peer, user }));
    if (cache > 0) this.#kept.set(key, { targets, until: this.#now() + cache * 1000 });
    return targets;
  }
}

/** A string: why the answer is none. */
async function fetchTargets({ url, timeout, authorization }: Lookup, asked: Asked, signal: AbortSignal): Promise<readonly Target[] | string> {
  const response = await fetch(url, {
    method: 'POST', redirect: 'error', body: JSON.stringify(asked), signal: AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]),
    headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'wa-b2bua', ...(authorization === null ? {} : { authorization }) },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    return `it answers ${response.status}`;
  }
  const text = await readText(response);
  if (text === null) return 'its answer is too long';
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return 'its answer is no JSON';
  }
  return Value.Check(answerForm, body) ? body.targets : 'its answer has not the form {"targets":[{"peer","user"}]}';
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
