/** Whether a peer is there, from what its OPTIONS and calls say. Pure. */

export interface HealthRules {
  readonly outAfter: number;
  readonly backAfter: number;
}

export interface PeerHealth {
  /** 'unknown' until the first answer or failure; a peer that is out gets only the calls that nobody else takes. */
  readonly state: 'unknown' | 'up' | 'out';
  /** When it came into this state, milliseconds. */
  readonly since: number;
  /** In a row. */
  readonly failures: number;
  readonly answers: number;
  /** The last failure; null when the last thing heard was an answer. */
  readonly reason: string | null;
}

/** An answer (`failure` null) or why there was none. */
export interface Observation {
  readonly failure: string | null;
}

export function unheard(now: number): PeerHealth {
  return { state: 'unknown', since: now, failures: 0, answers: 0, reason: null };
}

/** Out after `outAfter` failures in a row, back after `backAfter` answers in a row. */
export function observe(health: PeerHealth, { failure }: Observation, rules: HealthRules, now: number): PeerHealth {
  if (failure !== null) {
    const failures = health.failures + 1;
    const out = health.state !== 'out' && failures >= rules.outAfter;
    return { state: out ? 'out' : health.state, since: out ? now : health.since, failures, answers: 0, reason: failure };
  }
  const answers = health.answers + 1;
  const up = health.state === 'unknown' || (health.state === 'out' && answers >= rules.backAfter);
  return { state: up ? 'up' : health.state, since: up ? now : health.since, failures: 0, answers, reason: null };
}

/** A peer that restarts is back within so many milliseconds. */
const restartTime = 60_000;

/** True while a peer has not been out for long: it is asked often, as it may only be starting again. */
export function restless({ state, since }: PeerHealth, now: number): boolean {
  return state === 'out' && now - since < restartTime;
}

/** True while the next observation may change the state: it is made sooner then. */
export function undecided({ state, failures, answers }: PeerHealth): boolean {
  return state === 'out' ? answers > 0 : failures > 0;
}
