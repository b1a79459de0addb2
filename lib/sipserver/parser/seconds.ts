// Times that other parties choose (RFC 3261 §25.1 delta-seconds, RFC 4028), read so that they can become timers.
import { paramOf } from './params.js';
import { toNumber, trimBlanks } from './text.js';

/** delta-seconds; undefined for anything else. */
export function toSeconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : toNumber(trimBlanks(text), 9_999_999_999);
}

/** RFC 4028 §4: the smallest interval anybody may ask for, in seconds. */
export const MIN_SE = 90;

/** A day: a call that nobody asks after for longer is none. The RFC has no largest interval. */
const LONGEST_SESSION = 86_400;

/** `Session-Expires: 1800;refresher=uas`. */
export interface SessionExpires {
  /** As it counts: 90 to 86,400. */
  seconds: number;
  /** It was less than anybody may ask for (RFC 4028 §4). */
  tooShort: boolean;
  refresher: 'uac' | 'uas' | undefined;
}

/** Reads a Session-Expires value; undefined when there is none or it is malformed. */
export function parseSessionExpires(value: string | undefined): SessionExpires | undefined {
  if (value === undefined) return undefined;
  const semi = value.indexOf(';');
  const seconds = toSeconds(semi < 0 ? value : value.slice(0, semi));
  if (seconds === undefined) return undefined;
  const refresher = semi < 0 ? undefined : paramOf(value.slice(semi), 'refresher')?.toLowerCase();
  return { seconds: interval(seconds), tooShort: seconds < MIN_SE, refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined };
}

/** Reads a Min-SE value, clamped likewise; parameters are left out of account (RFC 4028 §5 has generic ones). */
export function parseMinSE(value: string | undefined): number | undefined {
  const seconds = toSeconds(value?.split(';', 1)[0]);
  return seconds === undefined ? undefined : interval(seconds);
}

function interval(seconds: number): number {
  return Math.min(Math.max(seconds, MIN_SE), LONGEST_SESSION);
}
