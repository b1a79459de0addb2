import type { Bridge } from './bridge.js';
import type { Ordered } from './control.js';

/** How calls of a route, or of a peer, are recorded. */
export interface RecordManner {
  /** Sound file that says so, which both hear first; null: it is said elsewhere. */
  readonly announce: string | null;
  /** answer: each from its beginning; order: only where the API says so. */
  readonly on: 'answer' | 'order';
  /** Key of the peer's telephone by which a recording pauses and goes on; null: none. */
  readonly pauseKey: string | null;
}

/** As a telephone event (RFC 4733), or by INFO. */
export type DigitBy = 'event' | 'info';

export type RecordAction = 'start' | 'pause' | 'resume' | 'stop';
/** announcing: it begins once that has been heard. */
export type RecordState = 'off' | 'announcing' | 'on' | 'paused';

/** A recording of a call, as its record has it. */
export interface RecordedFile {
  /** Below recording.directory. */
  readonly file: string;
  /** Null: it was not closed when the record was written. */
  readonly seconds: number | null;
  /** Of the file, hexadecimal; null as `seconds`, or where it could not be written whole. */
  readonly sha256: string | null;
}

/** The recording of one call. Nothing of it throws, and nothing waits for it. */
export interface RecordControl {
  readonly state: RecordState;
  /** The user talks with a peer, if both are there: begins, where calls are recorded from the answer on. May be called often. */
  up(): void;
  order(action: RecordAction): Ordered;
  /** A digit of the peer's. */
  peerDigit(digit: string, by: DigitBy): void;
}

/** Who records calls. */
export interface CallRecordings {
  /** `manner` null: calls like this are not recorded, and neither is this one. */
  of(bridge: Bridge, manner: RecordManner | null): RecordControl | null;
}

/** The same by a recorder of somebody else's. */
export interface SiprecManner extends RecordManner {
  /** Name of one of siprec. */
  readonly recorder: string;
}

/** Has calls recorded by recorders of others. */
export interface CallRecorders {
  of(bridge: Bridge, manner: SiprecManner | null): RecordControl | null;
}

/** A recording session (RFC 7866), or a try of one, as the call's record has it. */
export interface SiprecRecord {
  /** Name of one of siprec. */
  readonly recorder: string;
  /** user@peer. */
  readonly to: string;
  /** Null: no INVITE was sent. */
  readonly callId: string | null;
  /** How long it lasted; null: it did not begin, or the process died. */
  readonly seconds: number | null;
  /** Why it did not begin, ended before it was to, or had one of the two streams alone; null: none of these. */
  readonly why: string | null;
}

const off: Ordered = { done: false, status: 409, code: 'recording.off', text: 'calls like this are not recorded: neither record (with recording) nor siprec of the route or the peer is in the configuration' };

const unrecorded: RecordControl = { state: 'off', up: () => undefined, order: () => off, peerDigit: () => undefined };

/** The most telling first: of what is paused somewhere, nothing is told. */
const states: readonly RecordState[] = ['paused', 'on', 'announcing'];

/**
 * All who record one call as one: what is ordered is ordered of each of them. `keepPrivate` is told when a pause of any begins, and when there is none any
 * more: it is one of the call, whoever records it or does not meanwhile.
 */
export function together(all: readonly (RecordControl | null)[], keepPrivate: (on: boolean) => void): RecordControl {
  const controls = all.filter((control) => control !== null);
  if (controls.length === 0) return unrecorded;
  let paused = false;
  const state = (): RecordState => states.find((one) => controls.some((control) => control.state === one)) ?? 'off';
  const told = <T>(result: T): T => {
    const before = paused;
    paused = state() === 'paused';
    if (paused !== before) keepPrivate(paused);
    return result;
  };
  return {
    get state() { return state(); },
    up: () => { for (const control of controls) control.up(); },
    order: (action) => {
      const [first, ...rest] = controls.map((control) => control.order(action));
      return told(rest.find(({ done }) => done) ?? first ?? off);
    },
    peerDigit: (digit, by) => {
      for (const control of controls) control.peerDigit(digit, by);
      told(undefined);
    },
  };
}
