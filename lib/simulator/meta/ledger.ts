// What Meta's SIP side asks of its other side, where numbers are set up and users permit calls: one ledger for both.
import type { MetaNumber } from './admission.js';
import type { Refusal } from './refusals.js';

/** A call as both sides know it. */
export interface LedgerCall {
  /** wacid. */
  readonly id: string;
  /** Business number with '+'. */
  readonly number: string;
  /** "+44…" or a BSUID. */
  readonly user: string;
  readonly direction: 'BUSINESS_INITIATED' | 'USER_INITIATED';
}

/** How a call ended. */
export interface LedgerEnd {
  /** Final status of the INVITE; 0: none came. */
  readonly status: number;
  /** Milliseconds that it was up; null: it was not connected. */
  readonly connectedMs: number | null;
}

export interface CallLedger {
  /** A number as it is set up, undefined when it is not there, or not for SIP. */
  number(number: string): Promise<MetaNumber | undefined>;
  /** Why a business-initiated call is refused; undefined: it may go on. */
  judge(number: string, user: string): Promise<Refusal | undefined>;
  begun(call: LedgerCall): Promise<void>;
  ended(call: LedgerCall, end: LedgerEnd): Promise<void>;
}

/** What a dialog shows of itself to `follow`. */
interface Followed {
  once(event: 'ended', listener: () => void): unknown;
  report(): { readonly status: number; readonly durationMs: number };
}

/** Tells the ledger when a call begins and how it ends, in this order. Rejects when the ledger cannot be told. */
export async function follow(ledger: CallLedger, known: LedgerCall, call: Followed): Promise<void> {
  const ended = new Promise<LedgerEnd>((resolve) => {
    call.once('ended', () => {
      const { status, durationMs } = call.report();
      resolve({ status, connectedMs: status === 200 ? durationMs : null });
    });
  });
  await ledger.begun(known);
  await ledger.ended(known, await ended);
}
