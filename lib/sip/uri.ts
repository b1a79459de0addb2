/**
 * SIP, SIPS and tel URIs as plain data (RFC 3261 §19.1, RFC 3966), strictly read: what policy judges must mean one thing
 * only. A parser never throws; what it cannot read it gives as null.
 */
import { defaultSipPort } from '../util/hostPort.js';

export interface UriParam {
  /** Lower case. */
  readonly name: string;
  /** Escapes resolved; null when there is no '='. */
  readonly value: string | null;
}

export interface SipUri {
  readonly scheme: 'sip' | 'sips' | 'tel';
  /** The user without its parameters, escapes resolved; of a tel URI the number as written; null when there is none. */
  readonly user: string | null;
  /** Parameters in the user part (RFC 4904 tgrp, trunk-context; RFC 4694 npdi, rn; RFC 3966 isub, postd, phone-context). */
  readonly userParams: readonly UriParam[];
  readonly password: string | null;
  /** Lower case, an IPv6 address in brackets; '' for a tel URI. */
  readonly host: string;
  readonly hostKind: 'name' | 'ipv4' | 'ipv6' | 'none';
  readonly port: number | null;
  readonly params: readonly UriParam[];
  /** After '?' (RFC 3261 §19.1.1). */
  readonly headers: readonly UriParam[];
}

export interface NameAddr {
  /** Quotes and backslashes resolved; null when there is none. */
  readonly displayName: string | null;
  readonly uri: SipUri;
  /** The URI as it was written. */
  readonly uriText: string;
  /** Of the header field, not of the URI: tag, q, index, reason … */
  readonly params: readonly UriParam[];
}

// Longer ones only serve to exhaust a reader; Meta's longest has a few user parameters of 128 characters (META-SIP.md §2.2).
const maxLength = 4096;

/** @returns null for another scheme, wrong syntax, a broken escape, or an escape that stands for a control character. */
export function parseUri(text: string): SipUri | null {
  if (text.length > maxLength) return null;
  const match = /^(sips?|tel):(.+)$/is.exec(text);
  if (match === null) return null;
  const scheme = match[1]!.toLowerCase() as SipUri['scheme'];
  return scheme === 'tel' ? parseTel(match[2]!) : parseSip(scheme, match[2]!);
}

/** Value of a parameter: null when it has none, undefined when it is absent. */
export function uriParam(params: readonly UriParam[], name: string): string | null | undefined {
  return params.find((param) => param.name === name)?.value;
}

/** Whether requests for this URI go over TLS. */
export function isTls(uri: SipUri): boolean {
  return uri.scheme === 'sips' || uriParam(uri.params, 'transport')?.toLowerCase() === 'tls';
}

/** Port of a URI without DNS: as written, else the default of its transport (RFC 3261 §19.1.2). */
export function portOf(uri: SipUri): number {
  return uri.port ?? defaultSipPort(isTls(uri));
}

/** Escapes what RFC 3261 §25.1 does not allow in a user, and ';', '/' and '?', which readers take for separators. */
export function escapeUser(user: string): string {
  return encodeURIComponent(user).replace(/%(26|3D|2B|24|2C)/g, (escape) => decodeURIComponent(escape));
}

// RFC 3261 §25.1: user = 1*( unreserved / escaped / user-unreserved ); password = *( unreserved / escaped / "&" / "=" / "+" / "$" / "," ).
const userSyntax = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+$/;
const passwordSyntax = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*$/;
// paramchar = param-unreserved / unreserved / escaped; header: hnv-unreserved / unreserved / escaped.
const paramSyntax = /^(?:[A-Za-z0-9\-_.!~*'()[\]/:&+$]|%[0-9A-Fa-f]{2})+$/;
const headerSyntax = /^(?:[A-Za-z0-9\-_.!~*'()[\]/?:+$]|%[0-9A-Fa-f]{2})*$/;
// domainlabel and toplabel, with '_' as names of services carry it.
const hostName = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z_](?:[a-z0-9_-]*[a-z0-9_])?\.?$/;

function parseSip(scheme: 'sip' | 'sips', rest: string): SipUri | null {
  const at = rest.indexOf('@');
  const userinfo = at < 0 ? null : rest.slice(0, at);
  // RFC 3261 §25.1: SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ].
  const match = /^(\[[^\]]*\]|[^:;?[\]]+)(?::([0-9]{1,5}))?((?:;[^;?]*)*)(?:\?(.*))?$/s.exec(rest.slice(at + 1));
  if (match === null) return null;
  const host = parseHost(match[1]!);
  const port = match[2] === undefined ? null : Number(match[2]);
  const params = parseParams(match[3]!, paramSyntax);
  const headers = match[4] === undefined ? [] : parseHeaders(match[4]);
  const user = parseUserinfo(userinfo);
  if (host === null || params === null || headers === null || user === null || (port !== null && (port === 0 || port > 65535))) return null;
  return { scheme, ...user, ...host, port, params, headers };
}

function parseUserinfo(userinfo: string | null): Pick<SipUri, 'user' | 'userParams' | 'password'> | null {
  if (userinfo === null) return { user: null, userParams: [], password: null };
  const colon = userinfo.indexOf(':');
  const whole = colon < 0 ? userinfo : userinfo.slice(0, colon);
  const secret = colon < 0 ? null : userinfo.slice(colon + 1);
  if (!userSyntax.test(whole) || (secret !== null && !passwordSyntax.test(secret))) return null;
  const semicolon = whole.indexOf(';');
  const user = decode(semicolon < 0 ? whole : whole.slice(0, semicolon));
  const userParams = parseParams(semicolon < 0 ? '' : whole.slice(semicolon), userSyntax);
  const password = secret === null ? null : decode(secret);
  if (user === null || userParams === null || (secret !== null && password === null)) return null;
  return { user, userParams, password };
}

function parseHost(text: string): Pick<SipUri, 'host' | 'hostKind'> | null {
  const host = text.toLowerCase();
  if (host.startsWith('[')) {
    const address = host.slice(1, -1);
    // RFC 3986 §3.2.2 without zones: hex groups and an optional IPv4 tail. The URL parser knows the grammar of "::".
    return /^[0-9a-f:.]{2,45}$/.test(address) && URL.canParse(`http://${host}/`) ? { host, hostKind: 'ipv6' } : null;
  }
  const octets = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(host);
  if (octets !== null) return octets.slice(1).every((octet) => Number(octet) <= 255 && String(Number(octet)) === octet) ? { host, hostKind: 'ipv4' } : null;
  return host.length <= 253 && hostName.test(host) ? { host: host.replace(/\.$/, ''), hostKind: 'name' } : null;
}

/** ';name=value;name' with or without values; null when one is malformed or (RFC 3261 §19.1.1) there twice. */
function parseParams(text: string, syntax: RegExp): UriParam[] | null {
  const params: UriParam[] = [];
  for (const part of text.split(';').slice(1)) {
    const equals = part.indexOf('=');
    const rawName = equals < 0 ? part : part.slice(0, equals);
    const rawValue = equals < 0 ? null : part.slice(equals + 1);
    if (!syntax.test(rawName) || (rawValue !== null && rawValue !== '' && !syntax.test(rawValue))) return null;
    const name = decode(rawName)?.toLowerCase();
    const value = rawValue === null ? null : decode(rawValue);
    if (name === undefined || (rawValue !== null && value === null)) return null;
    if (params.some((param) => param.name === name)) return null;
    params.push({ name, value });
  }
  return params;
}

function parseHeaders(text: string): UriParam[] | null {
  const headers: UriParam[] = [];
  for (const part of text.split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1 || !headerSyntax.test(part.slice(0, equals)) || !headerSyntax.test(part.slice(equals + 1))) return null;
    const name = decode(part.slice(0, equals));
    // The value of a URI header may hold escaped CRLF in a body parameter; nothing here uses it, so control characters are refused too.
    const value = decode(part.slice(equals + 1));
    if (name === null || value === null) return null;
    headers.push({ name: name.toLowerCase(), value });
  }
  return headers;
}

// RFC 3966 §3: global-number-digits with '+' and visual separators, or local digits with *, # and hex.
const telSyntax = /^(?:\+[0-9\-.()]*[0-9][0-9\-.()]*|[0-9A-Fa-f*#\-.()]*[0-9A-Fa-f*#][0-9A-Fa-f*#\-.()]*)$/;

function parseTel(rest: string): SipUri | null {
  const semicolon = rest.indexOf(';');
  const number = semicolon < 0 ? rest : rest.slice(0, semicolon);
  const params = parseParams(semicolon < 0 ? '' : rest.slice(semicolon), paramSyntax);
  if (params === null || !telSyntax.test(number)) return null;
  return { scheme: 'tel', user: number, userParams: [], password: null, host: '', hostKind: 'none', port: null, params, headers: [] };
}

/** Escapes resolved as UTF-8; null for a broken one or one that gives a control character (a CR or LF would end a header). */
function decode(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    const plain = decodeURIComponent(text);
     
    return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/**
 * One From, To, Contact, Refer-To, Diversion … value (RFC 3261 §20: name-addr or addr-spec, with parameters).
 * Without angle brackets everything after ';' belongs to the header field.
 */
export function parseNameAddr(value: string): NameAddr | null {
  if (value.length > maxLength) return null;
  const text = value.trim();
  const quoted = /^"((?:[^"\\]|\\.)*)"\s*</s.exec(text);
  const open = quoted === null ? text.indexOf('<') : quoted[0].length - 1;
  if (open < 0) {
    const semicolon = text.indexOf(';');
    return nameAddr(null, semicolon < 0 ? text : text.slice(0, semicolon), semicolon < 0 ? '' : text.slice(semicolon));
  }
  const close = text.indexOf('>', open);
  const before = text.slice(0, open).trim();
  if (close < 0 || (quoted === null && before.includes('"'))) return null;
  const displayName = quoted === null ? before : quoted[1]!.replace(/\\(.)/gs, '$1');
  return nameAddr(displayName === '' ? null : displayName, text.slice(open + 1, close), text.slice(close + 1));
}

function nameAddr(displayName: string | null, uriText: string, paramText: string): NameAddr | null {
  const text = uriText.trim();
  const uri = parseUri(text);
  const params = headerParams(paramText);
  return uri === null || params === null ? null : { displayName, uri, uriText: text, params };
}

/** generic-param: token [ = token / host / quoted-string ], with spaces around the separators (RFC 3261 §25.1). */
function headerParams(text: string): UriParam[] | null {
  const params: UriParam[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const match = /^;\s*([A-Za-z0-9\-.!%*_+`'~]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"<>,]*)))?\s*/s.exec(rest);
    if (match === null) return null;
    params.push({ name: match[1]!.toLowerCase(), value: match[2]?.replace(/\\(.)/gs, '$1') ?? match[3] ?? null });
    rest = rest.slice(match[0].length);
  }
  return params;
}

/** Splits a header value at the commas that are not inside quotes or angle brackets (RFC 3261 §7.3.1). */
export function splitHeaderValues(value: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  let bracketed = false;
  for (let i = 0; i < value.length; i += 1) {
    const char = value[i];
    if (quoted) {
      if (char === '\\') i += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = !bracketed;
    else if (char === '<') bracketed = true;
    else if (char === '>') bracketed = false;
    else if (char === ',' && !bracketed) {
      parts.push(value.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(value.slice(start).trim());
  return parts.filter((part) => part !== '');
}
