import type { Test } from 'tap';

/** A clock that tests move on: Date.now() and performance.now() of this process, for everything that is started after it. Timers keep their own time. */
export interface MovedClock {
  /** Milliseconds since 1970, by the moved clock. */
  now(): number;
  advance(ms: number): void;
}

export function movedClock(t: Test): MovedClock {
  const { now } = Date;
  const sinceStart = performance.now.bind(performance);
  let ahead = 0;
  Date.now = () => now() + ahead;
  performance.now = () => sinceStart() + ahead;
  t.teardown(() => {
    Date.now = now;
    performance.now = sinceStart;
  });
  return { now: () => Date.now(), advance: (ms) => { ahead += ms; } };
}
