import { Cluster, Redis } from 'ioredis';
import type { RedisPlace } from '../../util/redisUrl.js';

/** Milliseconds between attempts to connect, and that one may take. */
const againMs = 250;
const connectMs = 2000;

/** Opens connections that come back by themselves. What is asked while there is none fails at once: whoever asks has something better to do than to wait. */
export function connectRedis({ kind, tls, hosts, username, password, db, master }: RedisPlace): Redis | Cluster {
  const login = { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }), ...(tls ? { tls: {} } : {}) };
  const common = { ...login, connectTimeout: connectMs, enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, retryStrategy: () => againMs, lazyConnect: true };
  if (kind === 'cluster') return new Cluster([...hosts], { redisOptions: common, enableOfflineQueue: false, clusterRetryStrategy: () => againMs, slotsRefreshTimeout: connectMs, lazyConnect: true });
  if (kind === 'sentinel') return new Redis({ ...common, db, sentinels: [...hosts], name: master, sentinelRetryStrategy: () => againMs });
  const [first] = hosts;
  return new Redis({ ...common, db, ...(first === undefined ? {} : first) });
}
