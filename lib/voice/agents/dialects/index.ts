import { JambonzDialect } from './jambonz.js';
import { RawDialect } from './raw.js';
import { TwilioDialect } from './twilio.js';
import type { AgentCall, AgentRate, Dialect, DialectName } from './types.js';

/** How one conversation is written and read. */
export function dialectOf(name: DialectName, call: AgentCall, rate: AgentRate): Dialect {
  if (name === 'twilio') return new TwilioDialect(call);
  return name === 'jambonz' ? new JambonzDialect(call, rate) : new RawDialect(call, rate);
}

/** The subprotocol that is asked for (RFC 6455 §1.9), which the far end must choose. */
export function subprotocolOf(name: DialectName): string | null {
  return name === 'jambonz' ? JambonzDialect.protocol : null;
}
