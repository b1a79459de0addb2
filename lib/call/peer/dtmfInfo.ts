/** A digit as a SIP INFO carries it. */
export interface InfoDigit {
  readonly digit: string;
  /** Milliseconds. */
  readonly duration: number;
}

const defaultDuration = 160;

/** Characters of a body; two short lines need no more. */
export const longestInfo = 256;

/**
 * Reads the body of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") or application/dtmf (the digit alone).
 * Both are conventions of the field without an RFC. Numbers 10 and 11 stand for '*' and '#' as in telephone-event (RFC 4733 §3.2).
 * @returns null when the type or the digit is none of these, or the body is longer than any such
 */
export function readInfoDigit(contentType: string, body: string): InfoDigit | null {
  if (body.length > longestInfo) return null;
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (type === 'application/dtmf') return toDigit(body.trim(), defaultDuration);
  if (type !== 'application/dtmf-relay') return null;
  const values = new Map<string, string>();
  for (const line of body.split(/\r\n|\r|\n/)) {
    const equals = line.indexOf('=');
    const name = line.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (!values.has(name)) values.set(name, line.slice(equals + 1).trim());
  }
  const signal = values.get('signal')?.split(/\s/, 1)[0];
  const duration = /^\d{1,5}/.exec(values.get('duration') ?? '')?.[0];
  return signal === undefined ? null : toDigit(signal, duration === undefined ? defaultDuration : Number(duration));
}

/** The same as application/dtmf-relay. */
export function writeInfoDigit({ digit, duration }: InfoDigit): { contentType: string; body: string } {
  return { contentType: 'application/dtmf-relay', body: `Signal=${digit}\r\nDuration=${Math.round(duration)}\r\n` };
}

const named: ReadonlyMap<string, string> = new Map([['10', '*'], ['11', '#'], ['12', 'A'], ['13', 'B'], ['14', 'C'], ['15', 'D']]);

function toDigit(signal: string, duration: number): InfoDigit | null {
  const digit = (named.get(signal) ?? signal).toUpperCase();
  if (!/^[0-9*#A-D]$/.test(digit)) return null;
  return { digit, duration: Math.min(Math.max(duration, 40), 8000) };
}
