import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** What is indexed of a record. Everything in a line may be somebody else's doing: what is not as it should be is null, or the line is none. */
export interface RecordFacts {
  /** UUID as 16 octets. */
  readonly id: Uint8Array;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly businessInitiated: boolean;
  readonly number: string | null;
  readonly peer: string | null;
  /** `by reason`, as "user hangup". */
  readonly reason: string;
  /** ISO 3166, as Meta said, or of the user's number. */
  readonly country: string | null;
  /** What the user is found by: the name in full where the record has it, else the keyed hash, else the mask. */
  readonly who: string | null;
  /** Milliseconds from the answer to the end; null: not answered. */
  readonly durationMs: number | null;
  readonly setupMs: number;
  /** Six-second pulses that Meta charges for: those of answered business-initiated calls. */
  readonly pulses: number;
}

/** Meta charges every started pulse of six seconds (docs/meta-graph.md, g6b). */
const pulseMs = 6000;
/** From 2020 to 2100: what says otherwise is no record of ours. */
const earliest = Date.UTC(2020, 0, 1);
const latest = Date.UTC(2100, 0, 1);
/** A call of more than a month is none. */
const longestMs = 31 * 24 * 3600 * 1000;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads a line of a CDR file; null: it is no record. What stands before a record, as half a line that a crash has left, is passed over. */
export function readLine(given: string): { readonly facts: RecordFacts; readonly json: string } | null {
  const line = given.trim();
  const whole = parsed(line);
  if (whole !== null) return { facts: whole, json: line };
  const start = line.lastIndexOf('{"id":"');
  if (start <= 0) return null;
  const json = line.slice(start);
  const facts = parsed(json);
  return facts === null ? null : { facts, json };
}

function parsed(json: string): RecordFacts | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  return isObject(value) ? factsOf(value) : null;
}

function factsOf(record: Readonly<Record<string, unknown>>): RecordFacts | null {
  const { id, direction } = record;
  const time = typeof record['time'] === 'string' && record['time'].length <= 40 ? Date.parse(record['time']) : NaN;
  const termination = isObject(record['termination']) ? record['termination'] : {};
  const by = short(termination['by'], 16);
  const reason = short(termination['reason'], 64);
  if (typeof id !== 'string' || !uuid.test(id) || !(time >= earliest && time < latest) || by === null || reason === null) return null;
  if (direction !== 'user-initiated' && direction !== 'business-initiated') return null;
  const user = short(record['user'], 160);
  const businessInitiated = direction === 'business-initiated';
  const durationMs = span(record['durationMs']);
  return {
    id: Buffer.from(id.replaceAll('-', ''), 'hex'), time, businessInitiated,
    number: matching(record['number'], /^\+[1-9][0-9]{6,14}$/), peer: short(record['peer'], 64), reason: `${by} ${reason}`,
    country: matching(record['country'], /^[A-Z]{2}$/) ?? (user === null ? null : countryOf(user)),
    who: user === null || !user.includes('*') ? user : matching(record['userKey'], /^[0-9a-f]{32}$/) ?? user,
    durationMs, setupMs: span(record['setupMs']) ?? 0,
    pulses: businessInitiated && durationMs !== null ? pulsesOf(durationMs, record['metaDuration']) : 0,
  };
}

/** Meta's own figure, in seconds, goes before ours. */
function pulsesOf(durationMs: number, metaDuration: unknown): number {
  const ms = typeof metaDuration === 'number' && metaDuration >= 0 && metaDuration * 1000 <= longestMs ? metaDuration * 1000 : durationMs;
  return Math.ceil(ms / pulseMs);
}

const seen = new Map<string, string | null>();

/** The country of a user, masked ones too: the country's code, and the area of North America, stand before the mask. */
export function countryOf(user: string): string | null {
  const bsuid = /^([A-Z]{2})\./.exec(user)?.[1];
  if (bsuid !== undefined) return bsuid;
  const digits = /^\+([1-9][0-9]{0,14})/.exec(user)?.[1];
  if (digits === undefined) return null;
  // Four digits are what a mask shows, and enough; what is known of them is kept, at most 10,000 entries.
  const begin = digits.slice(0, 4);
  const known = seen.get(begin);
  if (known !== undefined) return known;
  const found = guess(begin);
  seen.set(begin, found);
  return found;
}

/** Countries that share a code, with the one that has the code's name first. */
const shared: Readonly<Record<string, string>> = { 1: 'US', 7: 'RU', 39: 'IT', 44: 'GB', 47: 'NO', 61: 'AU', 212: 'MA', 262: 'RE', 290: 'SH', 358: 'FI', 590: 'GP', 599: 'CW' };

function guess(digits: string): string | null {
  // An area of North America belongs to a country; numbers of 555 01xx are nobody's.
  if (digits.startsWith('1') && digits.length === 4) return parsePhoneNumberFromString(`+${digits}2345678`)?.country ?? 'US';
  if (/^7[67]/.test(digits)) return 'KZ';
  for (const length of [1, 2, 3]) {
    const code = digits.slice(0, length);
    const country = code.length < length ? undefined : shared[code] ?? getCountries().find((one) => getCountryCallingCode(one) === code);
    if (country !== undefined) return country;
  }
  return null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function short(value: unknown, longest: number): string | null {
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : null;
}

function matching(value: unknown, pattern: RegExp): string | null {
  return typeof value === 'string' && value.length <= 64 && pattern.test(value) ? value : null;
}

function span(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= longestMs ? Math.round(value) : null;
}
