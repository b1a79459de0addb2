import ipaddr from 'ipaddr.js';
import { isTypeFilter } from './eventTypes.js';
import { splitHostPort, splitListen } from '../util/hostPort.js';
import { readRedisUrl } from '../util/redisUrl.js';
import { readDays, readSpan } from './hours.js';

/** Names the type of what a check passes or a key holds; there is no such property at run time. */
export declare const holds: unique symbol;

/** Says what is wrong with a value, or null when nothing is and it is a `T`. Never repeats the value: it may be a secret. */
export interface Check<T = unknown> {
  (value: unknown): string | null;
  readonly [holds]?: T;
}

/** A string must satisfy `test`; anything else gets a sentence that says what is wanted. */
function text(wanted: string, test: (value: string) => boolean): Check<string> {
  return (value) => {
    if (typeof value === 'number') return `must be ${wanted}, written in quotes`;
    return typeof value === 'string' && test(value) ? null : `must be ${wanted}`;
  };
}

function isPort(value: string, from: number): boolean {
  return /^[0-9]{1,5}$/.test(value) && Number(value) >= from && Number(value) <= 65535;
}

function isHostName(value: string): boolean {
  return value.length <= 253 && value.split('.').every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

/** IPv4 in four decimal parts, or IPv6 without brackets and zone. */
export function isAddress(value: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(value) || (!value.includes('%') && ipaddr.IPv6.isValid(value));
}

/** Name, IPv4, or IPv6 with or without brackets. */
function isHost(value: string): boolean {
  if (value.startsWith('[')) return value.endsWith(']') && isAddress(value.slice(1, -1));
  // A name whose last label is a number is a mistyped IPv4 address (RFC 3696 §2: the top label is not all-numeric).
  return isAddress(value) || (isHostName(value) && !/(^|\.)[0-9]+$/.test(value));
}

/** True when address:port can be reached from this machine only. */
export function isLoopbackListen(value: string): boolean {
  const host = splitHostPort(value)?.host.toLowerCase() ?? '';
  return host === 'localhost' || (isAddress(host) && ipaddr.process(host).range() === 'loopback');
}

function isCidr(value: string): boolean {
  if (isAddress(value)) return true;
  const [address = '', bits = ''] = value.split('/');
  if (value.split('/').length !== 2 || !isAddress(address) || !/^[0-9]{1,3}$/.test(bits)) return false;
  return Number(bits) <= (address.includes(':') ? 128 : 32);
}

function isFqdn(value: string): boolean {
  return isHostName(value) && value.includes('.') && !/(^|\.)[0-9]+$/.test(value);
}

export const nonEmpty: Check<string> = text('text that is not empty', (v) => v.trim() !== '');

/** Part of a User-Agent value (RFC 3261 §20.41). */
export const agentPart: Check<string> = (v) => (typeof v === 'string' && /^[\x20-\x7e]{3,100}$/.test(v) ? null : 'must be 3 to 100 printable characters');
// An FQDN, as Meta answers 404 to an address in the R-URI and the certificate must name it (META-SIP.md §1 row 1, §3).
export const fqdn: Check<string> = text('a full host name such as sbc.example.net, not an address', isFqdn);
export const host: Check<string> = text('a host name or an address', isHost);
export const address: Check<string> = text('an IP address', isAddress);
export const cidr: Check<string> = text('a network such as 10.0.0.0/24, or an address', isCidr);
export const carrier: Check<string> = text('a host name, or a network such as 198.51.100.0/24', (v) => isCidr(v) || isHost(v));
export const hostPort: Check<string> = text('host:port', (v) => {
  const parts = splitHostPort(v);
  return parts !== null && parts.port !== null && isHost(parts.host);
});
export const remoteHostPort: Check<string> = text('host:port', (v) => {
  const parts = splitHostPort(v);
  return parts !== null && parts.port !== null && parts.port > 0 && isHost(parts.host);
});
/** What others are told: a host (IPv6 in brackets when a port follows), with a port when the public one differs. */
export const publicHost: Check<string> = text('a host name or an address, with :port where the public one differs', (v) => {
  const parts = splitHostPort(v);
  return isHost(v) || (parts !== null && parts.port !== null && parts.port > 0 && isHost(parts.host));
});
export const listenAddress: Check<string> = text('transport:address:port with tls, tcp, udp, wss or ws, such as udp:0.0.0.0:5060', (v) => {
  const point = splitListen(v, ['udp', 'tcp', 'tls', 'wss', 'ws']);
  return point !== null && isAddress(point.host);
});
/** Where a node is reached by the others. */
export const nodeAddress: Check<string> = text('tcp:address:port or udp:address:port', (v) => {
  const point = splitListen(v, ['tcp', 'udp']);
  return point !== null && point.port > 0 && isAddress(point.host);
});
/** A server by transport and place. */
export const hepServer: Check<string> = text('udp:host:port, tcp:host:port or tls:host:port', (v) => {
  const point = splitListen(v, ['udp', 'tcp', 'tls']);
  return point !== null && point.port > 0 && isHost(point.host);
});
export const syslogServer: Check<string> = text('udp:host:port or tcp:host:port', (v) => {
  const point = splitListen(v, ['udp', 'tcp']);
  return point !== null && point.port > 0 && isHost(point.host);
});
/** The value of an HTTP header field (RFC 9110 §5.5). */
export const headerValue: Check<string> = text('printable characters without a line end', (v) => /^[\x21-\x7e][\x20-\x7e]{0,4000}$/.test(v));
/** Threads: auto, or so many. */
export const workers: Check<number | 'auto'> = (value) => (value === 'auto' || integer(1, 64)(value) === null ? null : 'must be auto, or a whole number from 1 to 64');

/** An interface of media: local address, or local!public. */
export const mediaInterface: Check<string> = text('an address, or local!public such as 10.0.0.4!203.0.113.4', (v) => {
  const parts = v.split('!');
  return parts.length <= 2 && parts.every(isAddress);
});
export const portRange: Check<string> = text('a range of ports such as 40000-49999', (v) => {
  const match = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(v);
  // A call with media takes two ports a leg without rtcp-mux, hence room for two calls at least (INTEROP.md "rtpengine").
  return match !== null && Number(match[1]) >= 1024 && Number(match[2]) <= 65535 && Number(match[2]) - Number(match[1]) >= 7;
});
// E.164: a country code that does not start with 0, at most 15 digits (ITU-T E.164 §6).
export const e164: Check<string> = text('a number in E.164 with + such as "+447700900001"', (v) => /^\+[1-9][0-9]{6,14}$/.test(v));
export const country: Check<string> = text('an ISO 3166 country of two capital letters such as GB', (v) => /^[A-Z]{2}$/.test(v));
// Names become keys of plain objects: those every object has already (constructor, __proto__ …) are not free.
export const name: Check<string> = text('a name of letters, digits, _ . and -', (v) => /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(v) && !(v in Object.prototype));
/** A SIP user that needs no escape (RFC 3261 §25.1 user-unreserved without ';', '/' and '?', which read as parameters). */
export const sipUser: Check<string> = text('a SIP user of letters, digits and - _ . ! ~ * \' ( ) & = + $', (v) => /^[A-Za-z0-9\-_.!~*'()&=+$]{1,128}$/.test(v));
/** User of an account: on-net users are listed literally, so nothing that reads as a pattern (policy, `users`). */
export const account: Check<string> = text('a user of letters, digits, _ . and -, such as "6001"', (v) => /^\+?[A-Za-z0-9_.-]{1,64}$/.test(v) && !(v in Object.prototype));
export const peerUri: Check<string> = text('sip:host, with :port and ;transport=udp, tcp or tls where needed', (v) => {
  const match = /^sip:(\[[^\]]*\]|[^:;@?[\]]+)(?::([0-9]+))?(?:;transport=(udp|tcp|tls))?$/.exec(v);
  return match?.[1] !== undefined && isHost(match[1]) && (match[2] === undefined || isPort(match[2], 1));
});
/** RFC 8599 §14.1: a token, in lower case. */
export const pushProvider: Check<string> = text('the name of a push provider in lower case, such as apns or fcm', (v) => /^[a-z0-9][a-z0-9.-]{0,31}$/.test(v));
/** The same, by TLS. */
export const tlsUri: Check<string> = text('sip:host:port;transport=tls', (v) => /;transport=tls$/.test(v) && peerUri(v) === null);
/** A bearer token (RFC 6750 §2.1), long enough not to be guessed. */
export const bearerToken: Check<string> = text('at least 16 characters of A-Z a-z 0-9 - . _ ~ + /', (v) => /^[A-Za-z0-9\-._~+/]{16,512}=*$/.test(v));
/** A range of extensions: two numbers of the same two to six digits, without a leading 0, which is an outside line in most places. */
export const extensionRange: Check<string> = text('a range of extensions of two to six digits such as "9000-9999"', (v) => {
  const match = /^([1-9][0-9]{1,5})-([1-9][0-9]{1,5})$/.exec(v);
  return match?.[1] !== undefined && match[2] !== undefined && match[1].length === match[2].length && Number(match[1]) <= Number(match[2]);
});
/** An on-net user: a pattern or a literal, and not a pattern of another language. */
export const onNetUser: Check<string> = (value) => {
  if (typeof value !== 'string') return pattern(value);
  const meant = fromAsterisk(value);
  return meant === null ? pattern(value) : `must be a regular expression: for what Asterisk writes ${value}, write "${meant}"`;
};

/** The same users as an Asterisk pattern (an underscore, then digits, X, N and Z), as a regular expression of bounded length; null when it is none. */
function fromAsterisk(value: string): string | null {
  const [, letters, open] = /^_([0-9*#+XZN]{1,32})([.!]?)$/.exec(value) ?? [];
  if (letters === undefined || (!/[XZN]/.test(letters) && open === '')) return null;
  const sets: Readonly<Record<string, string>> = { X: '[0-9]', Z: '[1-9]', N: '[2-9]', '*': '\\*', '+': '\\+', '#': '#' };
  const parts = [...letters.matchAll(/([XZN])\1*|[^XZN]/g)].map(([run]) => `${sets[run[0] ?? ''] ?? run}${run.length > 1 ? `{${run.length}}` : ''}`);
  return `${parts.join('')}${open === '.' ? '[0-9]{1,3}' : open === '!' ? '[0-9]{0,3}' : ''}`;
}
/** A URL to send to or ask: https, or http on this machine. */
export const webAddress: Check<string> = text('a URL that begins with https://, or with http:// on loopback', (v) => {
  if (!URL.canParse(v)) return false;
  const { protocol, hostname, username, password } = new URL(v);
  return username === '' && password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopbackListen(`${hostname}:80`)));
});
/** Where a WebSocket is opened (RFC 6455 §3); a password in it would be seen in logs. */
export const socketAddress: Check<string> = text('a URL that begins with wss:// or ws://, without a user and without #', (v) => {
  if (v.length > 2000 || !/^wss?:\/\/[\x21-\x7e]+$/.test(v) || !URL.canParse(v)) return false;
  const { hostname, username, password } = new URL(v);
  return hostname !== '' && username === '' && password === '' && !v.includes('#');
});
export const sampleRate: Check<8000 | 16_000 | 24_000> = (value) => ([8000, 16_000, 24_000].some((rate) => rate === value) ? null : 'must be 8000, 16000 or 24000');
/** A header field that is ours to add to a request that opens a WebSocket: not those of the handshake itself (RFC 6455 §4.1). */
export const headerName: Check<string> = text('the name of a header field that the opening of a socket leaves free', (v) => /^[A-Za-z0-9-]{1,64}$/.test(v)
  && !/^(?:host|connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/i.test(v));
/** The same with words in braces, {name} among them. */
export const webTemplate: Check<string> = text('a URL with {name} in it that begins with https://, or with http:// on loopback', (v) => v.includes('{name}') && webAddress(v.replace(/\{(name|date|call)\}/g, 'x')) === null && !/[{}]/.test(v.replace(/\{(name|date|call)\}/g, '')));
/** A key of a telephone. */
export const dtmfKey: Check<string> = text("one key of a telephone: 0 to 9, '*' or '#'", (v) => /^[0-9*#]$/.test(v));
/** Types of events: all, those of a kind, or one. */
export const eventFilter: Check<string> = text("'*', the beginning of a type such as 'call.*', or a type such as 'call.ended'", isTypeFilter);
/** The origin of a web page as browsers write it (RFC 6454 §6.2): without a path, without the port that its scheme has anyway. */
export const origin: Check<string> = text("an origin such as https://crm.example.net, without a path, or '*'", (v) => v === '*' || (/^https?:\/\//.test(v) && URL.canParse(v) && new URL(v).origin === v));
/** A server of WebSockets, without a path. */
export const webSocketServer: Check<string> = text('wss://host:port, or ws://', (v) => /^wss?:\/\/[^/?#@\s"';,]+$/.test(v) && URL.canParse(v));
/** The path of a URL, as it stands in a request. */
export const urlPath: Check<string> = text('a path such as /meta', (v) => /^\/[A-Za-z0-9\-._~!$&\'()*+,;=:@/]{0,200}$/.test(v));
/** A time zone of the IANA list that this system knows. */
export const timezone: Check<string> = text('a time zone such as Europe/London', (v) => {
  try {
    return /^[A-Za-z]/.test(v) && new Intl.DateTimeFormat('en', { timeZone: v }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
});
export const dayRange: Check<string> = text('a day or a range of days such as fri or mon-thu', (v) => readDays(v) !== null);
export const clockSpan: Check<string> = text('a span such as "09:00-12:30"', (v) => readSpan(v) !== null);
export const date: Check<string> = text('a date such as "2026-12-25"', (v) => /^\d{4}-\d\d-\d\d$/.test(v) && new Date(`${v}T00:00:00Z`).toJSON()?.startsWith(v) === true);
/** A key of a telephone. */
export const key: Check<string> = text('a key: 0 to 9, * or #', (v) => /^[0-9*#]$/.test(v));
/** Statuses by which a user can be refused; Meta shows the user that nobody takes the call. */
export const refusal: Check<number> = (value) => ([403, 404, 480, 486, 503, 600, 603].some((status) => status === value) ? null : 'must be 403, 404, 480, 486, 503, 600 or 603');
export const graphVersion: Check<string> = text('a version such as v25.0', (v) => /^v[1-9][0-9]{0,2}\.[0-9]$/.test(v));
/** An id of Meta's: digits, in quotes, as it is longer than a number of YAML keeps. */
export const metaId: Check<string> = text('an id of digits such as "100000000000001"', (v) => /^[0-9]{5,32}$/.test(v));
/** The same of a medium, which Meta wants as a number of JSON, whole to 2^53. */
export const mediaId: Check<string> = text('an id of 5 to 15 digits such as "900000000000001"', (v) => /^[1-9][0-9]{4,14}$/.test(v));
/** RFC 3966 §3 pname and pvalue, at most 128 characters each (Meta's page "Call settings"). */
export const userParamName: Check<string> = text('letters, digits and -, at most 128', (v) => /^[A-Za-z0-9-]{1,128}$/.test(v) && !(v in Object.prototype));
export const userParamValue: Check<string> = text("at most 128 of A-Z a-z 0-9 - _ . ! ~ * ' ( ) [ ] / : & + $ %", (v) => /^[A-Za-z0-9\-_.!~*'()[\]/:&+$%]{1,128}$/.test(v));
/** A token of Meta's, which stands in a header field. */
export const graphToken: Check<string> = text('a token without spaces', (v) => /^[\x21-\x7e]{1,2000}$/.test(v));
export const templateName: Check<string> = text('the name of a template: small letters, digits and _', (v) => /^[a-z0-9_]{1,512}$/.test(v));
export const language: Check<string> = text('a language such as en or pt_BR', (v) => /^[a-z]{2,3}(?:_[A-Z]{2})?$/.test(v));
/** RE2-like pattern; its syntax is judged by policy and routing, which own the engine. */
export const pattern: Check<string> = text('a pattern of at most 512 characters', (v) => v !== '' && v.length <= 512);
export const stateStore: Check<string> = text('memory, file:PATH, or redis://HOST:PORT/DB (rediss, redis+sentinel, redis+cluster)', (v) => v === 'memory' || /^file:./.test(v) || readRedisUrl(v) !== null);
/** Names a node in keys, log and metrics. */
/** A node among several, in tags of SIP too. */
export const nodeName: Check<string> = text('letters, digits, dots, dashes and underscores, at most 64', (v) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(v));

export const bool: Check<boolean> = (value) => (typeof value === 'boolean' ? null : 'must be true or false');

export function integer(min: number, max: number): Check<number> {
  return (value) => (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? null : `must be a whole number from ${min} to ${max}`);
}

export const port: Check<number> = integer(1, 65535);

export function oneOf<const T extends string>(...values: readonly T[]): Check<T> {
  const wanted = values.length === 1 ? values[0] : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
  return (value) => (values.some((known) => known === value) ? null : `must be ${wanted}`);
}

/** Zero, which switches something off, or what `check` wants. */
export function orZero(check: Check<number>): Check<number> {
  return (value) => {
    const complaint = value === 0 ? null : check(value);
    return complaint === null ? null : `${complaint}, or 0`;
  };
}

export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value) => {
    const complaint = value === null ? null : check(value);
    return complaint === null ? null : `${complaint}, or null`;
  };
}
