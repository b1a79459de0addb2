// One request to the Graph API: time-outs, what may be repeated, what Meta wants to be left alone with.
import { setTimeout as pause } from 'node:timers/promises';
import { failureOf, GraphError, silent, type GraphFailure } from './error.js';
import { parseJson } from './json.js';

/** Bytes of an answer; Meta's are a few thousand. */
const maxAnswerBytes = 2_000_000;
/** Attempts in all, where a repeat is safe. */
const attempts = 3;
/** Milliseconds before the second attempt; the third waits twice as long. */
const firstPause = 200;
/** Milliseconds for which nothing more is asked after Meta said "too often", where it names no time itself. */
const restAfterRate = 1000;

/** What rests when the whole app, or the whole account, has asked too often: errors 4 and 80007. */
const everything = '';
const appWide: ReadonlySet<number> = new Set([4, 80007]);

export interface TransportOptions {
  /** As in graph.url: "https://graph.facebook.com". */
  readonly url: string;
  /** "v25.0". */
  readonly version: string;
  readonly token: string;
  /** Milliseconds that never step back; for tests. */
  readonly now?: () => number;
}

/** One thing that is asked. */
export interface Ask {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the version: "100000000000001/settings". */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON, or a form with files. */
  readonly body?: unknown;
  /** In words, for errors. */
  readonly what: string;
  /** Asking twice does nothing more than asking once. Else it is repeated only where no connection was made. */
  readonly repeatable: boolean;
  /** A call waits for it: "too often" is not waited out. */
  readonly hurried?: boolean;
  /** Milliseconds for one attempt, and for all of them with the pauses in between. */
  readonly attemptMs: number;
  readonly wholeMs: number;
  /** Never shown in an error, beside the token. */
  readonly secrets?: readonly string[];
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #now: () => number;
  /** Path → until when it is left alone. */
  readonly #resting = new Map<string, number>();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Where requests go, without the token. */
  get url(): string {
    return `${this.#options.url.replace(/\/+$/, '')}/${this.#options.version}`;
  }

  /**
   * The answer's JSON.
   * @throws GraphError
   */
  async ask(ask: Ask): Promise<unknown> {
    const end = this.#now() + ask.wholeMs;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#once(ask, end - this.#now());
      if (!('fault' in outcome)) return outcome.body;
      const left = end - this.#now();
      const wait = Math.max(firstPause * attempt * (1 + Math.random() / 4), outcome.retryAfter ?? 0);
      if (attempt === attempts || !mayRepeat(outcome, ask) || wait >= left) throw new GraphError(ask.what, outcome);
      await pause(wait);
    }
  }

  async #once(ask: Ask, leftMs: number): Promise<{ readonly body: unknown } | GraphFailure> {
    const rest = Math.max(this.#resting.get(ask.path) ?? 0, this.#resting.get(everything) ?? 0) - this.#now();
    if (rest > 0) return { ...silent('nonsense', 'asked too often; Meta is left alone for a moment'), fault: 'rate', todo: 'try again in a moment', retryAfter: Math.ceil(rest) };
    const outcome = await this.#send(ask, Math.max(1, Math.min(ask.attemptMs, leftMs)));
    if ('fault' in outcome && outcome.fault === 'rate') this.#rest(appWide.has(outcome.metaCode ?? 0) ? everything : ask.path, outcome.retryAfter ?? restAfterRate);
    return outcome;
  }

  #rest(path: string, ms: number): void {
    const now = this.#now();
    for (const [other, until] of this.#resting) if (until <= now) this.#resting.delete(other);
    this.#resting.set(path, now + ms);
  }

  async #send({ method, path, query, body, secrets = [] }: Ask, timeout: number): Promise<{ readonly body: unknown } | GraphFailure> {
    const { token } = this.#options;
    const url = new URL(`${this.url}/${path}`);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    let status: number | null = null;
    try {
      const response = await fetch(url, {
        method, redirect: 'error', signal: AbortSignal.timeout(Math.ceil(timeout)),
        headers: { authorization: `Bearer ${token}`, accept: 'application/json', ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
      });
      ({ status } = response);
      const bytes = await readBody(response, maxAnswerBytes);
      return bytes === null ? silent('nonsense', 'the answer is too long', status) : judge(response, bytes.toString('utf8'), [token, ...secrets]);
    } catch (error) {
      return noAnswer(error, timeout, status);
    }
  }
}

function judge(response: Response, words: string, secrets: readonly string[]): { readonly body: unknown } | GraphFailure {
  const { status } = response;
  let body: unknown;
  try {
    body = parseJson(words);
  } catch {
    // Nothing of it is shown: it may be the half of an answer with a password in it.
    const kind = /^\s*</.test(words) ? 'a web page' : 'no JSON';
    return status >= 500 ? { ...silent('nonsense', `trouble of Meta's: ${kind}`, status), fault: 'temporary' } : silent('nonsense', `the answer is ${kind}`, status);
  }
  const failure = failureOf(body, status, retryAfterOf(response), secrets);
  return failure ?? (response.ok ? { body } : silent('nonsense', 'the answer makes no sense', status));
}

/** Seconds in Retry-After (RFC 9110 §10.2.3), or minutes in Meta's own header, as milliseconds; at most a day. */
function retryAfterOf({ headers }: Response): number | null {
  const seconds = /^\d{1,6}$/.exec(headers.get('retry-after') ?? '')?.[0];
  const [, minutes] = /"estimated_time_to_regain_access":\s*(\d{1,5})/.exec(headers.get('x-business-use-case-usage') ?? '') ?? [];
  const ms = seconds !== undefined ? Number(seconds) * 1000 : minutes !== undefined && minutes !== '0' ? Number(minutes) * 60_000 : null;
  return ms === null ? null : Math.min(ms, 86_400_000);
}

function mayRepeat({ fault }: GraphFailure, { repeatable, hurried = false }: Ask): boolean {
  if (fault === 'unreachable') return true;
  return repeatable && (fault === 'late' || fault === 'temporary' || fault === 'nonsense' || (fault === 'rate' && !hurried));
}

/** Errors of a connection that never was (Node.js, undici). */
const unconnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT']);

function noAnswer(error: unknown, timeout: number, status: number | null): GraphFailure {
  const { name, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError' || name === 'AbortError') return silent('late', `no answer within ${timeoutText(timeout)}`, status);
  const code = cause?.code ?? '';
  if (unconnected.has(code)) return silent('unreachable', `no connection (${code})`);
  // A certificate that does not fit ends the handshake before anything is sent (RFC 8446 §4.4.2).
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code)) return silent('unreachable', `no TLS (${code})`);
  if (/redirect/.test(cause?.message ?? '')) return silent('nonsense', 'it sends us to another address', status);
  return silent('late', `the connection broke${code === '' ? '' : ` (${code})`}`, status);
}

function timeoutText(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 1000)} s`;
}

/** The body of a response, null when it is longer than `most` bytes. */
export async function readBody(response: Response, most: number): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    const bytes = Buffer.from(part as Uint8Array);
    size += bytes.length;
    if (size > most) return null;
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}
