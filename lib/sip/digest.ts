/**
 * Digest access authentication (RFC 7616, RFC 8760 for SIP; RFC 2617 for what is seen in the field): the parts both sides share.
 * Values are plain strings; nothing here keeps state.
 */
import { createHash } from 'node:crypto';
import type { DigestAlgorithm } from '../config/types.js';

/** One challenge or one set of credentials: the scheme and its parameters, names in lower case, quotes removed. */
export interface AuthValue {
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
  /** A parameter stands there twice, which RFC 7235 §2.1 forbids: the last is in `params`. */
  readonly repeated: boolean;
}

/** More schemes than anybody has in one message. */
const mostValues = 100;

const isTokenChar = (c: string): boolean => /[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(c);
/** What follows the name of a scheme that has no parameters, such as Basic (RFC 7235 §2.1). */
const token68 = /[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)/y;

/**
 * Reads a WWW-/Proxy-Authenticate or (Proxy-)Authorization value. Several challenges may stand in one
 * value, joined by commas (RFC 7235 §4.1; drachtio-srf joins header lines so). Commas inside quotes are kept.
 * @returns what could be read; an empty list when the value makes no sense.
 */
export function parseAuthValues(value: string): AuthValue[] {
  const out: { scheme: string; params: Map<string, string>; repeated: boolean }[] = [];
  let i = 0;
  const skip = (): void => { while (i < value.length && /[\s,]/.test(value.charAt(i))) i++; };
  const token = (): string => {
    const start = i;
    while (i < value.length && isTokenChar(value.charAt(i))) i++;
    return value.slice(start, i);
  };
  for (skip(); i < value.length; skip()) {
    const name = token();
    if (name === '' || out.length > mostValues) return [];
    let j = i;
    while (j < value.length && /\s/.test(value.charAt(j))) j++;
    if (value[j] !== '=') {
      out.push({ scheme: name, params: new Map(), repeated: false });
      token68.lastIndex = j;
      if (j > i && token68.test(value)) i = token68.lastIndex;
      continue;
    }
    i = j + 1;
    while (i < value.length && /\s/.test(value.charAt(i))) i++;
    const read = value[i] === '"' ? quoted(value, i) : { text: token(), end: i };
    if (read === null) return [];
    i = read.end;
    const last = out.at(-1);
    if (last === undefined) continue;
    last.repeated ||= last.params.has(name.toLowerCase());
    last.params.set(name.toLowerCase(), read.text);
  }
  return out;
}

function quoted(value: string, start: number): { text: string; end: number } | null {
  let text = '';
  for (let i = start + 1; i < value.length; i++) {
    if (value[i] === '\\') text += value[++i] ?? '';
    else if (value[i] === '"') return { text, end: i + 1 };
    else text += value[i];
  }
  return null;
}

/** The algorithm a parameter names; none given means MD5 (RFC 7616 §3.3); null when it is one we do not speak. */
export function algorithmOf(params: ReadonlyMap<string, string>): DigestAlgorithm | null {
  const name = (params.get('algorithm') ?? 'MD5').toUpperCase();
  return name === 'MD5' || name === 'SHA-256' ? name : null;
}

function hash(algorithm: DigestAlgorithm, text: string): string {
  return createHash(algorithm === 'MD5' ? 'md5' : 'sha256').update(text).digest('hex');
}

export interface ResponseInput {
  readonly algorithm: DigestAlgorithm;
  readonly username: string;
  readonly realm: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  /** Absent for a challenge without qop (RFC 2617 §3.2.2.1). */
  readonly qop: { readonly value: 'auth'; readonly cnonce: string; readonly nc: string } | null;
}

/** The digest response in lower-case hex (RFC 7616 §3.4.1). */
export function digestResponse(input: ResponseInput): string {
  const h = (text: string): string => hash(input.algorithm, text);
  const ha1 = h(`${input.username}:${input.realm}:${input.password}`);
  const ha2 = h(`${input.method}:${input.uri}`);
  return input.qop === null
    ? h(`${ha1}:${input.nonce}:${ha2}`)
    : h(`${ha1}:${input.nonce}:${input.qop.nc}:${input.qop.cnonce}:${input.qop.value}:${ha2}`);
}
