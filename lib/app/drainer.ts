import type { Drain, DrainTimes } from '../call/drain.js';
import type { Config } from '../config/types.js';
import type { DrainView } from '../http/api/schemas.js';
import type { Drainer } from '../http/api/sources.js';
import type { State } from './state.js';

/** As the configuration has them. */
export function drainTimes({ limits: { drainDelay, drain } }: Config): DrainTimes {
  return { delay: drainDelay, seconds: drain };
}

/** The drain as the API steers it. `stop` ends the process; null: it cannot be ended so. */
export function drainerOf(state: State, drain: Drain, stop: (() => void) | null): Drainer {
  const status = (): DrainView => {
    const { state: where, calls, since, endsAt } = drain.status();
    return { state: where, calls, since: isoOf(since), endsAt: isoOf(endsAt) };
  };
  return {
    status,
    begin: ({ delay, seconds, exit }) => {
      const times = drainTimes(state.rules.config);
      drain.begin({ delay: delay ?? times.delay, seconds: seconds ?? times.seconds }, exit && stop !== null ? stop : undefined);
      return status();
    },
    callOff: () => (drain.callOff() ? status() : null),
  };
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
