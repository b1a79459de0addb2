/** A digit as a SIP INFO carries it. */
export interface InfoDigit {
  readonly digit: string;
  /** Milliseconds. */
  readonly duration: number;
}

const defaultDuration = 160;

/**
 * Reads the body of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") or application/dtmf (the digit alone).
 * Both are conventions of the field without an RFC. Numbers 10 and 11 stand for '*' and '#' as in telephone-event (RFC 4733 §3.2).
 * @returns null when the type or the digit is none of these
 */
export function readInfoDigit(contentType: string, body: string): InfoDigit | null {
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  if (type === 'application/dtmf') return toDigit(body.trim(), defaultDuration);
  if (type !== 'application/dtmf-relay') return null;
  const signal = /^\s*Signal\s*=\s*(\S+)/im.exec(body);
  const duration = /^\s*Duration\s*=\s*(\d{1,5})/im.exec(body);
  return signal === null ? null : toDigit(signal[1]!, duration === null ? defaultDuration : Number(duration[1]));
}

/** The same as application/dtmf-relay. */
export function writeInfoDigit({ digit, duration }: InfoDigit): { contentType: string; body: string } {
  return { contentType: 'application/dtmf-relay', body: `Signal=${digit}\r\nDuration=${Math.round(duration)}\r\n` };
}

function toDigit(signal: string, duration: number): InfoDigit | null {
  const named: Record<string, string> = { 10: '*', 11: '#', 12: 'A', 13: 'B', 14: 'C', 15: 'D' };
  const digit = (named[signal] ?? signal).toUpperCase();
  if (!/^[0-9*#A-D]$/.test(digit)) return null;
  return { digit, duration: Math.min(Math.max(duration, 40), 8000) };
}
