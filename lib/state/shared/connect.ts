import { Cluster, Redis } from 'ioredis';
import type { RedisPlace } from '../../util/redisUrl.js';

/**
 * Milliseconds between attempts to connect; that one may take; after which a connection that owes an answer is taken for dead: the kernel would
 * wait a quarter of an hour for a host without power.
 */
const againMs = 250;
const connectMs = 2000;
const silentMs = 2000;

export type RedisConnection = Redis | Cluster;

/**
 * Opens connections that come back by themselves. What is asked while there is none fails at once: whoever asks has something better to do than to
 * wait. Nothing is asked a second time by itself: it may have been done. With TLS each server is verified, Sentinels too; they are asked without a password.
 */
export function connectRedis({ kind, tls, hosts, username, password, db, master }: RedisPlace): RedisConnection {
  const login = { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }), ...(tls ? { tls: {} } : {}) };
  const common = {
    ...login, connectTimeout: connectMs, socketTimeout: silentMs,
    enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, retryStrategy: () => againMs, lazyConnect: true,
    // A primary that became a replica keeps its clients: another connection may lead to the new one.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  };
  if (kind === 'cluster') {
    return new Cluster([...hosts], {
      redisOptions: common, enableOfflineQueue: false, clusterRetryStrategy: () => againMs, retryDelayOnFailover: 0, retryDelayOnClusterDown: 0, slotsRefreshTimeout: connectMs, lazyConnect: true,
    });
  }
  if (kind === 'sentinel') {
    return new Redis({ ...common, db, sentinels: [...hosts], name: master, sentinelRetryStrategy: () => againMs, ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}) });
  }
  const [first] = hosts;
  return new Redis({ ...common, db, ...(first === undefined ? {} : first) });
}
