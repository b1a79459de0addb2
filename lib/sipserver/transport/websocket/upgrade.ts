// The opening of a WebSocket (RFC 6455 §4.2) with the subprotocol "sip" (RFC 7118 §4).
import { createHash } from 'node:crypto';

/** Bytes of the head of a request; a browser's is below 1 kB without the cookies of its site. */
export const LONGEST_HEAD = 8192;

/**
 * Origins of the pages whose scripts may connect, as browsers write them ("https://crm.example.net"), "*" for any; null: pages of the host that
 * they connect to, at any port. Programs that are no browsers send none and are let in: anybody could write one.
 */
export type Origins = readonly string[] | null;

export interface Judged {
  readonly accepted: boolean;
  /** What is answered. */
  readonly response: string;
  /** The Origin that is not among those allowed; null: that is not why. */
  readonly foreign: string | null;
}

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Header fields of which one is wanted at most: with several nobody could say which one counts. */
const SINGLE = ['host', 'origin', 'sec-websocket-key', 'sec-websocket-version', 'content-length'] as const;

const REASONS: Readonly<Record<number, string>> = { 400: 'Bad Request', 403: 'Forbidden', 405: 'Method Not Allowed', 426: 'Upgrade Required', 505: 'HTTP Version Not Supported' };

/** The answer to the head of a request, without the empty line that ends it. */
export function judgeUpgrade(head: string, origins: Origins): Judged {
  const [start = '', ...lines] = head.split('\r\n');
  const [, method, version] = /^([A-Za-z]{1,20}) [\x21-\x7e]{1,4096} HTTP\/(\d\.\d)$/.exec(start) ?? [];
  if (method === undefined) return refuse(400, 'this is no HTTP request');
  if (version !== '1.1') return refuse(505, 'HTTP/1.1 is spoken here');
  const fields = readFields(lines);
  if (fields === null || SINGLE.some((name) => (fields.get(name)?.length ?? 0) > 1)) return refuse(400, 'the header cannot be read');
  const only = (name: (typeof SINGLE)[number]): string | undefined => fields.get(name)?.[0];
  if (method !== 'GET') return refuse(405, 'only GET', { Allow: 'GET' });
  const host = only('host');
  if (host === undefined || hostOf(`http://${host}`) === null) return refuse(400, 'Host is missing');
  if (!tokens(fields, 'upgrade').includes('websocket') || !tokens(fields, 'connection').includes('upgrade')) {
    return refuse(426, 'SIP over WebSocket (RFC 7118) is spoken here', { Upgrade: 'websocket' });
  }
  if (only('sec-websocket-version') !== '13') return refuse(426, 'version 13 is spoken here', { 'Sec-WebSocket-Version': '13' });
  const [key = '', origin] = [only('sec-websocket-key'), only('origin')];
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key) || bringsBody(fields)) return refuse(400, 'this opens no WebSocket');
  if (origin !== undefined && !allows(origins, origin, host)) return { ...refuse(403, 'pages of this origin may not connect'), foreign: origin };
  if (!tokens(fields, 'sec-websocket-protocol').includes('sip')) return refuse(400, 'the subprotocol must be sip (RFC 7118)');
  const accept = createHash('sha1').update(key + GUID).digest('base64');
  const response = answer('101 Switching Protocols', { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': accept, 'Sec-WebSocket-Protocol': 'sip' }, '');
  return { accepted: true, response, foreign: null };
}

/** Field values by name in lower case; null where a line is none (RFC 9112 §5). */
function readFields(lines: readonly string[]): Map<string, string[]> | null {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined) return null;
    const key = name.toLowerCase();
    fields.set(key, [...fields.get(key) ?? [], value.trim()]);
  }
  return fields;
}

function bringsBody(fields: ReadonlyMap<string, readonly string[]>): boolean {
  return fields.has('transfer-encoding') || (fields.get('content-length') ?? ['0']).some((length) => length !== '0');
}

/** The elements of a list, in lower case. */
function tokens(fields: ReadonlyMap<string, readonly string[]>, name: string): string[] {
  return (fields.get(name) ?? []).join(',').split(',').map((token) => token.trim().toLowerCase());
}

function allows(origins: Origins, origin: string, host: string): boolean {
  if (origins === null) return hostOf(origin) !== null && hostOf(origin) === hostOf(`http://${host}`);
  return origins.some((one) => one === '*' || one.toLowerCase() === origin.toLowerCase());
}

/** The host of a URL that has nothing but scheme, host and port; null for anything else, "null" of a sandboxed page among them. */
function hostOf(url: string): string | null {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(url) || !URL.canParse(url)) return null;
  return new URL(url).hostname;
}

function refuse(status: number, why: string, fields: Readonly<Record<string, string>> = {}): Judged {
  const body = `${why}\n`;
  const all = { ...fields, Connection: status === 426 && 'Upgrade' in fields ? 'Upgrade, close' : 'close', 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': String(body.length) };
  return { accepted: false, response: answer(`${status} ${REASONS[status] ?? ''}`, all, body), foreign: null };
}

function answer(status: string, fields: Readonly<Record<string, string>>, body: string): string {
  return [`HTTP/1.1 ${status}`, ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
}
