import type { Send } from './outbox.js';

/** Milliseconds that one try may take. */
const attemptMs = 10_000;
/** What a receiver answers that may change its mind: not yet let in, not there yet, too late, too often (RFC 9110 §15.5). */
const passing: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429]);

/** POSTs records, one JSON text a line, to a URL. Any 2xx takes them; a 4xx that says they will never do gives them up. */
export function httpSender(url: string, authorization: string | null): Send {
  return async (records, signal) => {
    const response = await fetch(url, {
      method: 'POST', body: `${records.join('\n')}\n`, redirect: 'manual', signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]),
      headers: { 'content-type': 'application/x-ndjson', 'user-agent': 'wa-b2bua', ...(authorization === null ? {} : { authorization }) },
    }).catch((error: Error) => (error.name === 'TimeoutError' ? `no answer within ${attemptMs / 1000} s` : (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message));
    if (typeof response === 'string') return response;
    await response.body?.cancel();
    if (response.ok) return null;
    const why = `it answers ${response.status}`;
    return response.status >= 400 && response.status < 500 && !passing.has(response.status) ? { refused: why } : why;
  };
}
