/** How long a peer that is out may take to show a sign of life when a call is sent to it all the same, milliseconds. */
const patience = 4000;

/**
 * A call that goes to a peer that is out must not ring for 32 s at nobody's (RFC 3261 §17.1.1.2, timer B). Its 100 does not reach us, so that a
 * sign of life is an 18x, or an answer to the OPTIONS that it was asked with.
 * @returns `lasts` resolves when there was none in time; `close` gives up waiting
 */
export function silenceOf(silent: () => boolean, hasRung: () => boolean): { readonly lasts: Promise<'silent'>; close(): void } {
  let timer: NodeJS.Timeout | undefined;
  const lasts = new Promise<'silent'>((resolve) => {
    timer = setTimeout(() => {
      if (silent() && !hasRung()) resolve('silent');
    }, patience);
  });
  return { lasts, close: () => clearTimeout(timer) };
}
