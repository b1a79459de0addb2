import type { TraceEntry } from '../observe/trace.js';
import { headerValue } from '../observe/trace.js';
import { parseNameAddr, parseUri, portOf, splitHeaderValues } from './uri.js';
import { bytesOf } from '../util/bytes.js';
import { hostPort } from '../util/hostPort.js';

/**
 * Reads the SIP message out of a message of drachtio-server's client protocol, for the ladder of a call; null when it carries none.
 * A message received is "<id>|sip|network|bytes|transport|address|port|…", one of ours comes back as
 * "<id>|response|<id>|OK|application|bytes|transport|address|port|…"; the SIP text follows the first line. What the server sends
 * by itself (100, retransmissions, the ACK to a refusal) it does not tell.
 */
export function readTrace(text: string, time: number): TraceEntry | null {
  const end = text.indexOf('\r\n');
  if (end === -1) return null;
  const tokens = text.slice(0, end).split('|');
  const message = text.slice(end + 2);
  if (tokens[1] === 'sip') {
    const [, , source, , transport = '', address, port] = tokens;
    const direction = source === 'network' ? 'in' : 'out';
    return { time, direction, transport, local: '', remote: `${address}:${port}`, text: bytesOf(message) };
  }
  if (tokens[1] !== 'response' || tokens[3] !== 'OK' || tokens[4] !== 'application') return null;
  const [transport = '', address, port] = tokens.slice(6, 9);
  // Of a request of ours the server tells its own address, not where it went.
  const sentTo = message.startsWith('SIP/2.0 ') ? `${address}:${port}` : nextHop(message);
  return { time, direction: 'out', transport, local: '', remote: sentTo, text: bytesOf(message) };
}

/** RFC 3261 §8.1.2: the topmost Route, else the Request-URI. */
function nextHop(request: string): string {
  const route = parseNameAddr(splitHeaderValues(headerValue(request, 'route', 'route') ?? '')[0] ?? '')?.uri;
  const target = route ?? parseUri(request.split(' ', 2)[1] ?? '');
  return target ? hostPort(target.host, portOf(target)) : '';
}
