// SIP, SIPS and other URIs (RFC 3261 §19.1). Parts are raw: nothing is unescaped, so that what came in can go out again.
import { isDigits, toNumber } from './text.js';
import { paramOf } from './params.js';

export interface SipUri {
  scheme: string;              // lower case: 'sip' or 'sips'
  user: string | undefined;    // with its ;user-parameters and without the password
  password: string | undefined;
  host: string;                // lower case; an IPv6 address keeps its brackets
  port: number | undefined;
  params: string;              // raw, with leading ';', or ''
  headers: string;             // raw, with leading '?', or ''
}

/** Scheme of any URI in lower case, or undefined when there is none. */
export function schemeOf(uri: string): string | undefined {
  const m = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri);
  return m?.[1]?.toLowerCase();
}

/**
 * Reads a sip: or sips: URI. Undefined for other schemes and for text that breaks the grammar: spaces, control characters,
 * angle brackets, an empty host, a port that is no port, unclosed IPv6 brackets.
 */
export function parseUri(text: string): SipUri | undefined {
  const colon = text.indexOf(':');
  if (colon < 3 || colon > 4) return undefined;
  const scheme = text.slice(0, colon).toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips') return undefined;
  if (hasForbidden(text, colon + 1)) return undefined;
  let rest = colon + 1;
  let user: string | undefined;
  let password: string | undefined;
  // An '@' can stand nowhere but behind the userinfo (RFC 3261 §25.1: elsewhere it is escaped).
  const at = text.indexOf('@', rest);
  if (at >= 0) {
    const info = text.slice(rest, at);
    const sep = info.indexOf(':');
    user = sep < 0 ? info : info.slice(0, sep);
    password = sep < 0 ? undefined : info.slice(sep + 1);
    if (user === '' && password === undefined) return undefined;
    rest = at + 1;
  }
  let end = rest;
  while (end < text.length && text[end] !== ';' && text[end] !== '?') end++;
  const hostport = splitHostPort(text.slice(rest, end));
  if (hostport === undefined) return undefined;
  const q = text.indexOf('?', end);
  return {
    scheme, user, password, host: hostport.host, port: hostport.port,
    params: q < 0 ? text.slice(end) : text.slice(end, q),
    headers: q < 0 ? '' : text.slice(q),
  };
}

/** Whether a space, a control character, a quote or an angle bracket stands in the text from there on (RFC 3261 §25.1). */
function hasForbidden(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c <= 32 || c === 34 || c === 60 || c === 62 || c === 127) return true;
  }
  return false;
}

/** Host and optional port of `host`, `host:port`, `[v6]`, `[v6]:port`; undefined when it is neither. Host comes in lower case. */
export function splitHostPort(text: string): { host: string; port: number | undefined } | undefined {
  let host = text;
  let portText: string | undefined;
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    if (close < 3 || !/^[0-9A-Fa-f:.]+$/.test(text.slice(1, close))) return undefined;
    host = text.slice(0, close + 1);
    if (close + 1 < text.length) {
      if (text[close + 1] !== ':') return undefined;
      portText = text.slice(close + 2);
    }
  } else {
    const colon = text.indexOf(':');
    if (colon >= 0) {
      host = text.slice(0, colon);
      portText = text.slice(colon + 1);
    }
    if (!isHostName(host)) return undefined;
  }
  let port: number | undefined;
  if (portText !== undefined) {
    if (!isDigits(portText)) return undefined;
    port = toNumber(portText, 65535);
    // 0 fits the grammar and names no port.
    if (port === undefined || port === 0) return undefined;
  }
  return { host: host.toLowerCase(), port };
}

/** Writes a URI back from its parts. */
export function uriToString(u: SipUri): string {
  const userinfo = u.user === undefined ? '' : `${u.user}${u.password === undefined ? '' : `:${u.password}`}@`;
  return `${u.scheme}:${userinfo}${u.host}${u.port === undefined ? '' : `:${u.port}`}${u.params}${u.headers}`;
}

/** URI parameter by lower-case name: undefined when absent, '' for a bare flag such as `lr`. */
export function uriParam(u: SipUri, name: string): string | undefined {
  return paramOf(u.params, name);
}

// Underscores are not in the grammar but in use as host names of containers.
function isHostName(host: string): boolean {
  return host.length > 0 && host.length <= 255 && /^[A-Za-z0-9._-]+$/.test(host);
}
