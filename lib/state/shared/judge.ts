import type { RedisPlace } from '../../util/redisUrl.js';
import { withPatience } from '../../util/withTimeout.js';
import { connectRedis } from './connect.js';

/** The script wants sorted sets, hashes and INFO in scripts as they are since then. */
const oldest = [6, 2] as const;
const patienceMs = 3000;

/** unusable: it is there, and does not serve us; away: it is not reached; poor: it serves, and may forget. */
export type RedisJudgement = { readonly kind: 'good'; readonly version: string } | { readonly kind: 'unusable' | 'away' | 'poor'; readonly why: string };

/** Looks at a Redis: whether it is there, lets us in, is new enough and keeps what it is given. Never rejects. */
export async function judgeRedis(place: RedisPlace): Promise<RedisJudgement> {
  const redis = connectRedis(place);
  let last = 'no answer';
  redis.on('error', (error: Error) => { last = error.message; });
  try {
    await withPatience(redis.connect(), patienceMs, () => { throw new Error(last); });
    const info = await withPatience(redis.info(), patienceMs, () => { throw new Error('no answer'); });
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? '0';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) return { kind: 'unusable', why: `version ${version} is too old: ${oldest.join('.')} is wanted` };
    // Any node of a cluster may answer this. A replica may be the primary in a moment: no reason to end a start.
    if (place.kind !== 'cluster' && /^role:slave/m.test(info)) return { kind: 'away', why: 'a replica answers, which takes no writes: name the primary, or its Sentinels (redis+sentinel://)' };
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
    const bounded = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0) > 0;
    return bounded && policy !== 'noeviction' ? { kind: 'poor', why: `maxmemory-policy is ${policy}: it throws counts away when memory is short; noeviction is wanted` } : { kind: 'good', version };
  } catch (error) {
    const why = error instanceof Error && !/closed/i.test(error.message) ? error.message : last;
    return { kind: /WRONGPASS|NOAUTH|NOPERM|invalid.*password|without any password/i.test(`${why} ${last}`) ? 'unusable' : 'away', why };
  } finally {
    redis.disconnect();
  }
}
