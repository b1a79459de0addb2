import type { CallRecord, TransferRecord } from './record.js';

/** The leg that something happened on: Meta's, with the WhatsApp user behind it, or a peer's. */
type Leg = { readonly leg: 'meta' } | { readonly leg: 'peer'; readonly peer: string; readonly peerUser: string | null };

/** What can be seen to happen to a call, each as it happens: `created` first, `ended` last, both once. */
export type Happening =
  /** Who calls whom is known. */
  | { readonly type: 'created' }
  | { readonly type: 'ringing' | 'answered' } & Leg
  /** The user waits for whoever has the call, and does not any more. */
  | { readonly type: 'held' | 'resumed'; readonly by: 'peer' | 'api' }
  | { readonly type: 'transferred' | 'transferFailed'; readonly transfer: TransferRecord }
  /** A digit of the WhatsApp user's. */
  | { readonly type: 'dtmf'; readonly digit: string; readonly durationMs: number }
  | { readonly type: 'ended'; readonly record: CallRecord };
