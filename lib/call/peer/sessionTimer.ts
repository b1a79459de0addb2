import type { SipHeaders, SipMessageView } from '../../sip/drachtio.js';
import { MIN_SE, parseSessionExpires, supports } from '../../sip/headers.js';

/** What a peer's INVITE or UPDATE means for the session timer: headers for our 2xx, or the headers of a 422. */
export type TimerAnswer = { readonly tooSmall: false; readonly headers: SipHeaders } | { readonly tooSmall: true; readonly headers: SipHeaders };

/**
 * Headers of our INVITE to a peer that ask for a session timer (RFC 4028 §7.1); 0: none is asked for, but one is understood.
 * @param challenges the peer may challenge us: it is asked to refresh the session itself, since it is the SIP server that would send our
 *   refreshes, and it has no credentials
 */
export function askForTimer(seconds: number, challenges: boolean): SipHeaders {
  if (seconds === 0) return {};
  return { 'Session-Expires': `${Math.max(seconds, MIN_SE)}${challenges ? ';refresher=uas' : ''}`, 'Min-SE': String(MIN_SE) };
}

/**
 * What both sides of a peer's dialog have agreed on about refreshing the session (RFC 4028). The SIP server keeps the time, sends the
 * refreshes and ends the dialog; what it is told here are the headers that say who does it.
 */
export class SessionTimer {
  /** Whether we refresh; null while there is no timer. */
  #ours: boolean | null = null;
  #seconds = 0;

  /** A 2xx of the peer's to our INVITE (RFC 4028 §7.2): without a refresher it is us. */
  agreed(response: SipMessageView | undefined): void {
    const timer = parseSessionExpires(response?.get('Session-Expires'));
    this.#seconds = timer?.seconds ?? 0;
    this.#ours = timer === undefined ? null : timer.refresher !== 'uas';
  }

  /** Of a re-INVITE of ours, which would end the timer without them (RFC 4028 §7.4). */
  get headers(): SipHeaders {
    return this.#ours === null ? {} : { 'Session-Expires': `${this.#seconds};refresher=${this.#ours ? 'uac' : 'uas'}`, 'Min-SE': String(MIN_SE) };
  }

  /** What stands now: the function puts it back, for a request that is refused after all (RFC 3261 §14.2). */
  mark(): () => void {
    const [ours, seconds] = [this.#ours, this.#seconds];
    return () => { [this.#ours, this.#seconds] = [ours, seconds]; };
  }

  /** Takes a peer's INVITE, re-INVITE or UPDATE. */
  take(request: SipMessageView): TimerAnswer {
    const asked = parseSessionExpires(request.get('Session-Expires'));
    const understands = supports(request, 'timer');
    if (asked === undefined) {
      // RFC 4028 §9: without Session-Expires in the 2xx the timer is off; where we refresh it goes on instead, since the peer waits for us.
      if (this.#ours !== true) {
        this.#ours = null;
        return { tooSmall: false, headers: {} };
      }
      return { tooSmall: false, headers: { 'Session-Expires': `${this.#seconds};refresher=uas` } };
    }
    // RFC 4028 §9: only a caller that understands timers can make something of a 422.
    if (asked.tooShort && understands) return { tooSmall: true, headers: { 'Min-SE': String(MIN_SE) } };
    this.#seconds = asked.seconds;
    // RFC 4028 §9, table 2: the caller's choice stands, and what was agreed before; a caller without timers cannot be asked to refresh.
    const refresher = understands || asked.refresher !== undefined ? asked.refresher ?? (this.#ours === true ? 'uas' : 'uac') : 'uas';
    this.#ours = refresher === 'uas';
    return {
      tooSmall: false,
      headers: { 'Session-Expires': `${this.#seconds};refresher=${refresher}`, ...(refresher === 'uac' ? { Require: 'timer' } : {}) },
    };
  }
}
