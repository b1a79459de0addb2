// What the page asks of the service, and hears from it.

export class Refused extends Error {
  /** @param {number} status */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** JSON of a path below this page. @throws Refused, or what fetch throws where nobody answers */
export async function get(path) {
  const response = await fetch(path, { headers: { Accept: 'application/json' }, cache: 'no-store' });
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Refused(response.status, body?.error?.message ?? body?.error ?? `HTTP ${response.status}`);
}

/** Shows a token and gets a cookie; null, or why not. */
export async function signIn(token) {
  const response = await fetch('session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }) });
  return response.ok ? null : (await response.json().catch(() => null))?.error ?? `HTTP ${response.status}`;
}

export async function signOut() {
  await fetch('session', { method: 'DELETE' });
}

const againMs = 2000;

/**
 * The events of the service, for as long as the page is seen.
 * @param {{ types: string[], event: (event: object) => void, state: (up: boolean) => void, refused: () => Promise<void> }} told
 *   `state`: connected, or not any more; `refused`: the service answers, but not so, as when a token is gone
 */
export function listen({ types, event, state, refused }) {
  let source = null;
  let timer = null;
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    if (document.hidden) return;
    source = new EventSource('v1/events');
    source.onopen = () => state(true);
    source.onerror = () => {
      state(false);
      // A browser comes back by itself, but not where it was refused.
      if (source?.readyState !== EventSource.CLOSED) return;
      void refused().catch(() => undefined);
      timer = setTimeout(open, againMs);
    };
    for (const type of types) {
      source.addEventListener(type, ({ data }) => event(JSON.parse(data)));
    }
  };
  // A browser has six connections to one service: pages that nobody sees keep none.
  const seen = () => {
    if (document.hidden) close();
    else open();
  };
  document.addEventListener('visibilitychange', seen);
  open();
  return () => {
    document.removeEventListener('visibilitychange', seen);
    close();
  };
}

/** Does `task` when asked: never twice at once, and with a pause that grows with how long it takes. */
export function refresher(task, least = 300) {
  let [running, wanted, closed] = [false, false, false];
  let timer = null;
  let free = 0;
  const run = async () => {
    timer = null;
    running = true;
    wanted = false;
    const began = performance.now();
    try {
      await task();
    } finally {
      const now = performance.now();
      free = now + Math.max(least, 4 * (now - began));
      running = false;
      if (wanted) ask();
    }
  };
  const ask = () => {
    if (closed) return;
    wanted = true;
    if (!running) timer ??= setTimeout(run, Math.max(0, free - performance.now()));
  };
  return {
    ask,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
