import type { Static, TSchema } from '@sinclair/typebox';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Redis, Cluster } from 'ioredis';
import { withPatience } from '../../util/withTimeout.js';
import { script } from './script.js';
import type { Change, NodeId, Registered, Registration, Renewal, Renewed, SharedStore, TakeReply, Want } from './store.js';

/** All keys stand in one slot of a cluster. */
export const prefix = '{wab}';

const names = Type.Array(Type.String());
const counts = Type.Record(Type.String(), Type.Number());
const registered = Type.Object({ twin: Type.Boolean(), nodes: names, run: Type.String() });
const renewed = Type.Union([
  Type.Object({ kind: Type.Literal('lapsed') }),
  Type.Object({ kind: Type.Literal('renewed'), nodes: names, epochs: names, settling: Type.Boolean(), places: counts, events: counts }),
]);
const taken = Type.Union([
  Type.Object({ kind: Type.Union([Type.Literal('lapsed'), Type.Literal('settling'), Type.Literal('taken')]) }),
  Type.Object({ kind: Type.Literal('refused'), index: Type.Integer(), freeAt: Type.Union([Type.Number(), Type.Literal(false)]) }),
]);
const adjusted = Type.Object({ holds: Type.Boolean() });

export interface RedisStoreOptions {
  readonly redis: Redis | Cluster;
  readonly instance: string;
  /** Milliseconds: of a lease without renewal; for which nodes are waited for when the server has lost its memory; for an answer. */
  readonly lease: number;
  readonly settle: number;
  /** For nodes that nobody has seen yet. */
  readonly linger: number;
  readonly patience: number;
}

/** What nodes share, in Redis: one script that does everything (script.ts). */
export class RedisStore implements SharedStore {
  readonly #options: RedisStoreOptions;
  #sha: string | null = null;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
  }

  register({ node, previous, ...rest }: Registration): Promise<Registered> {
    const { instance, lease, settle, linger } = this.#options;
    return this.#run('register', { ...node, ...(previous === null ? {} : { previous }), instance, lease, settle, linger, ...rest }, registered);
  }

  renew({ node, places, events }: Renewal): Promise<Renewed> {
    return this.#run('renew', { ...node, lease: this.#options.lease, places, events }, renewed);
  }

  async take(node: NodeId, member: string, wants: readonly Want[]): Promise<TakeReply> {
    const asked = wants.map(({ keys, limit, window }) => ({ keys, limit: Number.isFinite(limit) ? limit : -1, ...(window === null ? {} : { window }) }));
    const reply = await this.#run('take', { ...node, member, wants: asked }, taken);
    return reply.kind === 'refused' ? { ...reply, freeAt: reply.freeAt === false ? null : reply.freeAt } : { kind: reply.kind };
  }

  async adjust(node: NodeId, change: Change): Promise<boolean> {
    return (await this.#run('adjust', { ...node, lease: this.#options.lease, ...change }, adjusted)).holds;
  }

  async leave(node: NodeId): Promise<void> {
    await this.#run('leave', node, Type.Object({}));
  }

  async #run<T extends TSchema>(op: string, args: object, answer: T): Promise<Static<T>> {
    const { patience } = this.#options;
    const text = await withPatience(this.#send(op, JSON.stringify(args)), patience, () => { throw new Error(`no answer within ${patience} ms`); });
    const reply: unknown = JSON.parse(String(text));
    if (!Value.Check(answer, reply)) throw new Error(`an answer that cannot be read: ${String(text).slice(0, 100)}`);
    return reply;
  }

  /** By its hash, which the server knows after the first time, until it has lost its memory. */
  async #send(op: string, args: string): Promise<unknown> {
    const { redis } = this.#options;
    if (this.#sha === null) this.#sha = String(await redis.script('LOAD', script));
    try {
      return await redis.evalsha(this.#sha, 1, prefix, op, args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(script, 1, prefix, op, args);
    }
  }
}
