// drachtio's CDR events: attempt, start and stop of each call, to the client whose turn it is.
import type { SipMessage } from '../parser/index.js';
import type { Sessions } from './sessions.js';
import { timeOfDay } from './wire.js';

export type CdrSource = 'network' | 'application';
export type CdrRole = 'uac' | 'uas' | 'proxy-uac' | 'proxy-uas';
export type CdrReason = 'call-rejected' | 'call-canceled' | 'normal-release' | 'session-expired' | 'system-initiated-termination'
  | 'system-error-initiated-termination';

export class Cdr {
  constructor(private readonly sessions: Sessions) {}

  attempt(source: CdrSource, message: SipMessage): void {
    this.post('cdr:attempt', source, undefined, message);
  }

  start(source: CdrSource, role: CdrRole, message: SipMessage): void {
    this.post('cdr:start', source, role, message);
  }

  stop(source: CdrSource, reason: CdrReason, message: SipMessage): void {
    this.post('cdr:stop', source, reason, message);
  }

  private post(event: string, source: CdrSource, detail: string | undefined, message: SipMessage): void {
    const session = this.sessions.pick(event);
    if (session === undefined) return;
    session.send(`${event}|${source}|${timeOfDay(Date.now())}${detail === undefined ? '' : `|${detail}`}`, message);
  }
}
