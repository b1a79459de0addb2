// What a call at the PBX user was like, once it is over.
import type { MediaReport } from '../media/endpoint.js';
import type { Direction } from '../sip/sdp.js';

export interface PeerCallReport {
  direction: 'in' | 'out';
  /** True when it was answered, sounded, and the far end broke nothing. */
  ok: boolean;
  status: number;
  reason: string;
  callId: string;
  from: string;
  to: string;
  /** Headers of the INVITE that came in (or of the 2xx, for a call of ours) whose name begins with X-, by lower-case name. */
  headers: Record<string, string>;
  /** The whole INVITE that came in (or the final response to ours). */
  message: string;
  endedBy: 'peer' | 'far' | 'nobody';
  /** Reason header of the far end's BYE or CANCEL. */
  endReason: string | undefined;
  codec: string | undefined;
  media: MediaReport | undefined;
  toneHeard: boolean;
  /** Digits out of RTP and out of INFO. */
  digits: string;
  infoDigits: string;
  /** Sipfrag status lines of NOTIFYs about a transfer. */
  notified: string[];
  theirDirections: Direction[];
  faults: string[];
  requests: string[];
}

/** Headers of a message whose name begins with X-, by lower-case name. */
export function ownHeaders(message: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const line of message.split('\r\n')) {
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    if (name.startsWith('x-')) out[name] = line.slice(colon + 1).trim();
  }
  return out;
}
