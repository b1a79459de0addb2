import { after } from './after.js';
import { patience } from './patience.js';

/**
 * What the work comes to, or after `ms` milliseconds what `late` gives or throws. The timer ends with the wait. What the work comes to later
 * is dropped, a rejection too.
 */
export function withTimeout<T, L>(work: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  return first(work, late, (end) => {
    const timer = after(ms, end);
    return () => clearTimeout(timer);
  });
}

/** The same for an answer of a far end: a stall of our own does not count against it (see patience()). */
export function withPatience<T, L>(work: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  return first(work, late, (end) => patience(ms, end));
}

async function first<T, L>(work: Promise<T>, late: () => L, wait: (end: () => void) => () => void): Promise<T | L> {
  let stop: () => void = () => undefined;
  const waited = new Promise<typeof LATE>((resolve) => { stop = wait(() => resolve(LATE)); });
  try {
    const outcome = await Promise.race([work, waited]);
    return outcome === LATE ? late() : outcome;
  } finally {
    stop();
  }
}

const LATE = Symbol('late');
