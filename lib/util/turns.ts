/** How long work may keep the event loop before everything else gets its turn, in milliseconds. */
const TURN_MS = 2;

/**
 * For long work in the main thread: what it gives is called every now and then, at least every millisecond or so of work, and is awaited where it
 * gives a promise, as the turn is over then.
 */
export function turns(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < TURN_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now();
        resolve();
      });
    });
  };
}
