import type { CallMediaStats } from '../media/types.js';
import type { Termination } from './termination.js';
import type { TryRecord } from './hunt/tries.js';

export type Direction = 'user-initiated' | 'business-initiated';

/** The user was given from one peer user to another, or was to be. */
export interface TransferRecord {
  readonly kind: 'blind' | 'attended' | 'pickup';
  /** Name of the peer that asked for it. */
  readonly by: string;
  /** user@peer; null when policy refused it. */
  readonly to: string | null;
  /** 200, or why it failed. */
  readonly status: number;
}

/** One line of the CDR: one for every attempt, refused ones too. Times are ISO 8601 or milliseconds. */
export interface CallRecord {
  readonly id: string;
  readonly time: string;
  readonly direction: Direction;
  /** Business number, E.164 with '+'; null when the request named none of ours. */
  readonly number: string | null;
  /** WhatsApp user, masked unless the configuration says otherwise. */
  readonly user: string | null;
  readonly wacid: string | null;
  readonly callIds: { readonly meta: string | null; readonly peer: string | null };
  readonly route: string | null;
  readonly peer: string | null;
  /** Business-initiated: the user who called, of a peer whose users register. */
  readonly account: string | null;
  readonly target: string | null;
  /** The policy rule that let the call go on, or stopped it. */
  readonly rule: string | null;
  readonly payload: string | null;
  readonly country: string | null;
  readonly termination: Termination;
  /** Targets that the call was offered to, or that were passed over, in their order. */
  readonly tries: readonly TryRecord[];
  /** From the INVITE to our final answer towards the caller, a refusal too. */
  readonly setupMs: number | null;
  /** From the answer to the end. */
  readonly durationMs: number | null;
  /** Seconds, as Meta's BYE says. */
  readonly metaDuration: number | null;
  /** In their order, refused and failed ones too. */
  readonly transfers: readonly TransferRecord[];
  readonly media: CallMediaStats | null;
}
