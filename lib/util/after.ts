/** What a timer of Node.js can wait at most, in milliseconds; it takes anything longer, and NaN, for 1 ms. */
const LONGEST_WAIT = 0x7fffffff;

/**
 * setTimeout for a time that is computed, or that somebody else has chosen: what is longer than a timer can wait is the longest there is, about
 * 24 days, and so is what is no number; what is negative is now.
 */
export function after(ms: number, action: () => void): NodeJS.Timeout {
  return setTimeout(action, Number.isNaN(ms) ? LONGEST_WAIT : Math.min(Math.max(ms, 0), LONGEST_WAIT));
}
