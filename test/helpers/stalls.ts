import { Worker } from 'node:worker_threads';

const STEP_MS = 5;
/** More than that is not forgiven: nothing could be judged. */
const MOST_MS = 200;
/** What a machine with nothing else to do is late by, at most. */
const USUAL_MS = 20;

/**
 * How long this machine kept a thread of ordinary priority waiting: what a test may not blame on the service. The service's media threads
 * and engines run before ordinary ones, so they wait no longer than this one does.
 */
export interface Stalls {
  /** The longest, since it began or since the last clear(), in milliseconds. */
  readonly worstMs: number;
  clear(): void;
  /** A bound of `ms` on a quiet machine, in milliseconds: a packet crosses two processes on its way. */
  bound(ms: number): number;
  /** How many 20 ms packets may have come too late for their place. */
  packets(): number;
  stop(): Promise<void>;
}

export function watchStalls(): Stalls {
  const shared = new Float64Array(new SharedArrayBuffer(8));
  const worker = new Worker(`
    const { workerData: worst } = require('node:worker_threads');
    try { require('node:os').setPriority(0, 0); } catch {}
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      worst[0] = Math.max(worst[0], now - last - ${STEP_MS});
      last = now;
    }, ${STEP_MS});`, { eval: true, workerData: shared, execArgv: [] });
  worker.unref();
  const excess = (): number => 2 * Math.max(0, Math.min(MOST_MS, shared[0]!) - USUAL_MS);
  return {
    get worstMs() { return shared[0]!; },
    clear() { shared[0] = 0; },
    bound(ms) { return ms + excess(); },
    packets() { return Math.ceil(excess() / 20); },
    async stop() { await worker.terminate(); },
  };
}
