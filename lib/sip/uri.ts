/**
 * SIP, SIPS and tel URIs as plain data (RFC 3261 §19.1, RFC 3966), strictly read: what policy judges must mean one thing
 * only. A parser never throws; what it cannot read it gives as null.
 */
import * as sip from '../sipserver/parser/index.js';
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
  return sip.schemeOf(text) === 'tel' ? parseTel(text.slice(4)) : parseSip(text);
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

function parseSip(text: string): SipUri | null {
  const read = sip.parseUri(text);
  if (read === undefined) return null;
  const host = parseHost(read.host);
  const params = parseParams(read.params, paramSyntax);
  const headers = read.headers === '' ? [] : parseHeaders(read.headers.slice(1));
  const user = parseUserinfo(read.user, read.password);
  if (host === null || params === null || headers === null || user === null) return null;
  return { scheme: read.scheme === 'sips' ? 'sips' : 'sip', ...user, ...host, port: read.port ?? null, params, headers };
}

function parseUserinfo(whole: string | undefined, secret: string | undefined): Pick<SipUri, 'user' | 'userParams' | 'password'> | null {
  if (whole === undefined) return { user: null, userParams: [], password: null };
  if (!userSyntax.test(whole) || (secret !== undefined && !passwordSyntax.test(secret))) return null;
  const semicolon = whole.indexOf(';');
  const user = decode(semicolon < 0 ? whole : whole.slice(0, semicolon));
  const userParams = parseParams(semicolon < 0 ? '' : whole.slice(semicolon), userSyntax);
  const password = secret === undefined ? null : decode(secret);
  if (user === null || userParams === null || (secret !== undefined && password === null)) return null;
  return { user, userParams, password };
}

function parseHost(host: string): Pick<SipUri, 'host' | 'hostKind'> | null {
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
  const read = value.length > maxLength ? undefined : sip.parseNameAddr(value);
  // Quotes belong to a quoted-string that is the whole name.
  if (read === undefined || (read.display.includes('"') && !quotedSyntax.test(read.display))) return null;
  const uri = parseUri(read.uri);
  const params = headerParams(read.params);
  return uri === null || params === null ? null : { displayName: read.display === '' ? null : sip.unquote(read.display), uri, uriText: read.uri, params };
}

const quotedSyntax = /^"(?:[^"\\]|\\.)*"$/s;
/** What stands as a value without quotes: a token or a host. */
const plainSyntax = /^[^\s;"<>,]*$/;

/** generic-param: token [ = token / host / quoted-string ], with spaces around the separators (RFC 3261 §25.1). Null where one is empty or malformed. */
function headerParams(text: string): UriParam[] | null {
  if (sip.hasEmptyPart(text) || sip.trimBlanks(text).endsWith(';')) return null;
  const params: UriParam[] = [];
  for (const { name, value } of sip.parseParams(text)) {
    if (!sip.isToken(name) || (value !== undefined && !quotedSyntax.test(value) && !plainSyntax.test(value))) return null;
    params.push({ name: name.toLowerCase(), value: value === undefined ? null : sip.unquote(value) });
  }
  return params;
}

/** Splits a header value at the commas that are not inside quotes or angle brackets (RFC 3261 §7.3.1). */
export const splitHeaderValues: (value: string) => string[] = sip.splitList;
