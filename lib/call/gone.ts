import { WabError } from '../errors.js';

/** Whether an error says that there is nobody to end a leg with: the SIP server, or the dialog there, has gone. */
export function isGone(error: unknown): boolean {
  if (error instanceof WabError) return error.verdict.reason === 'sipLost';
  const code = (error as { code?: unknown }).code;
  return code === 'ENODIALOG' || code === 'EDRACHTIO' || code === 'ESOCKETDESTROYED';
}
