import type { AgentRate, PeerConfig, RouteConfig } from '../../config/types.js';
import type { AgentPlace } from './messages.js';

type Tee = NonNullable<RouteConfig['tee']>;

/** Where an agent is, and the header fields by which it knows us; those of the configuration stand over `told`. */
export function placeOf({ dialect, sampleRate, headers, auth, tls }: PeerConfig, url: string, told: Readonly<Record<string, string>>): AgentPlace {
  const basic: Record<string, string> = auth.username === null ? {} : { Authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password ?? ''}`, 'utf8').toString('base64')}` };
  return { url, dialect, sampleRate, tls, headers: { ...told, ...basic, ...withoutGaps(headers) } };
}

/** The same of who only listens. */
export function placeOfTee({ websocket, dialect, sampleRate, headers, tls }: Tee): AgentPlace {
  const rate: AgentRate = sampleRate ?? (dialect === 'twilio' ? 8000 : 16_000);
  return { url: websocket, dialect, sampleRate: rate, tls, headers: withoutGaps(headers) };
}

function withoutGaps(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
