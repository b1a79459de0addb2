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
  /** `manner` null: calls like this are not recorded. */
  of(bridge: Bridge, manner: RecordManner | null): RecordControl;
}

const off: Ordered = { done: false, status: 409, code: 'recording.off', text: 'calls like this are not recorded: recording, and record of the route or the peer, are not in the configuration' };

/** Where nothing is recorded. */
export const unrecorded: RecordControl = { state: 'off', up: () => undefined, order: () => off, peerDigit: () => undefined };
