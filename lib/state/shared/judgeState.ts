import { bad, fine, missing, poor, type Judgement } from '../../config/judgement.js';
import type { Config } from '../../config/types.js';
import { readRedisUrl, shownPlace } from '../../util/redisUrl.js';

/** The Redis of `state.url`; nothing where there is none, and nothing of it is loaded then. */
export async function judgeState({ state }: Pick<Config, 'state'>): Promise<readonly Judgement[]> {
  const place = readRedisUrl(state.url);
  if (place === null) return [];
  const { judgeRedis } = await import('./judge.js');
  const found = await judgeRedis(place);
  const [key, shown] = ['state.url', shownPlace(place)];
  switch (found.kind) {
    case 'good': return [fine(key, `${shown} answers, version ${found.version}`)];
    case 'unusable': return [bad(key, `${shown}: ${found.why}`, 'the service does not start: correct user and password in state.url, or take a newer Redis')];
    case 'away': return [missing(key, `${shown} is not reached: ${found.why}`, 'no call is taken before it is: start it, or let this machine in')];
    case 'poor': return [poor(key, `${shown}: ${found.why}`, 'set maxmemory-policy noeviction')];
  }
}
