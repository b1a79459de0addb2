import type { RecordAction, RecordState } from './recording.js';

/** What became of an order. */
export type Ordered =
  | { readonly done: true }
  /** `status`: of HTTP; `code`: a rule of policy, or one of docs/reference/api.md. */
  | { readonly done: false; readonly status: number; readonly code: string; readonly text: string };

/** What may be ordered of a call whose user talks with a peer, by somebody who is in none of its dialogs. Nothing of it reaches Meta but media. */
export interface CallControl {
  /** Who the user talks with; null: nobody yet. */
  readonly party: { readonly peer: string; readonly user: string } | null;
  /** It was put on hold by an order. */
  readonly held: boolean;
  /** The user hears music, and the peer nothing. May be called twice. */
  hold(): Ordered;
  unhold(): Ordered;
  /** Gives the user to somebody else, as a REFER of the peer that has the call would: with its rights. Done: the target will ring. */
  transfer(peer: string, user: string): Ordered;
  /** Plays a file to the user until its end, or without end: in place of whatever else they would hear. */
  play(file: string, loop: boolean): Ordered;
  /** Stops that. */
  stop(): Ordered;
  /** Begins, pauses, goes on with and ends the recording, where calls like this are recorded. */
  record(action: RecordAction): Ordered;
  readonly recording: RecordState;
  /** Digits, one after the other, each of 160 ms. */
  digits(digits: string, side: 'peer' | 'user'): Ordered;
}
