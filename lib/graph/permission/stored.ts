import { isRecord } from '../json.js';
import { nothingKnown, type Pair } from './pair.js';

/** What a line of the state file says of a pair; nothing where any of it is damaged: Meta is asked then. */
export function readPair(text: string): Pair {
  try {
    const read: unknown = JSON.parse(text);
    const pair: unknown = isRecord(read) ? { ...nothingKnown, ...read } : null;
    return isPair(pair) ? pair : nothingKnown;
  } catch {
    return nothingKnown;
  }
}

type Check = (value: unknown) => boolean;

/** A time that a Date can have (ECMA-262 §21.4.1.1). */
const isTime: Check = (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15;
const isCount: Check = (value) => Number.isSafeInteger(value);
const isText: Check = (value) => typeof value === 'string';
const one = (...words: readonly unknown[]): Check => (value) => words.includes(value);
const orNull = (check: Check): Check => (value) => value === null || check(value);
const listOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const shape = (checks: Readonly<Record<string, Check>>): Check => (value) => isRecord(value) && Object.entries(checks).every(([key, check]) => check(value[key]));

const checks: Readonly<Record<keyof Pair, Check>> = {
  permission: orNull(shape({
    status: one('none', 'temporary', 'permanent', 'unknown'), until: orNull(isTime), by: one('user', 'automatic', 'asked', 'refusal', 'untaken'), at: isTime, heard: isTime,
  })),
  requests: listOf(isTime), requestLimits: orNull(shape({ day: isCount, week: isCount })), asked: orNull(shape({ id: orNull(isText), at: isTime })),
  untaken: isCount, open: orNull(isTime), openBy: orNull(isText), calls: orNull(shape({ max: orNull(isCount), left: isCount, at: isTime })), ids: listOf(isText),
};

function isPair(value: unknown): value is Pair {
  return shape(checks)(value);
}
