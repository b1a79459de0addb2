import type { PermissionRecord } from '../graph/permission/gate.js';
import type { CallMediaStats } from '../media/types.js';
import type { RecordedFile, SiprecRecord } from './recording.js';
import type { Termination } from './termination.js';
import type { TryRecord } from './hunt/tries.js';

export type Direction = 'user-initiated' | 'business-initiated';

/** The user was given from one peer user to another, or was to be. */
export interface TransferRecord {
  /** failover: the voice agent that had the call was lost. */
  readonly kind: 'blind' | 'attended' | 'pickup' | 'ordered' | 'failover';
  /** Name of the peer that asked for it, or whose voice agent was lost; of one ordered by the API: api. */
  readonly by: string;
  /** user@peer; null when policy refused it, or nobody took it. */
  readonly to: string | null;
  /** 200, or why it failed. */
  readonly status: number;
}

/** A user was asked by a menu. */
export interface MenuStep {
  readonly menu: string;
  /** Null: none was pressed in time. */
  readonly key: string | null;
}

/** The user has waited in a queue. */
export interface QueueRecord {
  readonly queue: string;
  readonly waitMs: number;
  readonly left: 'answered' | 'hungUp' | 'key' | 'late' | 'full' | 'callBack';
}

/** The user has come to a voicemail. */
export interface VoicemailRecord {
  readonly box: string;
  /** Null: no message was left, or it could not be written. */
  readonly file: string | null;
  /** Null: the process died while it was recorded. */
  readonly seconds: number | null;
}

/** What the record tells of the course of a user's call before somebody took it. */
export interface VoiceFacts {
  closed: string | null;
  readonly menu: MenuStep[];
  readonly queue: QueueRecord[];
  voicemail: VoicemailRecord | null;
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
  /** Keyed hash of the user's number or id: who has the key finds the user's calls by it. */
  readonly userKey: string | null;
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
  /** Business-initiated, of a number whose permissions are looked at: what was known of the user's. */
  readonly permission: PermissionRecord | null;
  /** What whoever ordered the call by the API calls it by. */
  readonly reference: string | null;
  /** Name of the hours outside which the call came; null: within them, or its route has none. */
  readonly closed: string | null;
  /** Menus that the user was asked by, in order. */
  readonly menu: readonly MenuStep[];
  /** Queues that the user has been in, in order. */
  readonly queue: readonly QueueRecord[];
  /** The message that the user has left; null: the call did not get so far. */
  readonly voicemail: VoicemailRecord | null;
  readonly termination: Termination;
  /** Targets that the call was offered to, or that were passed over, in their order. */
  readonly tries: readonly TryRecord[];
  /** From the INVITE to our final answer towards the caller, a refusal too. */
  readonly setupMs: number | null;
  /** From the answer to the end. */
  readonly durationMs: number | null;
  /** Seconds, as Meta's BYE says. */
  readonly metaDuration: number | null;
  /** In their order. */
  readonly recordings: readonly RecordedFile[];
  /** In their order. */
  readonly siprec: readonly SiprecRecord[];
  /** In their order, refused and failed ones too. */
  readonly transfers: readonly TransferRecord[];
  readonly media: CallMediaStats | null;
}
