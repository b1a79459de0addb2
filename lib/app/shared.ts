import { randomBytes } from 'node:crypto';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import { sharedKeys } from '../call/sharedPlaces.js';
import { SharedLimits } from '../state/shared/limits.js';
import { after } from '../util/after.js';
import { deferred } from '../util/deferred.js';
import { withTimeout } from '../util/withTimeout.js';
import { readRedisUrl, shownPlace } from '../util/redisUrl.js';
import { nodeName } from './nodeName.js';
import { SharedNews } from './sharedNews.js';
import type { RedisConnection } from '../state/shared/connect.js';
import type { StatePart } from '../state/index.js';
import type { Logger } from '../observe/logger.js';
import type { RedisPlace } from '../util/redisUrl.js';
import type { Start } from './start.js';
import type { Undo } from './undo.js';

/**
 * Milliseconds: a lease without renewal; between renewals; between attempts while Redis is gone; for which nodes are waited for when it
 * has lost its memory, and those that nobody has seen yet; for an answer.
 */
const leaseMs = 5000;
const renewMs = 1000;
const againMs = 250;
const settleMs = 3000;
const lingerMs = 1000;
const patienceMs = 500;
/** How long the start waits for Redis; and for a connection to it. */
const startMs = 5000;
const connectMs = 1000;
const dayMs = 86_400_000;

/** What nodes share by Redis. */
export interface SharedState {
  readonly limits: SharedLimits;
  /** This node, and this process among all that there ever were. */
  readonly node: string;
  readonly instance: string;
  /** Of Redis, for people; without its password. */
  readonly place: string;
}

/**
 * Joins the nodes that share a Redis, and what they remember together (`parts`); null where there is this one alone, which loads nothing of it. One that is not
 * reached does not stop the start: calls wait for it.
 * @throws WabError STATE_UNUSABLE with what Redis says to the password, or its version
 */
export async function openShared({ config, log, undo }: Start, rules: () => Config, parts: readonly StatePart[]): Promise<SharedState | null> {
  const redisPlace = readRedisUrl(config.state.url);
  if (redisPlace === null) return null;
  const part = log.child({ part: 'state' });
  const place = shownPlace(redisPlace);
  const [{ connectRedis }, { RedisStore }, { judgeRedis }] = await Promise.all([import('../state/shared/connect.js'), import('../state/shared/redisStore.js'), import('../state/shared/judge.js')]);
  const found = await judgeRedis(redisPlace);
  if (found.kind === 'unusable') throw new WabError('STATE_UNUSABLE', `${place}: ${found.why}`);
  const redis = connectRedis(redisPlace);
  const node = nodeName(config.node);
  const news = new SharedNews({ log: part, place, node, gone: config.state.gone, nodes: () => limits.nodes, now: () => performance.now() });
  redis.on('error', (error: Error) => {
    news.failed(error);
    part.debug({ err: error.message }, 'the connection to Redis has failed');
  });
  redis.on('ready', () => news.connected());
  // What is asked of a connection that is being made fails.
  await withTimeout(redis.connect().catch(() => undefined), connectMs, () => undefined);
  const instance = randomBytes(5).toString('hex');
  const up = deferred<void>();
  const limits = new SharedLimits({
    store: new RedisStore({ redis, instance, lease: leaseMs, settle: settleMs, linger: lingerMs, patience: patienceMs }),
    name: node, instance, gone: config.state.gone, lease: leaseMs,
    now: () => performance.now(), watched: () => watchedOf(rules()),
    onState: (state, why) => {
      if (state === 'up') up.resolve();
      news.tell(state, why);
    },
    onTwin: (name) => part.error({ node: name }, `another process is node ${name}, too: give each its own node.name; this one goes on under another name`),
  });
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  const beat = async (): Promise<void> => {
    await limits.beat();
    if (!closed) timer = after(limits.state === 'up' ? renewMs : againMs, () => void beat());
  };
  undo.push(async () => {
    closed = true;
    if (timer !== null) clearTimeout(timer);
    await limits.leave();
    redis.disconnect();
  });
  void beat();
  await withTimeout(up.promise, startMs, () => undefined);
  await openRecords({ redisPlace, redis, parts, log: part, undo });
  return { limits, node, instance, place };
}

/** What the nodes remember together, followed on a connection of its own. */
async function openRecords({ redisPlace, redis, parts, log, undo }: {
  readonly redisPlace: RedisPlace; readonly redis: RedisConnection; readonly parts: readonly StatePart[]; readonly log: Logger; readonly undo: Undo;
}): Promise<void> {
  const [{ connectRedis }, { RedisRecords }, { SharedRecords }] = await Promise.all([
    import('../state/shared/connect.js'), import('../state/shared/redisRecords.js'), import('../state/shared/records.js'),
  ]);
  const waiting = connectRedis(redisPlace);
  waiting.on('error', (error: Error) => log.debug({ err: error.message }, 'the connection to Redis by which changes are heard has failed'));
  const records = new SharedRecords({ store: new RedisRecords(redis, waiting, patienceMs), parts, log, again: againMs });
  waiting.on('ready', () => records.reconnected());
  void waiting.connect().catch(() => undefined);
  undo.push(async () => {
    waiting.disconnect();
    await records.close();
  });
  await records.open();
}

/** What /metrics and the API show of all nodes, and what a node must know of the others to go on alone. */
function watchedOf({ numbers, peers }: Config): { readonly places: readonly string[]; readonly events: readonly { readonly key: string; readonly window: number }[] } {
  return {
    places: [...Object.keys(numbers).map(sharedKeys.number), ...Object.keys(peers).map(sharedKeys.peer)],
    events: Object.keys(numbers).map((number) => ({ key: sharedKeys.newCalls(number), window: dayMs })),
  };
}
