import type { Static, TSchema } from '@sinclair/typebox';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { withPatience } from '../../util/withTimeout.js';
import type { RedisConnection } from './connect.js';
import { recordScript } from './recordScript.js';
import type { RecordStore, SharedLine, Written } from './recordStore.js';
import { prefix } from './redisStore.js';

const [records, changes] = [`${prefix}:records`, `${prefix}:changes`];
/** Milliseconds that a connection waits for a change; lines that are asked for at once. */
const waitMs = 1000;
const atOnce = 500;

const written = Type.Object({ written: Type.Boolean(), version: Type.String({ pattern: '^[0-9]{1,16}$' }), line: Type.Union([Type.String(), Type.Literal(false)]) });
const scanned = Type.Tuple([Type.String(), Type.Array(Type.String())]);
const entry = Type.Tuple([Type.String(), Type.Array(Type.String())]);
const read = Type.Union([Type.Null(), Type.Tuple([Type.Tuple([Type.String(), Type.Array(entry)])])]);

/** Lines in Redis: one hash, and a stream of its changes. `waiting`: a connection of its own, on which changes are waited for. */
export class RedisRecords implements RecordStore {
  readonly #redis: RedisConnection;
  readonly #waiting: RedisConnection;
  readonly #patience: number;
  #sha: string | null = null;

  /** `patience`: milliseconds for an answer. */
  constructor(redis: RedisConnection, waiting: RedisConnection, patience: number) {
    this.#redis = redis;
    this.#waiting = waiting;
    this.#patience = patience;
  }

  async write(key: string, base: number | null, line: string | null): Promise<Written> {
    const reply = checked(written, JSON.parse(String(await this.#run('write', { key, ...(base === null ? {} : { base }), ...(line === null ? {} : { line }) }))));
    return { written: reply.written, version: Number(reply.version), line: reply.line === false ? null : reply.line };
  }

  async restore(lines: readonly (SharedLine & { readonly line: string })[]): Promise<void> {
    await this.#run('restore', { entries: lines });
  }

  async *all(): AsyncIterable<readonly SharedLine[]> {
    let cursor = '0';
    do {
      const [next, found] = checked(scanned, await this.#answer(this.#redis.hscan(records, cursor, 'COUNT', atOnce)));
      cursor = next;
      yield found.flatMap((key, i) => {
        const line = i % 2 === 1 ? null : lineOf(found[i + 1] ?? '');
        return line === null ? [] : [{ key, ...line }];
      });
    } while (cursor !== '0');
  }

  async last(): Promise<string> {
    const [newest] = await this.#answer(this.#redis.xrevrange(changes, '+', '-', 'COUNT', 1));
    return newest?.[0] ?? '0-0';
  }

  async changes(after: string): Promise<{ readonly last: string; readonly lines: readonly SharedLine[] }> {
    const asked = this.#waiting.xread('COUNT', atOnce, 'BLOCK', waitMs, 'STREAMS', changes, after);
    const found = checked(read, await withPatience(asked, waitMs + this.#patience, () => { throw new Error('no answer'); }));
    const entries = found === null ? [] : found[0][1];
    return { last: entries.at(-1)?.[0] ?? after, lines: entries.map(([, fields]) => changeOf(fields)) };
  }

  async process(): Promise<string> {
    return /run_id:(\w+)/.exec(await this.#answer(this.#redis.info('server')))?.[1] ?? 'unknown';
  }

  /** By its hash, which the server knows after the first time, until it has lost its memory. */
  async #run(op: string, args: object): Promise<unknown> {
    return this.#answer(this.#send(op, JSON.stringify(args)));
  }

  async #send(op: string, args: string): Promise<unknown> {
    if (this.#sha === null) this.#sha = String(await this.#redis.script('LOAD', recordScript));
    try {
      return await this.#redis.evalsha(this.#sha, 1, prefix, op, args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.#redis.eval(recordScript, 1, prefix, op, args);
    }
  }

  #answer<T>(asked: Promise<T>): Promise<T> {
    return withPatience(asked, this.#patience, () => { throw new Error(`no answer within ${this.#patience} ms`); });
  }
}

function checked<T extends TSchema>(form: T, value: unknown): Static<T> {
  if (!Value.Check(form, value)) throw new Error(`an answer that cannot be read: ${JSON.stringify(value).slice(0, 100)}`);
  return value;
}

/** Null: nobody of ours has written it. */
function lineOf(text: string): { readonly version: number; readonly line: string } | null {
  const [, version, line] = /^([0-9]{1,16}) ([^]*)$/.exec(text) ?? [];
  return version === undefined || line === undefined ? null : { version: Number(version), line };
}

/** k, v and, unless it is gone, l, in this order. */
function changeOf([, key = '', , version = '0', , line]: readonly string[]): SharedLine {
  return { key, version: Number(version), line: line ?? null };
}
